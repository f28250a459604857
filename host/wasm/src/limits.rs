//! Everything a guest can use up, each with a name, a unit and a reason.
//!
//! A guest that reaches one is trapped, unless said otherwise, and the report names the
//! field.

use std::{ops::RangeInclusive, time::Duration};

/// Bytes of a component file, at most. Language runtimes reach 20 MB; compiling costs
/// memory and time in proportion.
pub const COMPONENT_BYTES: u64 = 64 << 20;

/// Bytes of call stack of a guest, the host's own frames beneath it not counted. The same
/// for all, for the engine is; wasmtime's default, ample for parsers written recursively.
pub const STACK_BYTES: usize = 512 << 10;

/// Steps of one `admin.apply`, at most; those beyond fail with `denied`. Bounds what one
/// call makes the host hold.
pub const OPERATIONS_PER_APPLY: usize = 16_384;

/// Bytes of one `stdio.read`, at most.
pub const READ_BYTES: usize = 1 << 20;

/// Statements of one `intents.publish`, at most; those beyond are `denied`.
pub const STATEMENTS_PER_CALL: usize = 4096;

/// Statements one policy holds, at most; those beyond are `denied`.
pub const STATEMENTS_HELD: usize = 65_536;

/// Bytes of a statement's reason that are kept.
pub const REASON_BYTES: usize = 1024;

/// Bytes of a weigher's memo, at most: the host keeps one for each service. A service with
/// many real servers may have more, see [`MEMO_SERVER_BYTES`].
pub const MEMO_BYTES: usize = 64 << 10;

/// Bytes of a weigher's memo for each real server, where they come to more than
/// [`MEMO_BYTES`]: an address and a few numbers, as text.
pub const MEMO_SERVER_BYTES: usize = 256;

/// Bytes of the name of an entry of `state`, at most.
pub const STATE_KEY_BYTES: usize = 256;

/// What an entry of `state` counts beside its name and value, so that a grant of bytes bounds
/// how many there are, too.
pub const STATE_ENTRY_BYTES: usize = 32;

/// Questions that a checker may ask in one check (`connect`, `http`, `exchange`); those beyond are
/// `invalid`.
pub const QUESTIONS_PER_CHECK: usize = 64;

/// Bytes of one `connection.read`, and of the body of one answer by HTTP, at most.
pub const PROBE_BYTES: usize = 64 << 10;

/// Requests by HTTP that a controller may have under way; those beyond are `busy`.
pub const HTTP_CALLS: usize = 8;

/// Bytes of the body of such a request, at most.
pub const HTTP_BODY_BYTES: usize = 64 << 10;

/// Bytes of the body of its answer, at most; one beyond is `too-large`.
pub const HTTP_REPLY_BYTES: usize = 1 << 20;

/// Bytes of the tag of a request, at most.
pub const HTTP_TAG_BYTES: usize = 256;

/// How long a request may take: what is outside is bounded by this.
pub const HTTP_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(60);

/// What one guest may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory in bytes, all memories of the guest together. 64 MiB for a policy,
    /// which holds all of a Python runtime; 1 GiB for a command, which may hold the whole
    /// table as text.
    pub memory_bytes: usize,
    /// Elements of all tables together, 8 bytes each: 200,000, four times what language
    /// runtimes have.
    pub table_elements: usize,
    /// Core instances within the component, and as many memories and tables: 100. A Rust
    /// guest has 3, a composed runtime some dozens.
    pub instances: usize,
    /// Time of the thread in one call of the guest, host functions included. 100 ms for a
    /// policy, a thousand times what a batch takes; 10 minutes for a command, as it may
    /// walk millions of connections.
    pub cpu: Duration,
    /// Time on the clock in one call of the guest. 5 s for a policy, so that a loaded
    /// machine alone does not reach it; none for a command, which may wait for a person.
    pub wall: Option<Duration>,
    /// Resources (snapshots, cursors, streams) open at one time: 64, for each snapshot may
    /// keep a whole table in the host's memory.
    pub handles: usize,
    /// Bytes the host takes over from the guest in one host call: 8 MiB for a policy,
    /// 128 MiB for a command, for a script of [`OPERATIONS_PER_APPLY`] steps and a table
    /// printed in one piece fit into it.
    pub lifted_bytes: usize,
    /// Log lines per second, and as many in one burst: 20. What is beyond is dropped and
    /// counted.
    pub log_lines_per_second: u32,
    /// Bytes of one log line, fields included: 4 KiB. What is beyond is cut off.
    pub log_line_bytes: usize,
}

impl Limits {
    /// What a policy gets unless the operator says otherwise.
    pub fn for_policy() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_elements: 200_000,
            instances: 100,
            cpu: Duration::from_millis(100),
            wall: Some(Duration::from_secs(5)),
            handles: 64,
            lifted_bytes: 8 << 20,
            log_lines_per_second: 20,
            log_line_bytes: 4096,
        }
    }

    /// What a command gets.
    pub fn for_command() -> Self {
        Self {
            memory_bytes: 1 << 30,
            cpu: Duration::from_secs(600),
            wall: None,
            lifted_bytes: 128 << 20,
            ..Self::for_policy()
        }
    }
}
