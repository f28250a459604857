//! Services and real servers, read together.

use crate::{RealServerStatus, ServiceKey, ServiceStatus};

/// Groups of what can be read about real servers: a backend may read less than all, and
/// what was not asked for is then zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// Thresholds, and the tunnels of what is reached through one: of others they may be
    /// left out. Address, forwarding method and weight always come.
    pub details: bool,
    /// Active and inactive connections.
    pub connections: bool,
    /// Persistence templates.
    pub templates: bool,
    /// Totals and rates.
    pub stats: bool,
}

impl Fields {
    /// Everything.
    pub const ALL: Self = Self { details: true, connections: true, templates: true, stats: true };
    /// Everything but traffic: what a look at a big table costs least for.
    pub const BUT_STATS: Self = Self { stats: false, ..Self::ALL };
    /// What identifies and configures real servers.
    pub const CONFIG: Self =
        Self { details: true, connections: false, templates: false, stats: false };
}

/// How much of the table to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every service.
    All,
    /// One service and its real servers.
    One(ServiceKey),
}

/// A service with its real servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// The service.
    pub service: ServiceStatus,
    /// Its real servers, newest first: the order of the kernel's list, which schedulers
    /// walk.
    pub servers: Vec<RealServerStatus>,
}

/// The table at one time. Services come in the order of the backend's listing, which the
/// kernel does not define.
///
/// Not a moment: the kernel holds no lock over a whole read, so an entry that someone
/// changes meanwhile may be there, or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What is in the table.
    pub entries: Vec<TableEntry>,
}

impl Snapshot {
    /// The entry of one service.
    pub fn get(&self, key: &ServiceKey) -> Option<&TableEntry> {
        self.entries.iter().find(|entry| entry.service.config.key == *key)
    }
}
