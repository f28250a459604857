//! Sync: copying connections to another director.

use std::{fmt, net::IpAddr};

/// Which way. Both may run at once, each with its own settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncRole {
    /// Sends.
    Master,
    /// Receives.
    Backup,
}

impl fmt::Display for SyncRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// One sync daemon: as wanted when starting, as running when read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncDaemon {
    /// Which way.
    pub role: SyncRole,
    /// Interface for multicast, 1 to 15 bytes; interface names need not be UTF-8.
    pub interface: Vec<u8>,
    /// Group id. 0..=255 go on the wire; the kernel stores and reports any number. A
    /// backup with 0 takes every id.
    pub sync_id: u32,
    /// Largest message in bytes, 1..=65507; none = the kernel's choice.
    pub max_length: Option<u16>,
    /// Multicast group; none = 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port; none = 8848.
    pub port: Option<u16>,
    /// Multicast TTL, 1..=255; none = 1.
    pub ttl: Option<u8>,
}
