//! Says every kind of thing about every real server there is, and one that is not, and logs
//! the verdicts. The last statement on each stands.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::{
    ipvs::{
        addresses::{Endpoint, IpAddress},
        real_servers::RealServerKey,
        services::{Protocol, ServiceKey, VirtualEndpoint},
    },
    plugin::intents::{self, Intent, Statement},
};

weir_test_guests::policy!(handle: |_| {
    let intents = [
        Intent::Scale(0),
        Intent::Scale(5000),
        Intent::Floor(1000),
        Intent::Cap(0),
        Intent::Cap(7),
        Intent::Drain,
        Intent::Scale(500),
    ];
    for last in [1, 2, 9] {
        let statements: Vec<Statement> = intents
            .iter()
            .map(|&intent| Statement {
                key: key(last),
                intent,
                lease: Some(3_600_000),
                reason: "why not".to_owned(),
            })
            .collect();
        for verdict in intents::publish(&statements) {
            log::write(log::Level::Info, &format!("{last} {verdict:?}"), &[]);
        }
    }
    intents::withdraw(&[key(2), key(9)]);
    log::write(log::Level::Info, &format!("holds {}", intents::held().len()), &[]);
    Ok(())
});

fn key(last: u8) -> RealServerKey {
    let endpoint = |a, b, c, d, port| Endpoint { address: IpAddress::Ipv4((a, b, c, d)), port };
    let service = VirtualEndpoint { protocol: Protocol::Tcp, endpoint: endpoint(192, 0, 2, 1, 80) };
    RealServerKey { service: ServiceKey::Vip(service), server: endpoint(10, 0, 0, last, 80) }
}
