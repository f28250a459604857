//! Making changes: many messages in one send, and every answer found its step.
//!
//! The kernel works a send off message by message, and one that fails does not stop the
//! next. A failure is always answered, by sequence number; a success, if so asked. So we
//! ask for no answer, and put a barrier at the end of each batch: an empty control message
//! that does nothing and is acknowledged. What was not refused before the barrier's answer
//! was done. One answer a batch instead of one a step saves a third of the time.
//!
//! A batch is so small that a refusal of every message in it would fit into the receive
//! queue: otherwise the kernel would go on with the work and drop the answers.

use std::ops::Range;

use neli::consts::nl::{NlmF, Nlmsg};
use weir_ipvs::{Change, Error, Failure, OnFailure, SyncRole};

use crate::{
    errno,
    message::{self, Command, REQUEST_BYTES_MAX},
    open::Netlink,
    socket::{Kind, Wait, put_message},
};

/// Messages in one send. A hundred have nearly all of the gain, a thousand the rest.
const BATCH_STEPS_MAX: usize = 1000;

/// Bytes in one send: the kernel copies a send into one piece of memory, which is dear
/// when large.
const BATCH_BYTES_MAX: usize = 128 * 1024;

/// A netlink header and nothing else.
const BARRIER_BYTES: usize = 16;

impl Netlink {
    pub(crate) fn apply_changes(
        &mut self,
        changes: &[Change],
        on_failure: OnFailure,
    ) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut step = 0;
        while step < changes.len() {
            let end = match on_failure {
                OnFailure::Proceed => (step + self.batch_steps_max()).min(changes.len()),
                // The kernel goes on after a failure, so there is no other way.
                OnFailure::Stop => step + 1,
            };
            step = self.apply_batch(changes, step..end, &mut failures);
            if on_failure == OnFailure::Stop && !failures.is_empty() {
                break;
            }
        }
        failures
    }

    /// As many steps as can all be refused, and the barrier answered, without loss.
    fn batch_steps_max(&self) -> usize {
        BATCH_STEPS_MAX.min(self.socket.answers_max().saturating_sub(2)).max(1)
    }

    fn batch_bytes_max(&self) -> usize {
        BATCH_BYTES_MAX
            .min(self.socket.send_max())
            .saturating_sub(REQUEST_BYTES_MAX + BARRIER_BYTES)
    }

    /// Makes the first of the `wanted` steps, as many as fit into one send, and returns the
    /// step to go on with.
    fn apply_batch(
        &mut self,
        changes: &[Change],
        wanted: Range<usize>,
        failures: &mut Vec<Failure>,
    ) -> usize {
        let mut batch = Batch {
            first: self.socket.sequences(sequence_offset(wanted.len()) + 1),
            steps: wanted.start..wanted.start,
            refused: failures.len(),
            answered: false,
        };
        self.requests.clear();
        while batch.steps.end < wanted.end && self.requests.len() <= self.batch_bytes_max() {
            let change = &changes[batch.steps.end];
            if let Err(error) = self.put_step(change, batch.sequence(batch.steps.end)) {
                failures.push(Failure { step: batch.steps.end, error });
            }
            batch.steps.end += 1;
            // Whether it was done may have to be read, before anything starts it anew.
            if matches!(change, Change::StopDaemon(..)) {
                break;
            }
        }
        self.put_barrier(batch.sequence(batch.steps.end));
        match self.socket.send(&self.requests) {
            Ok(()) => self.collect(changes, &mut batch, failures),
            Err(error) if too_much(&error) && batch.steps.len() > 1 => {
                return self.apply_halved(changes, &batch, failures);
            }
            Err(error) => batch.fail_silent_steps(&error, failures),
        }
        batch.steps.end
    }

    /// Nothing of the batch was done, for the kernel had no memory for all of it at once.
    fn apply_halved(
        &mut self,
        changes: &[Change],
        batch: &Batch,
        failures: &mut Vec<Failure>,
    ) -> usize {
        failures.truncate(batch.refused);
        let half = batch.steps.start + batch.steps.len() / 2;
        self.apply_batch(changes, batch.steps.start..half, failures)
    }

    /// Appends one message. One that could not be written leaves nothing behind.
    fn put_step(&mut self, change: &Change, sequence: u32) -> Result<(), Error> {
        let start = self.requests.len();
        // The one change that may succeed, or fail, without any answer.
        let flags = match change {
            Change::StopDaemon(..) => NlmF::REQUEST | NlmF::ACK,
            _ => NlmF::REQUEST,
        };
        let result = put_message(&mut self.requests, self.family, flags, sequence, |out| {
            out.extend_from_slice(&Command::of(change).header());
            message::put_change(out, change)
        });
        if result.is_err() {
            self.requests.truncate(start);
        }
        result
    }

    fn put_barrier(&mut self, sequence: u32) {
        let flags = NlmF::REQUEST | NlmF::ACK;
        let result: Result<(), std::convert::Infallible> =
            put_message(&mut self.requests, Nlmsg::Noop.into(), flags, sequence, |_| Ok(()));
        let Ok(()) = result;
    }

    /// Takes the answers up to the barrier's.
    fn collect(&mut self, changes: &[Change], batch: &mut Batch, failures: &mut Vec<Failure>) {
        // After a loss the barrier's answer may be among the lost, and all others wait.
        let mut wait = Wait::Deadline;
        let settled = loop {
            match self.socket.receive(wait) {
                Ok(messages) => {
                    let mut passed = false;
                    for message in messages {
                        passed |= batch.take(changes, message.sequence, message.kind, failures);
                    }
                    if passed {
                        break wait == Wait::Deadline;
                    }
                }
                Err(Error::Errno(libc::ENOBUFS)) => wait = Wait::No,
                Err(_) => break false,
            }
        };
        if !settled {
            batch.fail_silent_steps(&Error::NoAnswer, failures);
        }
        failures[batch.refused..].sort_by_key(|failure| failure.step);
        self.settle_stop(changes, batch, failures);
    }

    /// A daemon that was stopped before it ran at all is not answered for. Whether it runs
    /// can be read, though.
    fn settle_stop(&mut self, changes: &[Change], batch: &Batch, failures: &mut Vec<Failure>) {
        let Some(step) = batch.steps.clone().next_back() else { return };
        let Change::StopDaemon(role, _) = &changes[step] else { return };
        let failure = failures.last().filter(|failure| failure.step == step);
        if batch.answered || failure.is_some_and(|failure| failure.error != Error::NoAnswer) {
            return;
        }
        let unanswered = failure.is_some();
        match (self.runs(*role), unanswered) {
            (Ok(false), true) => drop(failures.pop()),
            (Ok(true) | Err(_), false) => failures.push(Failure { step, error: Error::NoAnswer }),
            _ => {}
        }
    }

    fn runs(&mut self, role: SyncRole) -> Result<bool, Error> {
        Ok(self.read_daemons()?.iter().any(|daemon| daemon.role == role))
    }
}

