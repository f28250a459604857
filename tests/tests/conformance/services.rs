//! Services: what is accepted, what is refused and why, and what an edit changes.

use weir_ipvs::{
    Change, Endpoint, Error, Family, Fields, Protocol, Scope, Service, ServiceFlags, ServiceKey,
    Timeouts,
};

use super::{
    packets::{fwmark, persistent, sctp, server, tcp, udp, vip, vip_v6},
    subject::Subject,
};

/// Errors that have no word of their own.
const EINVAL: Error = Error::Errno(22);

fn add(service: Service) -> Change {
    Change::AddService(service)
}

/// Services of every kind.
fn motley() -> Vec<Service> {
    let bits = ServiceFlags::from_bits(u32::MAX);
    let (v4, v6) = (vip(1, 80), vip_v6(1, 80));
    vec![
        Service::new(tcp(v4), "wrr"),
        Service { flags: ServiceFlags::ONE_PACKET, ..Service::new(udp(v4), "rr") },
        Service { flags: bits, ..Service::new(sctp(v4), "sh") },
        Service { netmask: 0xffff_ff00, ..persistent(tcp(vip(1, 443)), "mh", 360) },
        Service { netmask: 0xff00_ff00, ..persistent(udp(vip(1, 0)), "dh", 0) },
        Service { netmask: 0, ..Service::new(tcp(vip(2, 80)), "lblcr") },
        Service { engine: Some("sip".to_owned()), ..persistent(udp(vip(1, 5060)), "lc", 60) },
        Service { engine: Some("sip".to_owned()), ..Service::new(tcp(vip(1, 5060)), "lc") },
        Service { netmask: 64, ..persistent(tcp(v6), "wlc", 60) },
        Service { netmask: 1, ..Service::new(udp(v6), "none") },
        Service::new(fwmark(7, Family::V4), "sed"),
        Service::new(fwmark(7, Family::V6), "nq"),
        Service::new(fwmark(u32::MAX, Family::V4), "fo"),
    ]
}

pub(crate) fn a_service_is_read_back_as_it_was_made(subject: &mut dyn Subject) {
    let services = motley();
    subject.make(&services.iter().cloned().map(add).collect::<Vec<_>>());
    let snapshot = subject.snapshot();
    assert_eq!(snapshot.entries.len(), services.len());
    for service in services {
        let entry = snapshot.get(&service.key).expect("it was made");
        assert_eq!(entry.service.config, service);
        assert_eq!(subject.entry(service.key), *entry);
    }
    subject.make(&[Change::Flush, Change::Flush]);
    assert_eq!(subject.snapshot().entries, []);
}

pub(crate) fn any_protocol_address_and_port_will_do(subject: &mut dyn Subject) {
    let protocols = [0, 1, 17, 47, 50, 51, 132, 255, 256, u16::MAX];
    let addresses = ["0.0.0.0", "224.0.0.1", "203.0.113.9", "fe80::1", "ff02::1"];
    for protocol in protocols.map(Protocol::from_number) {
        for address in addresses {
            let endpoint = Endpoint { address: address.parse().unwrap(), port: 0 };
            subject.make(&[add(Service::new((protocol, endpoint).into(), "rr"))]);
        }
    }
    let count = protocols.len() * addresses.len();
    assert_eq!(subject.snapshot().entries.len(), count);
}

pub(crate) fn a_service_exists_once(subject: &mut dyn Subject) {
    let keys = [tcp(vip(1, 80)), fwmark(7, Family::V4), fwmark(7, Family::V6)];
    for key in keys {
        subject.make(&[add(Service::new(key, "rr"))]);
        assert_eq!(subject.refusal(add(Service::new(key, "wlc"))), Error::ServiceExists);
        // Before anybody looks at the scheduler.
        assert_eq!(subject.refusal(add(Service::new(key, "nope"))), Error::ServiceExists);
        assert_eq!(subject.entry(key).service.config.scheduler, "rr");
    }
}

pub(crate) fn mark_zero_is_a_service_by_address(subject: &mut dyn Subject) {
    subject.make(&[add(Service::new(fwmark(0, Family::V4), "rr"))]);
    let any = tcp(Endpoint::new([0, 0, 0, 0], 0));
    assert_eq!(subject.entry(any).service.config, Service::new(any, "rr"));
    assert_eq!(subject.refusal(add(Service::new(any, "rr"))), Error::ServiceExists);
    subject.make(&[Change::DeleteService(fwmark(0, Family::V4))]);
    assert_eq!(subject.snapshot().entries, []);
}

pub(crate) fn schedulers_and_engines_are_known_by_their_exact_names(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    for name in ["nope", "", "RR", "rr ", "fifteen-letters"] {
        assert_eq!(subject.refusal(add(Service::new(key, name))), Error::NoSuchModule, "{name:?}");
    }
    assert_eq!(subject.refusal(add(Service::new(key, "sixteen--letters"))), EINVAL);
    let engine =
        |name: &str| add(Service { engine: Some(name.to_owned()), ..Service::new(key, "rr") });
    assert_eq!(subject.refusal(engine("nope")), Error::NoSuchModule);
    assert_eq!(subject.refusal(engine("seventeen-letters")), EINVAL);
    assert_eq!(subject.snapshot().entries, []);
}

