//! What a core is made with: which kernel it stands for, and what that kernel is told.

use std::{num::NonZeroU16, time::Duration};

use weir_ipvs::scheduler::KNOWN;

use crate::generation::Generation;

/// How a core is made. The defaults are those of a kernel that has every scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// By whose rules thresholds and overhead go.
    pub generation: Generation,
    /// Ticks a second (`CONFIG_HZ`); 100. Timers fire at ticks, and time-outs in seconds
    /// have to fit into 32 bits of them.
    pub tick_rate: NonZeroU16,
    /// What all that is random follows from: the choices of `twos`, and the hash of the
    /// connection table. Where clients are not to be trusted it should be hard to guess.
    pub seed: u64,
    /// Size of the kernel's connection table as a power of two (`conn_tab_bits`), 8..=27;
    /// 12. It is reported, and no more: the table here grows as it must.
    pub connection_table_bits: u8,
    /// The schedulers that there are, by their kernel names; all that weir knows.
    pub schedulers: Vec<String>,
    /// The persistence engines that there are; none. One that is named here can be
    /// configured, and finds nothing: packets have no content here. As in the kernel, a
    /// packet in which the engine of a persistent service finds nothing is dropped.
    pub engines: Vec<String>,
    /// What a kernel is told while it runs.
    pub sysctls: Sysctls,
}

/// The kernel's settings (`/proc/sys/net/ipv4/vs/`) that a core honours, by the kernel's
/// names and with its defaults. The others rule what a core has not: memory, conntrack,
/// routes, the contents of packets, and sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctls {
    /// Forward what a service by mark has no real server for to where it was going; off.
    pub cache_bypass: bool,
    /// When a new connection may take the ports of a closed one: 0 never, bit 0 after
    /// `TIME_WAIT` and `CLOSE`, bit 1 after an unanswered `FIN_WAIT` too, any bit after
    /// the former two; 1.
    pub conn_reuse_mode: u32,
    /// End the connections of a real server that is deleted; off.
    pub expire_nodest_conn: bool,
    /// A weight of 0 ends persistence; off.
    pub expire_quiescent_template: bool,
    /// How long `lblc` remembers an address that nobody asks for; a day.
    pub lblc_expiration: Duration,
    /// The same of `lblcr`.
    pub lblcr_expiration: Duration,
    /// Sample counters every two seconds; on. Off, they stand as last sampled.
    pub run_estimation: bool,
    /// Take TCP connections for half-open until the real server has acknowledged something,
    /// as by the kernel's value 3; off. Its 1 and 2 depend on free memory.
    pub secure_tcp: bool,
    /// Any SCTP packet may begin a connection; off.
    pub sloppy_sctp: bool,
    /// Any TCP packet but a RST may begin a connection; off.
    pub sloppy_tcp: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            generation: Generation::default(),
            tick_rate: const { NonZeroU16::new(100).expect("100 is not 0") },
            seed: 0,
            connection_table_bits: 12,
            schedulers: KNOWN.iter().map(|(name, _)| (*name).to_owned()).collect(),
            engines: Vec::new(),
            sysctls: Sysctls::default(),
        }
    }
}

impl Default for Sysctls {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            cache_bypass: false,
            conn_reuse_mode: 1,
            expire_nodest_conn: false,
            expire_quiescent_template: false,
            lblc_expiration: DAY,
            lblcr_expiration: DAY,
            run_estimation: true,
            secure_tcp: false,
            sloppy_sctp: false,
            sloppy_tcp: false,
        }
    }
}
