//! Pipes: how bytes go from socket to socket without being copied, see splice(2).
//!
//! They are kept for the next lane, for making one costs more than filling it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use nix::{
    fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice},
    unistd::pipe2,
};

use super::descriptors::Descriptors;

/// Pipes kept for later; further ones are closed.
const IDLE_MAX: usize = 64;

/// Bytes asked for in one call. A pipe takes as much as fits into its buffers.
const SPLICE_BYTES: usize = 1024 * 1024;

/// What is to fit into a pipe: four times the kernel's default, and so a quarter of the calls.
/// Larger ones make the receiver wait.
const PIPE_BYTES: i32 = 256 * 1024;

/// Descriptors of a pipe.
const ENDS: usize = 2;

/// The pipes that no lane uses.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    idle: Vec<Pipe>,
}

/// Bytes on their way, in the kernel.
#[derive(Debug)]
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipes {
    /// An empty pipe; none if there is none and none can be made.
    pub(super) fn take(&mut self, descriptors: &mut Descriptors) -> Option<Pipe> {
        if let Some(pipe) = self.idle.pop() {
            return Some(pipe);
        }
        if !descriptors.take(ENDS) {
            return None;
        }
        match pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC) {
            Ok((read, write)) => {
                // Where the user's pipes are many already, the kernel leaves it as it is.
                let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
                Some(Pipe { read, write })
            }
            Err(_) => {
                descriptors.give(ENDS);
                None
            }
        }
    }

    /// Takes a pipe back. One that is not empty is of no use to others.
    pub(super) fn give(&mut self, pipe: Pipe, is_empty: bool, descriptors: &mut Descriptors) {
        if is_empty && self.idle.len() < IDLE_MAX {
            self.idle.push(pipe);
        } else {
            drop(pipe);
            descriptors.give(ENDS);
        }
    }

    /// Closes those that no lane uses: their descriptors are wanted elsewhere.
    pub(super) fn clear(&mut self, descriptors: &mut Descriptors) {
        descriptors.give(ENDS * self.idle.len());
        self.idle.clear();
    }
}

impl Pipe {
    /// Takes in what `source` has, into an empty pipe; 0 = its end.
    pub(super) fn splice_from(&self, source: impl AsFd) -> io::Result<usize> {
        move_between(source, &self.write, SPLICE_BYTES)
    }

    /// Gives `sink` up to `bytes` of what is in it.
    pub(super) fn splice_to(&self, sink: impl AsFd, bytes: usize) -> io::Result<usize> {
        move_between(&self.read, sink, bytes)
    }
}

fn move_between(from: impl AsFd, to: impl AsFd, bytes: usize) -> io::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    Ok(splice(from, None, to, None, bytes, flags)?)
}
