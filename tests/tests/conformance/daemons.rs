//! Sync daemons: what is accepted, what is refused and why, and what they report.

use weir_ipvs::{
    Change, Error, Forwarding, RealServer, RealServerKey, Service, SyncDaemon, SyncRole,
};
use weir_tests::director::CARD;

use super::{
    packets::{server_v6, tcp, vip},
    subject::Subject,
};

const EINVAL: Error = Error::Errno(22);
const ENODEV: Error = Error::Errno(19);

use SyncRole::{Backup, Master};

/// A daemon that leaves everything to the kernel.
fn daemon(role: SyncRole) -> SyncDaemon {
    SyncDaemon {
        role,
        interface: CARD.into(),
        sync_id: 1,
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    }
}

/// A daemon as one that left everything to the kernel reports itself.
fn running(role: SyncRole) -> SyncDaemon {
    SyncDaemon {
        max_length: Some(1472),
        group: Some([224, 0, 0, 81].into()),
        port: Some(8848),
        ttl: Some(1),
        ..daemon(role)
    }
}

fn start(daemon: SyncDaemon) -> Change {
    Change::StartDaemon(daemon)
}

fn stop(role: SyncRole) -> Change {
    // The number is not looked at.
    Change::StopDaemon(role, 99)
}

/// What one that is started so reports.
fn reported(subject: &mut dyn Subject, daemon: SyncDaemon) -> SyncDaemon {
    let role = daemon.role;
    subject.make(&[start(daemon)]);
    let daemons = subject.ipvs().daemons().unwrap();
    subject.make(&[stop(role)]);
    assert_eq!(daemons.len(), 1);
    daemons.into_iter().next().unwrap()
}

pub(crate) fn both_daemons_run_at_once_and_each_once(subject: &mut dyn Subject) {
    assert_eq!(subject.ipvs().daemons().unwrap(), []);
    subject.make(&[start(daemon(Backup)), start(SyncDaemon { sync_id: 2, ..daemon(Master) })]);
    let master = SyncDaemon { sync_id: 2, ..running(Master) };
    assert_eq!(subject.ipvs().daemons().unwrap(), [master.clone(), running(Backup)]);
    for role in [Master, Backup] {
        assert_eq!(subject.refusal(start(daemon(role))), Error::DaemonRunning);
    }
    subject.make(&[Change::Flush, stop(Backup)]);
    assert_eq!(subject.ipvs().daemons().unwrap(), [master]);
    assert_eq!(subject.refusal(stop(Backup)), Error::DaemonNotRunning);
    subject.make(&[stop(Master)]);
    assert_eq!(subject.refusal(stop(Master)), Error::DaemonNotRunning);
}

pub(crate) fn daemons_report_what_they_really_use(subject: &mut dyn Subject) {
    for role in [Master, Backup] {
        assert_eq!(reported(subject, daemon(role)), running(role));
        let told = SyncDaemon {
            sync_id: u32::MAX,
            max_length: Some(1200),
            group: Some([239, 1, 2, 3].into()),
            port: Some(9000),
            ttl: Some(7),
            ..daemon(role)
        };
        assert_eq!(reported(subject, told.clone()), told);
        let v6: SyncDaemon =
            SyncDaemon { group: Some("ff02::51".parse().unwrap()), ..daemon(role) };
        assert_eq!(
            reported(subject, v6.clone()),
            SyncDaemon { max_length: Some(1452), group: v6.group, ..running(role) }
        );
        let length = |asked| SyncDaemon { max_length: Some(asked), ..daemon(role) };
        let least = if role == Master { 1 } else { 1024 };
        for (asked, used) in [(1, least), (1024, 1024), (65_507, 65_507), (u16::MAX, 65_507)] {
            let found = reported(subject, length(asked)).max_length;
            assert_eq!(found, Some(used), "{role} with {asked}");
        }
        // 0 is as good as nothing.
        let zero = SyncDaemon { max_length: Some(0), port: Some(0), ttl: Some(0), ..daemon(role) };
        assert_eq!(reported(subject, zero), running(role));
    }
}

pub(crate) fn a_daemon_needs_an_interface_and_a_multicast_group(subject: &mut dyn Subject) {
    let on = |interface: &str| SyncDaemon { interface: interface.into(), ..daemon(Master) };
    for name in ["absent0", ""] {
        assert_eq!(subject.refusal(start(on(name))), ENODEV, "{name:?}");
    }
    assert_eq!(subject.refusal(start(on("sixteen--letters"))), EINVAL);
    for group in ["10.0.0.1", "2001:db8::1", "0.0.0.1"] {
        let group = Some(group.parse().unwrap());
        let refusal = subject.refusal(start(SyncDaemon { group, ..daemon(Master) }));
        assert_eq!(refusal, EINVAL, "{group:?}");
    }
    subject.make(&[start(daemon(Master))]);
    // Before anybody looks whether one runs.
    assert_eq!(subject.refusal(start(on("absent0"))), ENODEV);
}

pub(crate) fn daemons_and_mixed_families_exclude_each_other(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    let mixed = RealServer { forwarding: Forwarding::Tunnel, ..server_v6(1, 1) };
    let add = Change::AddServer(key, mixed);
    let edit = Change::EditServer(key, RealServer { weight: 2, ..mixed });
    let delete = Change::DeleteServer(RealServerKey { service: key, server: mixed.endpoint });
    subject.make(&[Change::AddService(Service::new(key, "rr")), add.clone(), edit.clone()]);
    assert_eq!(subject.refusal(start(daemon(Backup))), EINVAL);
    subject.make(&[delete.clone(), start(daemon(Backup))]);
    for change in [add.clone(), edit] {
        assert_eq!(subject.refusal(change), EINVAL);
    }
    assert_eq!(subject.refusal(delete), Error::NoSuchServer);
    subject.make(&[stop(Backup), add]);
}
