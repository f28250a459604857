//! Drains a real server and then fails, as its settings say: by an error, an error that may
//! be tried again, or a panic; in `handle`, or in `init`.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::{
    host::config,
    ipvs::{real_servers::RealServerKey, table},
    plugin::intents::{self, Intent, Statement, Verdict},
};

weir_test_guests::policy!(init: |_| fail_in("init"), handle: |_| fail_in("handle"));

fn fail_in(here: &str) -> Result<(), Failure> {
    drain_one();
    let settings = config::get();
    let failure = |retryable| Failure { message: "the settings say so".to_owned(), retryable };
    let setting = settings.trim_matches(['{', '}', '"']).split_once("\":");
    match setting.map(|(place, how)| (place, how.trim_start_matches([' ', '"']))) {
        Some((place, _)) if place != here => Ok(()),
        Some((_, "error")) => Err(failure(false)),
        Some((_, "retryable")) => Err(failure(true)),
        Some((_, "panic")) => panic!("out of ideas"),
        _ => Ok(()),
    }
}

fn drain_one() {
    let snapshot = table::current();
    let service = snapshot.services(0, 1)[0].config.key;
    let server = snapshot.real_servers(0)[0].config.server;
    let key = RealServerKey { service, server };
    let verdicts = intents::publish(&[Statement {
        key,
        intent: Intent::Drain,
        lease: None,
        reason: "one".to_owned(),
    }]);
    if let Verdict::Refused(error) = &verdicts[0] {
        log::write(log::Level::Info, &format!("{error:?}"), &[]);
    }
}
