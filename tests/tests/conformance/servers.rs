//! Real servers: what is accepted, what is refused and why, and what an edit changes.

use weir_embedded::Generation;
use weir_ipvs::{
    Change, Endpoint, Error, Forwarding, RealServer, RealServerKey, Service, ServiceKey, Tunnel,
    TunnelChecksum, TunnelKind,
};

use super::{
    packets::{server, server_v6, tcp, vip, vip_v6},
    subject::Subject,
};

const EINVAL: Error = Error::Errno(22);
const ERANGE: Error = Error::Errno(34);

/// A service without real servers.
fn service(subject: &mut dyn Subject) -> ServiceKey {
    let key = tcp(vip(1, 80));
    subject.make(&[Change::AddService(Service::new(key, "rr"))]);
    key
}

fn delete(service: ServiceKey, server: RealServer) -> Change {
    Change::DeleteServer(RealServerKey { service, server: server.endpoint })
}

fn limited(upper_threshold: u32, lower_threshold: u32) -> RealServer {
    RealServer { upper_threshold, lower_threshold, ..server(9, 1) }
}

fn tunnelled(address: &str) -> RealServer {
    RealServer::new(Endpoint { address: address.parse().unwrap(), port: 80 }, Forwarding::Tunnel, 1)
}

pub(crate) fn a_server_is_read_back_as_it_was_made(subject: &mut dyn Subject) {
    let key = service(subject);
    let tunnel = |kind, port, checksum| Tunnel { kind, port, checksum };
    let tunnels = [
        Tunnel::default(),
        tunnel(TunnelKind::Ipip, 7, TunnelChecksum::Remote),
        tunnel(TunnelKind::Gue, 6080, TunnelChecksum::Remote),
        tunnel(TunnelKind::Gre, 0, TunnelChecksum::Full),
        tunnel(TunnelKind::Other(3), 9, TunnelChecksum::Other(7)),
        tunnel(TunnelKind::Other(255), 0, TunnelChecksum::Other(u16::MAX)),
    ];
    let mut servers: Vec<_> = (0..8)
        .map(|n| RealServer { forwarding: Forwarding::from_number(n), ..server(1, 100 + n) })
        .chain(tunnels.map(|tunnel| RealServer { tunnel, ..server(1, i32::MAX.cast_unsigned()) }))
        .chain([RealServer { upper_threshold: 9, lower_threshold: 9, ..server(1, 0) }])
        .collect();
    for (server, port) in servers.iter_mut().zip(0..) {
        server.endpoint.port = port;
        subject.add_server(key, *server);
    }
    // Newest first.
    let found: Vec<_> = subject.servers(key).iter().rev().map(|it| it.config).collect();
    assert_eq!(found, servers);
}

pub(crate) fn a_server_is_there_once_in_a_service(subject: &mut dyn Subject) {
    let (key, other) = (service(subject), tcp(vip(2, 80)));
    subject.make(&[
        Change::AddService(Service::new(other, "rr")),
        Change::AddServer(key, server(1, 1)),
        Change::AddServer(other, server(1, 1)),
    ]);
    let again = RealServer { forwarding: Forwarding::Direct, ..server(1, 9) };
    assert_eq!(subject.refusal(Change::AddServer(key, again)), Error::ServerExists);
    assert_eq!(subject.servers(key)[0].config, server(1, 1));
    let port = RealServer { endpoint: Endpoint { port: 1, ..again.endpoint }, ..again };
    subject.add_server(key, port);
    subject.make(&[delete(key, server(1, 1))]);
    assert_eq!(subject.refusal(delete(key, server(1, 1))), Error::NoSuchServer);
    assert_eq!(subject.refusal(Change::EditServer(key, server(1, 1))), Error::NoSuchServer);
    assert_eq!(subject.servers(other).len(), 1);
}

pub(crate) fn weights_have_31_bits(subject: &mut dyn Subject) {
    let key = service(subject);
    subject.add_server(key, server(1, 1));
    for weight in [1 << 31, u32::MAX] {
        // Also of one that exists already, or does not exist.
        for n in [1, 2] {
            assert_eq!(subject.refusal(Change::AddServer(key, server(n, weight))), ERANGE);
            assert_eq!(subject.refusal(Change::EditServer(key, server(n, weight))), ERANGE);
        }
    }
    subject.make(&[Change::EditServer(key, server(1, (1 << 31) - 1))]);
    assert_eq!(subject.servers(key)[0].config.weight, (1 << 31) - 1);
}

pub(crate) fn a_lower_threshold_is_not_above_the_upper(subject: &mut dyn Subject) {
    let key = service(subject);
    for server in [limited(4, 5), limited(0, 1), limited(0, u32::MAX)] {
        assert_eq!(subject.refusal(Change::AddServer(key, server)), ERANGE);
        assert_eq!(subject.refusal(Change::EditServer(key, server)), ERANGE);
    }
    subject.add_server(key, limited(4, 4));
    assert_eq!(subject.refusal(Change::EditServer(key, limited(4, 5))), ERANGE);
    assert_eq!(subject.servers(key)[0].config, limited(4, 4));
}

