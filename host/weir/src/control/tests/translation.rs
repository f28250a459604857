//! Decoding what was encoded gives what it was, for everything that passes.

use std::{fmt::Debug, net::IpAddr};

use proptest::{collection::vec, option, prelude::*};
use serde::{Serialize, de::DeserializeOwned};
use weir_ipvs::{
    Availability, Connection, Endpoint, Failure, Family, Forwarding, Protocol, RealServer,
    RealServerKey, RealServerStatus, Scheduler, Service, ServiceFlags, ServiceKey, ServiceStatus,
    Stats, SyncDaemon, SyncRole, TableEntry, Timeouts, Traffic, Tunnel, TunnelChecksum, TunnelKind,
    WeightMeaning, scheduler::named_flags,
};

use super::{super::protocol, *};

/// Carries `value` over as a `Wire`.
fn carry<Ours, Wire>(value: Ours) -> Ours
where
    Ours: From<Wire>,
    Wire: From<Ours> + Serialize + DeserializeOwned + Debug + PartialEq,
{
    let sent = Wire::from(value);
    let json = serde_json::to_string(&sent).unwrap();
    assert!(!json.contains('\n'), "a line stays a line");
    let arrived: Wire = serde_json::from_str(&json).unwrap();
    assert_eq!(arrived, sent);
    arrived.into()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,16}", any::<String>()]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(address, port)| Endpoint { address, port })
}

fn key() -> impl Strategy<Value = ServiceKey> {
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    prop_oneof![
        (any::<u16>(), endpoint()).prop_map(|(protocol, endpoint)| ServiceKey::Address {
            protocol: Protocol::from_number(protocol),
            endpoint
        }),
        (any::<u32>(), family).prop_map(|(mark, family)| ServiceKey::Fwmark { mark, family }),
    ]
}

fn service() -> impl Strategy<Value = Service> {
    let persistence = option::of(any::<u32>());
    let parts = (key(), text(), any::<u32>(), persistence, any::<u32>(), option::of(text()));
    parts.prop_map(|(key, scheduler, flags, persistence, netmask, engine)| Service {
        key,
        scheduler,
        flags: ServiceFlags::from_bits(flags),
        persistence,
        netmask,
        engine,
    })
}

fn server() -> impl Strategy<Value = RealServer> {
    let tunnel = (any::<u8>(), any::<u16>(), any::<u16>());
    let parts = (endpoint(), any::<u32>(), tunnel, any::<u32>(), any::<u32>(), any::<u32>());
    parts.prop_map(|(endpoint, forwarding, (kind, port, checksum), weight, upper, lower)| {
        RealServer {
            endpoint,
            forwarding: Forwarding::from_number(forwarding),
            tunnel: Tunnel {
                kind: TunnelKind::from_number(kind),
                port,
                checksum: TunnelChecksum::from_number(checksum),
            },
            weight,
            upper_threshold: upper,
            lower_threshold: lower,
        }
    })
}

fn stats() -> impl Strategy<Value = Stats> {
    let traffic = || {
        let number = || prop_oneof![Just(0), any::<u64>()];
        (number(), number(), number(), number(), number()).prop_map(
            |(connections, packets_in, packets_out, bytes_in, bytes_out)| Traffic {
                connections,
                packets_in,
                packets_out,
                bytes_in,
                bytes_out,
            },
        )
    };
    (traffic(), traffic()).prop_map(|(total, per_second)| Stats { total, per_second })
}

fn status() -> impl Strategy<Value = RealServerStatus> {
    (server(), any::<u32>(), any::<u32>(), any::<u32>(), stats()).prop_map(
        |(config, active, inactive, persistent, stats)| RealServerStatus {
            config,
            active,
            inactive,
            persistent,
            stats,
        },
    )
}

fn daemon() -> impl Strategy<Value = SyncDaemon> {
    let role = prop_oneof![Just(SyncRole::Master), Just(SyncRole::Backup)];
    let interface = vec(any::<u8>(), 0..16);
    let options = (
        option::of(any::<u16>()),
        option::of(any::<IpAddr>()),
        option::of(any::<u16>()),
        option::of(any::<u8>()),
    );
    (role, interface, any::<u32>(), options).prop_map(
        |(role, interface, sync_id, (max_length, group, port, ttl))| SyncDaemon {
            role,
            interface,
            sync_id,
            max_length,
            group,
            port,
            ttl,
        },
    )
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    any::<(u32, u32, u32)>().prop_map(|(tcp, tcp_fin, udp)| Timeouts { tcp, tcp_fin, udp })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        service().prop_map(Change::AddService),
        service().prop_map(Change::EditService),
        key().prop_map(Change::DeleteService),
        (key(), server()).prop_map(|(key, server)| Change::AddServer(key, server)),
        (key(), server()).prop_map(|(key, server)| Change::EditServer(key, server)),
        (key(), endpoint()).prop_map(|(service, server)| {
            Change::DeleteServer(RealServerKey { service, server })
        }),
        option::of(key()).prop_map(Change::Zero),
        Just(Change::Flush),
        timeouts().prop_map(Change::SetTimeouts),
        daemon().prop_map(Change::StartDaemon),
        daemon().prop_map(|it| Change::StopDaemon(it.role, it.sync_id)),
    ]
}

