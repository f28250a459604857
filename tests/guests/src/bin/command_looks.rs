//! Prints what IPVS says, by every function there is for asking.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::{
    host::{
        names,
        stdio::{self, Output},
    },
    ipvs::{
        addresses::{AddressFamily, IpAddress},
        connections,
        live::{self, Scope},
        snapshots::Fields,
    },
};

weir_test_guests::command!(|_| {
    say(&format!("info {:?}", live::info()));
    match live::read(Scope::All, all()) {
        Ok(snapshot) => {
            let columns = snapshot.columns(0, u32::MAX, all());
            say(&format!("read {} services, {} rows", snapshot.size(), columns.weight.len()));
            say(&format!("{:?}", snapshot.services(1, 1)));
            say(&format!("{:?}", snapshot.real_servers(1)));
            say(&format!("{:?}", snapshot.services(7, 1)));
        }
        Err(error) => say(&format!("read {error:?}")),
    }
    say(&format!("totals {:?}", live::totals()));
    say(&format!("timeouts {:?}", live::timeouts()));
    say(&format!("daemons {:?}", live::daemons()));
    say(&format!("schedulers {:?}", live::schedulers().map(|it| it.len())));
    walk();
    say(&format!("hosts {:?}", names::hosts(&[IpAddress::Ipv4((10, 0, 0, 1))])));
    say(&format!("ports {:?}", names::ports(&[(80, "tcp".to_owned())])));
    say(&format!("addresses {:?}", names::addresses(b"web", AddressFamily::Ipv4)));
    say(&format!("port {:?}", names::port(b"http", "tcp")));
    0
});

fn walk() {
    let cursor = match connections::open() {
        Ok(cursor) => cursor,
        Err(error) => return say(&format!("connections {error:?}")),
    };
    loop {
        match cursor.next(2) {
            Ok(page) if page.is_empty() => return say("connections end"),
            Ok(page) => say(&format!("connections {}", page.len())),
            Err(error) => say(&format!("connections {error:?}")),
        }
    }
}

fn say(line: &str) {
    let _ = stdio::write(Output::Stdout, format!("{line}\n").as_bytes());
}

fn all() -> Fields {
    Fields::DETAILS | Fields::CONNECTIONS | Fields::TEMPLATES | Fields::STATS
}
