//! Does with services and HTTP what its settings say, a word and its arguments a line, and logs what
//! it hears. The first line is done in `init`, the others in `handle`.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::{
    host::{
        config, http,
        http_messages::{HeaderValue, Request, Secret},
    },
    ipvs::{
        addresses::{Endpoint, IpAddress},
        real_servers::{Forwarding, RealServerConfig, Tunnel, TunnelChecksum, TunnelType},
        services::{Protocol, ServiceConfig, ServiceFlags, ServiceKey, VirtualEndpoint},
    },
    plugin::{
        events::Event,
        structure::{self, OwnedService},
    },
};

weir_test_guests::policy!(
    world: "controller",
    init: |_| {
        if let Some(line) = lines().first() {
            step(line);
        }
        Ok(())
    },
    handle: |batch| {
        for envelope in batch {
            if let Event::Answered(answer) = envelope.event {
                log::write(log::Level::Info, &format!("{answer:?}"), &[]);
            }
        }
        lines().iter().skip(1).for_each(|it| step(it));
        Ok(())
    },
);

fn lines() -> Vec<String> {
    config::get().trim_matches(['{', '}']).split(';').map(|it| it.trim().to_owned()).collect()
}

/// 192.0.2.x:80.
fn key(last: &str) -> ServiceKey {
    let address = IpAddress::Ipv4((192, 0, 2, last.parse().expect("a number")));
    ServiceKey::Vip(VirtualEndpoint {
        protocol: Protocol::Tcp,
        endpoint: Endpoint { address, port: 80 },
    })
}

/// A service with so many real servers, 10.0.0.1:80 and on; 0 is one that is there twice.
fn owned(name: &str, last: &str, servers: &str) -> OwnedService {
    let numbers = match servers.parse().expect("a number") {
        0 => vec![1, 1],
        count => (1..=count).collect(),
    };
    let server = |last| RealServerConfig {
        server: Endpoint { address: IpAddress::Ipv4((10, 0, 0, last)), port: 80 },
        forwarding: Forwarding::Masquerade,
        tunnel: Tunnel { kind: TunnelType::Ipip, port: 0, checksum: TunnelChecksum::None },
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let config = ServiceConfig {
        key: key(last),
        scheduler: "wrr".to_owned(),
        flags: ServiceFlags::empty(),
        unnamed_flags: 0,
        persistence: None,
        netmask: u32::MAX,
        engine: None,
    };
    OwnedService {
        name: name.to_owned(),
        config,
        real_servers: numbers.into_iter().map(server).collect(),
    }
}

fn request(method: &str, url: &str, headers: &[&str]) -> Request {
    let header = |it: &&str| {
        let (name, value) = it.split_once('=').expect("a name and a value");
        let value = match value.split_once('+') {
            Some((prefix, name)) => {
                HeaderValue::Secret(Secret { prefix: prefix.to_owned(), name: name.to_owned() })
            }
            None => HeaderValue::Plain(value.to_owned()),
        };
        (name.to_owned(), value)
    };
    Request {
        tag: "x".to_owned(),
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.iter().map(header).collect(),
        body: Vec::new(),
        timeout: 0,
    }
}

fn step(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let said = match &words[..] {
        ["own", name, last, servers] => {
            format!("{:?}", structure::ensure(&[owned(name, last, servers)]).pop())
        }
        ["remove", last] => {
            structure::remove(&[key(last)]);
            return;
        }
        ["owned"] => {
            let names: Vec<String> = structure::owned().into_iter().map(|it| it.name).collect();
            format!("{names:?}")
        }
        ["ask", method, url, headers @ ..] => {
            format!("{:?}", http::send(&request(method, url, headers)))
        }
        ["large"] => {
            let body = vec![0; (64 << 10) + 1];
            let request = Request { body, ..request("GET", "https://registry.example/", &[]) };
            format!("{:?}", http::send(&request))
        }
        ["tag"] => {
            let tag = "x".repeat(257);
            let request = Request { tag, ..request("GET", "https://registry.example/", &[]) };
            format!("{:?}", http::send(&request))
        }
        _ => return,
    };
    log::write(log::Level::Info, &said, &[]);
}
