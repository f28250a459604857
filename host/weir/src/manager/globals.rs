//! Time-outs and sync daemons, as the configuration states them: compared whenever the whole
//! table is looked at, and edited back. What is not stated is left as it is.

use weir_ipvs::{Change, Ipvs, OnFailure, SyncDaemon, SyncRole, Timeouts};

use super::{Manager, Now};
use crate::report::Line;

impl Manager {
    /// Whether the configuration states anything of what `change` changes.
    pub(super) fn states(&self, change: &Change) -> bool {
        let stated = &self.config.globals;
        match change {
            Change::SetTimeouts(_) => stated.timeouts != Timeouts::default(),
            Change::StartDaemon(_) | Change::StopDaemon(..) => !stated.sync.is_empty(),
            _ => false,
        }
    }

    /// Makes them what they should be.
    pub(super) fn write_globals(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        let changes = self.global_changes();
        if changes.is_empty() {
            return;
        }
        for change in &changes {
            let what = words(change);
            match ipvs.apply(std::slice::from_ref(change), OnFailure::Stop).first() {
                None => {
                    self.no_trouble(&what);
                    self.log(line(change));
                }
                Some(failure) => {
                    self.trouble(now, &what, &failure.error);
                    // What starts needs what runs to have stopped.
                    break;
                }
            }
        }
        self.world.refresh(ipvs);
        let is_running = |role: &SyncRole| self.world.daemons().iter().any(|it| it.role == *role);
        self.ending.retain(is_running);
    }

    /// What is to be changed of what was last seen.
    pub(super) fn global_changes(&self) -> Vec<Change> {
        let stated = &self.config.globals;
        let timeouts = timeouts(&stated.timeouts, self.world.timeouts());
        let mut changes: Vec<Change> = timeouts.map(Change::SetTimeouts).into_iter().collect();
        let running = |role| self.world.daemons().iter().find(|it| it.role == role);
        for role in &self.ending {
            changes.extend(running(*role).map(|it| Change::StopDaemon(*role, it.sync_id)));
        }
        for wanted in &stated.sync {
            match running(wanted.role) {
                Some(it) if is_as_wanted(it, wanted) => continue,
                Some(it) => changes.push(Change::StopDaemon(it.role, it.sync_id)),
                None => {}
            }
            changes.push(Change::StartDaemon(wanted.clone()));
        }
        changes
    }
}

/// What to set, where something that is stated differs; 0 leaves as it is.
fn timeouts(stated: &Timeouts, found: &Timeouts) -> Option<Timeouts> {
    // A kernel that lacks a protocol says 0, and takes nothing.
    let differing = |stated, found| if stated == found || found == 0 { 0 } else { stated };
    let set = Timeouts {
        tcp: differing(stated.tcp, found.tcp),
        tcp_fin: differing(stated.tcp_fin, found.tcp_fin),
        udp: differing(stated.udp, found.udp),
    };
    (set != Timeouts::default()).then_some(set)
}

/// Whether it runs as stated; what is not stated is the kernel's choice.
fn is_as_wanted(running: &SyncDaemon, wanted: &SyncDaemon) -> bool {
    fn is_or_none<T: PartialEq + Copy>(wanted: Option<T>, found: Option<T>) -> bool {
        wanted.is_none() || wanted == found
    }
    running.interface == wanted.interface
        && running.sync_id == wanted.sync_id
        && is_or_none(wanted.max_length, running.max_length)
        && is_or_none(wanted.group, running.group)
        && is_or_none(wanted.port, running.port)
        && is_or_none(wanted.ttl, running.ttl)
}

fn words(change: &Change) -> String {
    match change {
        Change::SetTimeouts(_) => "set time-outs".to_owned(),
        Change::StartDaemon(it) => format!("start the sync {}", it.role),
        Change::StopDaemon(role, _) => format!("stop the sync {role}"),
        _ => unreachable!("these are about services"),
    }
}

fn line(change: &Change) -> Line {
    match change {
        Change::SetTimeouts(it) => {
            let line = Line::info("timeouts-set");
            let set = [("tcp_s", it.tcp), ("tcp_fin_s", it.tcp_fin), ("udp_s", it.udp)];
            set.into_iter().filter(|it| it.1 != 0).fold(line, |line, (key, it)| line.with(key, it))
        }
        Change::StartDaemon(it) => {
            let interface = String::from_utf8_lossy(&it.interface).into_owned();
            let line = Line::info("sync-started").with("role", it.role);
            line.with("interface", interface).with("sync_id", it.sync_id)
        }
        Change::StopDaemon(role, _) => Line::info("sync-stopped").with("role", role),
        _ => unreachable!("these are about services"),
    }
}