pub(crate) fn upper_thresholds_have_31_bits_on_newer_kernels(subject: &mut dyn Subject) {
    let key = service(subject);
    for upper in [1 << 31, u32::MAX] {
        match subject.generation() {
            Generation::Older => {
                subject.make(&[
                    Change::AddServer(key, limited(upper, 0)),
                    Change::EditServer(key, limited(upper, upper)),
                    delete(key, limited(0, 0)),
                ]);
            }
            Generation::Newer => {
                assert_eq!(subject.refusal(Change::AddServer(key, limited(upper, 0))), EINVAL);
                assert_eq!(subject.refusal(Change::EditServer(key, limited(upper, 0))), EINVAL);
            }
        }
    }
    subject.add_server(key, limited((1 << 31) - 1, 0));
}

pub(crate) fn gue_needs_a_port(subject: &mut dyn Subject) {
    let key = service(subject);
    let tunnel = Tunnel { kind: TunnelKind::Gue, ..Tunnel::default() };
    let gue = |forwarding| RealServer { tunnel, forwarding, ..server(1, 1) };
    // Whether or not it is a tunnel at all, and before anybody looks whether it exists.
    for forwarding in [Forwarding::Tunnel, Forwarding::Masquerade] {
        assert_eq!(subject.refusal(Change::AddServer(key, gue(forwarding))), EINVAL);
        assert_eq!(subject.refusal(Change::EditServer(key, gue(forwarding))), EINVAL);
    }
}

pub(crate) fn servers_have_local_or_unicast_addresses(subject: &mut dyn Subject) {
    let key = service(subject);
    for address in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "10.254.0.255", "127.255.255.255"] {
        assert_eq!(
            subject.refusal(Change::AddServer(key, tunnelled(address))),
            EINVAL,
            "{address}"
        );
    }
    for address in ["127.0.0.1", "10.99.0.1", "10.254.0.1", "10.254.0.0", "240.0.0.1", "0.0.0.1"] {
        subject.add_server(key, tunnelled(address));
    }
    let key = tcp(vip_v6(1, 80));
    subject.make(&[Change::AddService(Service::new(key, "rr"))]);
    for address in ["::", "ff02::1", "fe80::1"] {
        assert_eq!(
            subject.refusal(Change::AddServer(key, tunnelled(address))),
            EINVAL,
            "{address}"
        );
    }
    for address in ["::1", "fd99::1", "fd54::1", "2001:db8::1"] {
        subject.add_server(key, tunnelled(address));
    }
}

pub(crate) fn only_tunnels_cross_families(subject: &mut dyn Subject) {
    let (v4, v6) = (service(subject), tcp(vip_v6(1, 80)));
    subject.make(&[Change::AddService(Service::new(v6, "rr"))]);
    for (key, other) in [(v4, server_v6(1, 1)), (v6, server(1, 1))] {
        for forwarding in [Forwarding::Masquerade, Forwarding::Direct] {
            let other = RealServer { forwarding, ..other };
            assert_eq!(subject.refusal(Change::AddServer(key, other)), EINVAL);
            // Before anybody looks whether it exists.
            assert_eq!(subject.refusal(Change::EditServer(key, other)), EINVAL);
        }
        let tunnel = RealServer { forwarding: Forwarding::Tunnel, ..other };
        subject.add_server(key, tunnel);
        assert_eq!(subject.refusal(Change::EditServer(key, other)), EINVAL);
        assert_eq!(subject.servers(key)[0].config, tunnel);
        subject.make(&[Change::EditServer(key, RealServer { weight: 7, ..tunnel })]);
        subject.make(&[delete(key, tunnel)]);
    }
}

pub(crate) fn an_edit_replaces_all_but_the_address(subject: &mut dyn Subject) {
    let key = service(subject);
    for n in 1..=3 {
        subject.add_server(key, RealServer { upper_threshold: 7, ..server(n, n.into()) });
    }
    let tunnel = Tunnel { kind: TunnelKind::Gre, port: 0, checksum: TunnelChecksum::Full };
    let edits = [
        RealServer { tunnel, forwarding: Forwarding::Tunnel, ..server(2, 0) },
        RealServer { forwarding: Forwarding::Direct, ..server(2, 5) },
        RealServer { upper_threshold: 9, lower_threshold: 2, ..server(2, 5) },
        server(2, 2),
    ];
    for edit in edits {
        subject.make(&[Change::EditServer(key, edit)]);
        assert_eq!(subject.server(key, 2).config, edit);
    }
    // In the place where it was.
    let order: Vec<_> = subject.servers(key).iter().map(|it| it.config.weight).collect();
    assert_eq!(order, [3, 2, 1]);
    assert_eq!(subject.server(key, 1).config.upper_threshold, 7);
}