pub(crate) fn an_ipv6_prefix_has_1_to_128_bits(subject: &mut dyn Subject) {
    let key = tcp(vip_v6(1, 80));
    let service = |netmask, scheduler: &str| Service { netmask, ..Service::new(key, scheduler) };
    for netmask in [0, 129, 64_u32.swap_bytes(), u32::MAX] {
        assert_eq!(subject.refusal(add(service(netmask, "rr"))), EINVAL, "{netmask}");
        assert_eq!(subject.refusal(add(service(netmask, "nope"))), Error::NoSuchModule);
    }
    subject.make(&[add(service(1, "rr")), Change::EditService(service(128, "rr"))]);
    assert_eq!(subject.refusal(Change::EditService(service(0, "rr"))), EINVAL);
    assert_eq!(subject.entry(key).service.config, service(128, "rr"));
}

pub(crate) fn persistence_is_kept_in_32_bits_of_ticks(subject: &mut dyn Subject) {
    // With 100 ticks a second.
    for (seconds, kept) in
        [(0, 0), (2_678_400, 2_678_400), (42_949_672, 42_949_672), (42_949_673, 0)]
    {
        let key = tcp(vip(1, 80));
        subject.make(&[add(persistent(key, "rr", seconds))]);
        assert_eq!(subject.entry(key).service.config.persistence, Some(kept), "{seconds}");
        subject.make(&[Change::DeleteService(key)]);
    }
}

pub(crate) fn what_is_not_there_cannot_be_changed(subject: &mut dyn Subject) {
    let (there, key) = (tcp(vip(1, 80)), tcp(vip(1, 81)));
    subject.make(&[add(Service::new(there, "rr"))]);
    let missing = Error::NoSuchService;
    for change in [
        Change::EditService(Service::new(key, "rr")),
        Change::EditService(Service::new(key, "nope")),
        Change::DeleteService(key),
        Change::Zero(Some(key)),
        Change::AddServer(key, server(1, 1)),
        Change::EditServer(key, server(1, 1)),
        Change::DeleteServer(weir_ipvs::RealServerKey {
            service: key,
            server: server(1, 1).endpoint,
        }),
    ] {
        assert_eq!(subject.refusal(change), missing);
    }
    assert_eq!(subject.ipvs().read(Scope::One(key), Fields::ALL), Err(missing));
    subject.make(&[Change::Zero(None), Change::Zero(Some(there)), Change::DeleteService(there)]);
    assert_eq!(subject.refusal(Change::DeleteService(there)), Error::NoSuchService);
}

pub(crate) fn an_edit_replaces_all_but_the_key(subject: &mut dyn Subject) {
    let key = udp(vip(1, 80));
    let edits = [
        Service { flags: ServiceFlags::ONE_PACKET, ..persistent(key, "rr", 60) },
        Service { engine: Some("sip".to_owned()), netmask: 7, ..persistent(key, "wlc", 70) },
        Service::new(key, "none"),
        Service { flags: ServiceFlags::from_bits(0xf0), ..Service::new(key, "mh") },
        Service::new(key, "mh"),
    ];
    subject.make(&[add(Service::new(key, "rr")), Change::AddServer(key, server(1, 1))]);
    for edit in edits {
        subject.make(&[Change::EditService(edit.clone())]);
        assert_eq!(subject.entry(key).service.config, edit);
    }
    for wrong in [
        Service::new(key, "nope"),
        Service { engine: Some("nope".to_owned()), ..Service::new(key, "rr") },
    ] {
        assert_eq!(subject.refusal(Change::EditService(wrong)), Error::NoSuchModule);
    }
    let entry = subject.entry(key);
    assert_eq!(entry.service.config, Service::new(key, "mh"));
    assert_eq!(entry.servers.len(), 1);
}

pub(crate) fn timeouts_change_together_or_not_at_all(subject: &mut dyn Subject) {
    let set = |tcp, tcp_fin, udp| Change::SetTimeouts(Timeouts { tcp, tcp_fin, udp });
    let read = |subject: &mut dyn Subject| {
        let Timeouts { tcp, tcp_fin, udp } = subject.ipvs().timeouts().unwrap();
        (tcp, tcp_fin, udp)
    };
    // With 100 ticks a second.
    const MAX: u32 = i32::MAX.cast_unsigned() / 100;
    assert_eq!(read(subject), (900, 120, 300));
    subject.make(&[set(0, 33, 0), set(0, 0, 0)]);
    assert_eq!(read(subject), (900, 33, 300));
    for refused in [set(9, 9, MAX + 1), set(MAX + 1, 0, 0), set(9, u32::MAX, 0)] {
        assert_eq!(subject.refusal(refused), EINVAL);
        assert_eq!(read(subject), (900, 33, 300));
    }
    subject.make(&[set(MAX, MAX, MAX)]);
    assert_eq!(read(subject), (MAX, MAX, MAX));
    subject.make(&[Change::Flush]);
    assert_eq!(read(subject), (MAX, MAX, MAX));
}

pub(crate) fn it_tells_of_itself(subject: &mut dyn Subject) {
    let info = subject.ipvs().info().unwrap();
    assert_eq!((info.version, info.connection_table_size), ((1, 2, 1), 4096));
    let schedulers = subject.ipvs().schedulers().unwrap();
    let names: Vec<_> = schedulers.iter().map(|it| it.name.as_str()).collect();
    assert!(names.is_sorted());
    for name in [
        "dh", "fo", "lblc", "lblcr", "lc", "mh", "none", "nq", "ovf", "rr", "sed", "sh", "wlc",
        "wrr",
    ] {
        assert!(names.contains(&name), "{name}");
        let key = ServiceKey::from((Protocol::Tcp, vip(1, 80)));
        subject.make(&[add(Service::new(key, name)), Change::DeleteService(key)]);
    }
    assert_eq!(subject.ipvs().totals().unwrap(), weir_ipvs::Stats::default());
}
