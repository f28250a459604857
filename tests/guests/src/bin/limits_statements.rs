//! Says more in one call than a policy may, and logs how many of its statements were
//! refused, and as what.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::{
    ipvs::{errors::Error, real_servers::RealServerKey, table},
    plugin::intents::{self, Intent, Statement, Verdict},
};

weir_test_guests::policy!(handle: |_| {
    let snapshot = table::current();
    let service = snapshot.services(0, 1)[0].config.key;
    let server = snapshot.real_servers(0)[0].config.server;
    let key = RealServerKey { service, server };
    let reason = "ü".repeat(1000);
    let statement = Statement { key, intent: Intent::Drain, lease: None, reason };
    let verdicts = intents::publish(&vec![statement; 5000]);
    let denied = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Refused(Error::Denied(denial)) => Some(denial.code.as_str()),
        _ => None,
    });
    let denied: Vec<&str> = denied.collect();
    log::write(log::Level::Info, &format!("{} {}", denied.len(), denied[0]), &[]);
    Ok(())
});
