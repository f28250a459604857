//! Logs all it can see: the table, health, its settings, the time, why it was made, and
//! what it is told.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::{
    host::{clock, config},
    ipvs::{real_servers::RealServerKey, snapshots::Fields, table},
    plugin::{health, intents, labels},
};

weir_test_guests::policy!(
    init: |context| {
        say(&format!("{} {:?} {}", context.instance, context.birth, context.host_version));
        Ok(())
    },
    handle: |batch| {
        for envelope in batch {
            say(&format!("{envelope:?}"));
        }
        say(&format!("{} {} {}", config::get(), clock::wall(), clock::monotonic()));
        look();
        Ok(())
    },
);

fn look() {
    let snapshot = table::current();
    say(&format!("{} services at {}", snapshot.size(), snapshot.taken_at()));
    let (mut services, mut keys) = (Vec::new(), Vec::new());
    for (number, service) in (0..).zip(snapshot.services(0, 100)) {
        let key = service.config.key;
        services.push(key);
        say(&format!("{:?} is {:?} named {:?}", key, snapshot.find(key), table::name(key)));
        for server in snapshot.real_servers(number) {
            keys.push(RealServerKey { service: key, server: server.config.server });
        }
    }
    let columns = snapshot.columns(0, 100, Fields::CONNECTIONS);
    say(&format!(
        "weights {:?} active {:?} totals {:?}",
        columns.weight, columns.active, columns.totals
    ));
    for report in health::current(&keys) {
        say(&format!("{:?} {:?} for {}", report.key.server.port, report.status, report.since));
    }
    say(&format!("labels {:?}", labels::of_services(&services)));
    say(&format!("labels {:?}", labels::of_real_servers(&keys)));
    say(&format!("holds {}", intents::held().len()));
}

fn say(text: &str) {
    log::write(log::Level::Info, text, &[("kind".to_owned(), "look".to_owned())]);
}
