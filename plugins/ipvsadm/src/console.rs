//! Standard output, gathered into large pieces, and standard error, written at once.
//!
//! As in the original: text for a terminal appears before the next message or the next
//! wait for input; otherwise stdout is written when enough has come together. That it
//! cannot be written is nobody's concern.

use crate::host::{Flags, Host, Output, Terminals};

/// Bytes gathered before they are written.
const PIECE_BYTES: usize = 64 << 10;

/// What is on its way to stdout, and where it goes.
pub(crate) struct Console {
    /// Text to come; append to it and call `settle` from time to time.
    pub(crate) out: Vec<u8>,
    terminals: Terminals,
}

impl Console {
    pub(crate) fn new(terminals: Terminals) -> Self {
        Self { out: Vec::new(), terminals }
    }

    /// Writes what has come together, if that is enough.
    pub(crate) fn settle(&mut self, host: &mut dyn Host) {
        if self.out.len() >= PIECE_BYTES {
            self.flush(host);
        }
    }

    /// Writes what a person at a terminal should see by now.
    pub(crate) fn show(&mut self, host: &mut dyn Host) {
        if self.terminals.contains(Terminals::STDOUT) {
            self.flush(host);
        }
    }

    /// Writes everything.
    pub(crate) fn flush(&mut self, host: &mut dyn Host) {
        for piece in self.out.chunks(PIECE_BYTES) {
            // The original exits with 0 on a full disk, too.
            let _ignored = host.write(Output::Stdout, piece);
        }
        self.out.clear();
    }

    /// Writes a line to stderr.
    pub(crate) fn complain(&mut self, host: &mut dyn Host, message: &[u8]) {
        self.show(host);
        let _ignored = host.write(Output::Stderr, &[message, b"\n"].concat());
    }

    /// Writes a line to stderr that the original would not: only a person gets it.
    pub(crate) fn advise(&mut self, host: &mut dyn Host, advice: &str) {
        if self.terminals.contains(Terminals::STDERR) {
            self.complain(host, advice.as_bytes());
        }
    }
}
