//! Sync daemons: configured and reported as the kernel does it. Nothing is sent, and
//! nothing received: another machine learns nothing of the connections of this one.

use std::net::{IpAddr, Ipv4Addr};

use weir_ipvs::{Error, Family, SyncDaemon, SyncRole};

use crate::machine::Machine;

const EINVAL: Error = Error::Errno(22);
const ENODEV: Error = Error::Errno(19);
const ENETUNREACH: Error = Error::Errno(101);

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 81);
const PORT: u16 = 8848;
const TTL: u8 = 1;
/// What a master's messages are made for, whatever its interface can carry.
const ETHERNET_MTU: u32 = 1500;
const INTERFACE_BYTES_MAX: usize = 15;
/// The smallest message that a backup makes room for.
const BACKUP_LENGTH_MIN: u32 = 1024;
/// The largest IP packet.
const PACKET_BYTES_MAX: u32 = 65_535;

/// Those that run.
#[derive(Debug, Default)]
pub(crate) struct Daemons {
    master: Option<SyncDaemon>,
    backup: Option<SyncDaemon>,
}

impl Daemons {
    /// Whether any runs.
    pub(crate) fn any(&self) -> bool {
        self.master.is_some() || self.backup.is_some()
    }

    /// Master first.
    pub(crate) fn running(&self) -> Vec<SyncDaemon> {
        self.master.iter().chain(&self.backup).cloned().collect()
    }

    /// Starts one. `mixed_families` says whether a real server has another family than its
    /// service, of which the sync protocol knows nothing.
    pub(crate) fn start(
        &mut self,
        daemon: &SyncDaemon,
        machine: &Machine,
        mixed_families: bool,
    ) -> Result<(), Error> {
        let group = daemon.group.unwrap_or(GROUP.into());
        let name = &daemon.interface;
        if name.len() > INTERFACE_BYTES_MAX || name.contains(&0) {
            return Err(EINVAL);
        }
        if !group.is_multicast() || mixed_families {
            return Err(EINVAL);
        }
        let interface = machine.interface(name).ok_or(ENODEV)?;
        let place = self.place(daemon.role);
        if place.is_some() {
            return Err(Error::DaemonRunning);
        }
        // A master connects to the group; a backup only joins it.
        let has_route = interface.multicast_routes.contains(&Family::of(group));
        if daemon.role == SyncRole::Master && !has_route {
            return Err(ENETUNREACH);
        }
        *place = Some(SyncDaemon {
            max_length: Some(max_length(daemon, group, interface.mtu)),
            group: Some(group),
            port: Some(daemon.port.filter(|port| *port != 0).unwrap_or(PORT)),
            ttl: Some(daemon.ttl.filter(|ttl| *ttl != 0).unwrap_or(TTL)),
            ..daemon.clone()
        });
        Ok(())
    }

    pub(crate) fn stop(&mut self, role: SyncRole) -> Result<(), Error> {
        self.place(role).take().map(drop).ok_or(Error::DaemonNotRunning)
    }

    fn place(&mut self, role: SyncRole) -> &mut Option<SyncDaemon> {
        match role {
            SyncRole::Master => &mut self.master,
            SyncRole::Backup => &mut self.backup,
        }
    }
}

