//! Logs what it is asked and what it can look at, and judges as its settings say: allow,
//! warn, deny, panic, or never.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::{
    host::{clock, config},
    ipvs::{errors::Denial, table},
};

weir_test_guests::guard!(|review| {
    let Review { origin, reason, operations, outcome } = &review;
    let said = format!("{origin:?} {reason} {operations:?} at {}", clock::wall());
    log::write(log::Level::Info, &said, &[]);
    for service in outcome {
        let weights: Vec<u32> = service.real_servers.iter().map(|it| it.weight).collect();
        log::write(log::Level::Info, &format!("will be {weights:?}"), &[]);
    }
    log::write(log::Level::Info, &format!("sees {}", table::current().size()), &[]);
    let settings = config::get();
    match settings.trim_matches(['{', '}', '"']).split_once("\":\"").map_or("", |it| it.1) {
        "warn" => Verdict::Warn("it is late".to_owned()),
        "deny" => {
            let message = "not on my watch".to_owned();
            Verdict::Deny(Denial { code: "no".to_owned(), message })
        }
        "panic" => panic!("out of ideas"),
        "loop" => loop {
            std::hint::black_box(());
        },
        _ => Verdict::Allow,
    }
});