/// The steps of one send. Step and sequence number run in parallel; the barrier has the
/// number after the last step's.
struct Batch {
    first: u32,
    steps: Range<usize>,
    /// How many failures there were before it.
    refused: usize,
    /// Whether the kernel acknowledged a step that asked for it.
    answered: bool,
}

impl Batch {
    fn sequence(&self, step: usize) -> u32 {
        self.first.wrapping_add(sequence_offset(step - self.steps.start))
    }

    /// Takes one message; true if it is the barrier's. What earlier requests have left
    /// behind is passed over.
    fn take(
        &mut self,
        changes: &[Change],
        sequence: u32,
        kind: Kind<'_>,
        failures: &mut Vec<Failure>,
    ) -> bool {
        let Kind::Answer(errno) = kind else { return false };
        let offset = usize::try_from(sequence.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        if offset >= self.steps.len() {
            return offset == self.steps.len();
        }
        let step = self.steps.start + offset;
        if errno == 0 {
            self.answered = true;
        } else {
            failures.push(Failure { step, error: errno::of_change(&changes[step], errno) });
        }
        false
    }

    /// Every step that was not refused fails with `error`.
    fn fail_silent_steps(&self, error: &Error, failures: &mut Vec<Failure>) {
        let refused: Vec<usize> = failures[self.refused..].iter().map(|it| it.step).collect();
        for step in self.steps.clone().filter(|step| !refused.contains(step)) {
            failures.push(Failure { step, error: error.clone() });
        }
        failures[self.refused..].sort_by_key(|failure| failure.step);
    }
}

fn sequence_offset(steps: usize) -> u32 {
    u32::try_from(steps).expect("a batch has few steps")
}

/// Whether the kernel refused a send as a whole for its size.
fn too_much(error: &Error) -> bool {
    matches!(error, Error::Errno(libc::EMSGSIZE | libc::ENOBUFS | libc::ENOMEM))
}