fn error() -> impl Strategy<Value = Error> {
    prop_oneof![
        Just(Error::NoSuchService),
        Just(Error::ServiceExists),
        Just(Error::NoSuchServer),
        Just(Error::ServerExists),
        Just(Error::NoSuchModule),
        Just(Error::DaemonRunning),
        Just(Error::DaemonNotRunning),
        Just(Error::NotPermitted),
        Just(Error::NoIpvs),
        Just(Error::NoAnswer),
        Just(Error::NotTried),
        any::<i32>().prop_map(Error::Errno),
        text().prop_map(Error::Unreachable),
        text().prop_map(Error::Rejected),
        text().prop_map(Error::Unsupported),
    ]
}

fn any_connection() -> impl Strategy<Value = Connection> {
    let engine = option::of((text(), vec(any::<u8>(), 0..255)));
    let ends = (endpoint(), endpoint(), endpoint());
    (text(), ends, text(), any::<u32>(), engine).prop_map(
        |(protocol, (client, virtual_address, server), state, expires_in, engine)| Connection {
            protocol,
            client,
            virtual_address,
            server,
            state,
            expires_in,
            engine,
        },
    )
}

fn scheduler() -> impl Strategy<Value = Scheduler> {
    let availability = prop_oneof![
        Just(Availability::BuiltIn),
        Just(Availability::Loaded),
        Just(Availability::Loadable),
        Just(Availability::Absent),
        Just(Availability::Unknown),
    ];
    let weight = prop_oneof![
        Just(WeightMeaning::Share),
        Just(WeightMeaning::IdleFirst),
        Just(WeightMeaning::OnOff),
        Just(WeightMeaning::HashSlots),
        Just(WeightMeaning::Priority),
        Just(WeightMeaning::Ignored),
        Just(WeightMeaning::Unknown),
    ];
    (prop_oneof![Just("sh".to_owned()), text()], availability, weight).prop_map(
        |(name, availability, weight)| Scheduler {
            named_flags: named_flags(&name),
            name,
            availability,
            weight,
        },
    )
}

proptest! {
    #[test]
    fn changes(changes in vec(change(), 0..4), stop: bool) {
        let on_failure = if stop { OnFailure::Stop } else { OnFailure::Proceed };
        prop_assert_eq!(carry::<_, protocol::OnFailure>(on_failure), on_failure);
        for change in changes {
            prop_assert_eq!(carry::<_, protocol::Change>(change.clone()), change);
        }
    }

    #[test]
    fn failures(step: usize, error in error()) {
        let failure = Failure { step, error };
        prop_assert_eq!(carry::<_, protocol::Failure>(failure.clone()), failure);
    }

    #[test]
    fn entries(config in service(), stats in stats(), servers in vec(status(), 0..4)) {
        let entry = TableEntry { service: ServiceStatus { config, stats }, servers };
        let sent = protocol::Entry::new(entry.clone(), Fields::ALL);
        let json = serde_json::to_string(&sent).unwrap();
        let arrived: protocol::Entry = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(TableEntry::from(arrived), entry);
    }

    #[test]
    fn connections(connection in any_connection()) {
        prop_assert_eq!(carry::<_, protocol::Connection>(connection.clone()), connection);
    }

    #[test]
    fn the_rest(
        stats in stats(),
        timeouts in timeouts(),
        daemon in daemon(),
        scheduler in scheduler(),
        version: (u8, u8, u8),
        connection_table_size: u32,
        (details, connections, templates, counted) in any::<(bool, bool, bool, bool)>(),
    ) {
        let info = Info { version, connection_table_size };
        let fields = Fields { details, connections, templates, stats: counted };
        prop_assert_eq!(carry::<_, protocol::Stats>(stats), stats);
        prop_assert_eq!(carry::<_, protocol::Timeouts>(timeouts), timeouts);
        prop_assert_eq!(carry::<_, protocol::SyncDaemon>(daemon.clone()), daemon);
        prop_assert_eq!(carry::<_, protocol::Scheduler>(scheduler.clone()), scheduler);
        prop_assert_eq!(carry::<_, protocol::Info>(info), info);
        prop_assert_eq!(carry::<_, protocol::Fields>(fields), fields);
    }

    #[test]
    fn reads(scope in option::of(key()).prop_map(|it| it.map_or(Scope::All, Scope::One))) {
        let read = (scope, Fields::CONFIG);
        prop_assert_eq!(carry::<_, protocol::Read>(read), read);
    }

    /// Nothing that comes over the socket makes the daemon panic.
    #[test]
    fn nonsense(text in ".{0,64}") {
        let _ = serde_json::from_str::<protocol::Apply>(&text);
        let _ = serde_json::from_str::<protocol::Read>(&text);
        let _ = serde_json::from_value::<protocol::ServiceKey>(text.into());
    }
}
