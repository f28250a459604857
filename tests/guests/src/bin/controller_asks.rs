//! A controller: asks a registry at every `stats`, and owns the service db with the one real
//! server that the answer names, a digit. Without an answer it gives up what it owns.
#![cfg_attr(target_os = "unknown", no_main)]

wit_bindgen::generate!({ path: "../../wit", world: "controller", generate_all });

use exports::weir::plugin::reactor::{Context, Guest};
use weir::{
    host::{
        http,
        http_messages::{HeaderValue, Request, Secret},
        log,
    },
    ipvs::{
        addresses::{Endpoint, IpAddress},
        real_servers::{Forwarding, RealServerConfig, Tunnel, TunnelChecksum, TunnelType},
        services::{Protocol, ServiceConfig, ServiceFlags, ServiceKey, VirtualEndpoint},
    },
    plugin::{
        events::{Envelope, Event, Kind, Subscription},
        failures::Failure,
        structure::{self, OwnedService},
    },
};

struct Exports;

impl Guest for Exports {
    fn init(_: Context) -> Result<Subscription, Failure> {
        log_panics();
        Ok(Subscription { kinds: vec![Kind::Stats], stats_every: Some(7000) })
    }

    fn handle(batch: Vec<Envelope>) -> Result<(), Failure> {
        for envelope in batch {
            match envelope.event {
                Event::Stats(_) => ask(),
                Event::Answered(answer) => match answer.outcome {
                    Ok(response) => own(response.body[0] - b'0'),
                    Err(_) => structure::remove(&[key()]),
                },
                _ => {}
            }
        }
        log::write(log::Level::Info, &format!("owns {}", structure::owned().len()), &[]);
        Ok(())
    }
}

fn ask() {
    let secret = Secret { prefix: "Bearer ".to_owned(), name: "token".to_owned() };
    let request = Request {
        tag: "servers".to_owned(),
        method: "GET".to_owned(),
        url: "http://192.0.2.7/v1/db".to_owned(),
        headers: vec![
            ("accept".to_owned(), HeaderValue::Plain("*/*".to_owned())),
            ("authorization".to_owned(), HeaderValue::Secret(secret)),
        ],
        body: Vec::new(),
        timeout: 2000,
    };
    log::write(log::Level::Info, &format!("{:?}", http::send(&request)), &[]);
}

fn own(last: u8) {
    let config = ServiceConfig {
        key: key(),
        scheduler: "wlc".to_owned(),
        flags: ServiceFlags::empty(),
        unnamed_flags: 0,
        persistence: Some(300),
        netmask: u32::MAX,
        engine: None,
    };
    let server = RealServerConfig {
        server: Endpoint { address: IpAddress::Ipv4((10, 0, 0, last)), port: 80 },
        forwarding: Forwarding::Masquerade,
        tunnel: Tunnel { kind: TunnelType::Ipip, port: 0, checksum: TunnelChecksum::None },
        weight: 5,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let service = OwnedService { name: "db".to_owned(), config, real_servers: vec![server] };
    log::write(log::Level::Info, &format!("{:?}", structure::ensure(&[service])), &[]);
}

fn key() -> ServiceKey {
    let endpoint = Endpoint { address: IpAddress::Ipv4((192, 0, 2, 9)), port: 80 };
    ServiceKey::Vip(VirtualEndpoint { protocol: Protocol::Tcp, endpoint })
}

weir_test_guests::exports!();
