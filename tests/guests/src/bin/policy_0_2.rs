//! A policy of the artificial 0.2: drains what fails; what recovers is to have half its weight.
#![cfg_attr(target_os = "unknown", no_main)]

wit_bindgen::generate!({
    path: ["../../wit/deps/ipvs", "../../wit/deps/host", "../compat/0.2"],
    world: "weir:plugin/policy",
    generate_all,
});

use exports::weir::plugin::reactor::{Event, Guest};
use weir::{
    host::log,
    plugin::intents::{self, Intent},
};

struct Exports;

impl Guest for Exports {
    fn init(instance: String) -> Result<(), String> {
        log_panics();
        log::write(log::Level::Info, &format!("{instance} is of 0.2"), &[]);
        Ok(())
    }

    fn handle(event: Event) -> Result<(), String> {
        let (change, intent) = match event {
            Event::Failed(change) => (change, Intent::Drain),
            Event::Recovered(change) => (change, Intent::Percent(50)),
            Event::Started | Event::Other => return Err("nothing is known of it".to_owned()),
        };
        let service = change.service.unwrap_or_default();
        let verdict = intents::publish(change.server, intent, &change.detail);
        log::write(log::Level::Info, &format!("{service} {verdict:?}"), &[]);
        Ok(())
    }
}

weir_test_guests::exports!();
