//! A policy and a guard in one, which plays what its settings say, and also what it should
//! not.
#![cfg_attr(target_os = "unknown", no_main)]

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package test:guests;
        world both {
            include weir:plugin/policy@0.1.0;
            include weir:plugin/guard@0.1.0;
            include weir:plugin/runner@0.1.0;
        }
    ",
    world: "test:guests/both",
    generate_all,
});

use exports::weir::plugin::{guarding, reactor, roles};
use weir::{
    host::log,
    plugin::{
        events::{Envelope, Kind, Subscription},
        failures::Failure,
        intents::{self, Intent, Statement},
    },
};

struct Exports;

impl reactor::Guest for Exports {
    fn init(_: reactor::Context) -> Result<Subscription, Failure> {
        Ok(Subscription { kinds: vec![Kind::Health], stats_every: None })
    }

    fn handle(batch: Vec<Envelope>) -> Result<(), Failure> {
        log::write(log::Level::Info, &format!("hears {}", batch.len()), &[]);
        Ok(())
    }
}

impl guarding::Guest for Exports {
    /// Says something, too, which only a policy may while it handles events.
    fn judge(review: guarding::Review) -> guarding::Verdict {
        let service = review.outcome[0].config.key;
        let server = review.outcome[0].real_servers[0].server;
        let key = weir::ipvs::real_servers::RealServerKey { service, server };
        let statement =
            Statement { key, intent: Intent::Drain, lease: None, reason: String::new() };
        let verdict = &intents::publish(&[statement])[0];
        guarding::Verdict::Warn(format!("{verdict:?}"))
    }
}

impl roles::Guest for Exports {
    fn choose(settings: String) -> Result<roles::Played, String> {
        Ok(match settings.as_str() {
            "{\"do\":\"policy\"}" => roles::Played::POLICY,
            "{\"do\":\"nothing\"}" => roles::Played::empty(),
            "{\"do\":\"weigher\"}" => roles::Played::WEIGHER,
            "{\"do\":\"error\"}" => return Err("there is no such part".to_owned()),
            "{\"do\":\"panic\"}" => panic!("out of roles"),
            _ => roles::Played::POLICY | roles::Played::GUARD,
        })
    }
}

weir_test_guests::exports!();