/// The largest message: as wanted, within bounds, or as the role chooses.
fn max_length(daemon: &SyncDaemon, group: IpAddr, mtu: u32) -> u16 {
    let headers = if group.is_ipv4() { 28 } else { 48 };
    let largest = PACKET_BYTES_MAX - headers;
    let length = match (daemon.max_length.unwrap_or(0), daemon.role) {
        (0, SyncRole::Master) => ETHERNET_MTU - headers,
        (0, SyncRole::Backup) => mtu.clamp(ETHERNET_MTU, PACKET_BYTES_MAX) - headers,
        (wanted, SyncRole::Master) => u32::from(wanted).min(largest),
        (wanted, SyncRole::Backup) => u32::from(wanted).clamp(BACKUP_LENGTH_MIN, largest),
    };
    u16::try_from(length).expect("it is below the largest packet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Interface;

    fn machine() -> Machine {
        let interface = |name: &[u8], mtu, multicast_routes: &[Family]| Interface {
            name: name.to_vec(),
            mtu,
            addresses: Vec::new(),
            multicast_routes: multicast_routes.to_vec(),
        };
        let both = &[Family::V4, Family::V6];
        let interfaces = [
            interface(b"up", 9000, both),
            interface(b"down", 1500, &[]),
            interface(b"lo", 65_536, &[Family::V4]),
        ];
        Machine { interfaces: interfaces.into() }
    }

    fn daemon(role: SyncRole, interface: &str) -> SyncDaemon {
        SyncDaemon {
            role,
            interface: interface.into(),
            sync_id: 7,
            max_length: None,
            group: None,
            port: None,
            ttl: None,
        }
    }

    /// Starts one alone and returns its maximum length, or the errno.
    fn length(daemon: &SyncDaemon) -> Result<u16, i32> {
        let mut daemons = Daemons::default();
        daemons.start(daemon, &machine(), false).map_err(|error| error.errno())?;
        Ok(daemons.running()[0].max_length.unwrap())
    }

    #[test]
    fn lengths_are_clamped_or_chosen() {
        let of = |role, max_length, group: Option<&str>| {
            let group = group.map(|it| it.parse().unwrap());
            length(&SyncDaemon { max_length, group, ..daemon(role, "up") })
        };
        assert_eq!(of(SyncRole::Master, None, None), Ok(1472));
        assert_eq!(of(SyncRole::Master, Some(0), Some("ff02::1")), Ok(1452));
        assert_eq!(of(SyncRole::Master, Some(1), None), Ok(1));
        assert_eq!(of(SyncRole::Master, Some(u16::MAX), None), Ok(65_507));
        assert_eq!(of(SyncRole::Backup, None, None), Ok(8972));
        assert_eq!(of(SyncRole::Backup, Some(1), None), Ok(1024));
        assert_eq!(of(SyncRole::Backup, Some(u16::MAX), Some("ff02::1")), Ok(65_487));
        assert_eq!(length(&daemon(SyncRole::Backup, "down")), Ok(1472));
    }

    #[test]
    fn the_first_thing_wrong_is_the_one_told() {
        let mut daemons = Daemons::default();
        let mut errno = |daemon: &SyncDaemon, mixed| {
            daemons.start(daemon, &machine(), mixed).map_or_else(|error| error.errno(), |()| 0)
        };
        let master = |interface| daemon(SyncRole::Master, interface);
        let group = |text: &str, daemon| SyncDaemon { group: text.parse().ok(), ..daemon };
        assert_eq!(errno(&group("10.0.0.1", master("none")), false), 22);
        assert_eq!(errno(&group("2001:db8::1", master("up")), false), 22);
        assert_eq!(errno(&master("none"), true), 22);
        assert_eq!(errno(&master("a-name-too-long-"), false), 22);
        assert_eq!(errno(&master(""), false), 19);
        assert_eq!(errno(&master("down"), false), 101);
        assert_eq!(errno(&group("ff02::51", master("lo")), false), 101);
        assert_eq!(errno(&master("up"), false), 0);
        assert_eq!(errno(&master("none"), false), 19, "before it is seen that one runs");
        assert_eq!(errno(&master("down"), false), 17);
        assert_eq!(errno(&daemon(SyncRole::Backup, "down"), false), 0);
    }

    #[test]
    fn both_run_at_once_and_stop_one_by_one() {
        let mut daemons = Daemons::default();
        for role in [SyncRole::Backup, SyncRole::Master] {
            daemons.start(&daemon(role, "up"), &machine(), false).unwrap();
        }
        let roles: Vec<_> = daemons.running().iter().map(|it| it.role).collect();
        assert_eq!(roles, [SyncRole::Master, SyncRole::Backup]);
        let reported = &daemons.running()[0];
        assert_eq!((reported.group, reported.port), (Some(GROUP.into()), Some(8848)));
        assert_eq!((reported.ttl, reported.sync_id), (Some(1), 7));
        assert_eq!(daemons.stop(SyncRole::Master), Ok(()));
        assert_eq!(daemons.stop(SyncRole::Master), Err(Error::DaemonNotRunning));
        assert!(daemons.any());
        assert_eq!(daemons.stop(SyncRole::Backup), Ok(()));
        assert!(!daemons.any());
    }
}
