//! Stats: what has passed, and how fast.

/// Five numbers about traffic. What they count, or per what time, is said by the field
/// that holds them. The kernel counts outgoing packets only where it sees them, that is
/// with masquerading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections; persistence templates are not counted.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients, IP headers included.
    pub bytes_in: u64,
    /// Bytes to clients, IP headers included.
    pub bytes_out: u64,
}

/// Traffic as the kernel says it, unaltered; up to 2 s old, for it samples that often.
///
/// Kernels before 4.1 count all but bytes in 32 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Since last zeroed. May go down: zeroed, or deleted and made anew.
    pub total: Traffic,
    /// Per second, the kernel's estimate with a memory of about 8 s.
    pub per_second: Traffic,
}
