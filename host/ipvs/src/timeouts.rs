//! Timeouts of connections, for all services together.

/// Seconds. When read, 0 = this kernel lacks the protocol. When changed, 0 = leave as it
/// is; above (2^31 - 1) / HZ all three are refused (`EINVAL`). A connection takes up a new
/// value with its next packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP; 900 unless changed.
    pub tcp: u32,
    /// TCP in `FIN_WAIT`; 120 unless changed.
    pub tcp_fin: u32,
    /// UDP; 300 unless changed.
    pub udp: u32,
}
