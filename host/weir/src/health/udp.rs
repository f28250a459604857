//! The UDP check: a datagram, and what comes back.

use std::{convert::Infallible, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    outcome::{Cause, Outcome},
    socket,
    streams::Place,
    tcp::Deadline,
};
use crate::config::UdpCheck;

/// The largest datagram.
const DATAGRAM_BYTES: usize = 65_536;

/// Looks whether this machine is awake, while silence is to pass: few, for each wakes it.
const LOOKS: u32 = 8;

/// What it may miss in a row: a part of the time-out, but what a busy machine misses in any case.
const MISSED_PART: u32 = 4;
const MISSED_LEAST: Duration = Duration::from_millis(100);

/// Sends what there is to send. An answer that does passes; a port that nobody listens at, or a
/// host that cannot be reached, is told by ICMP; what silence means is the check's to say.
pub(super) async fn probe(
    check: &UdpCheck,
    place: Place,
    deadline: Deadline,
) -> Result<Outcome, Outcome> {
    let exchange = exchange(&check.send, place, deadline);
    if !check.silence_passes {
        return Ok(judge(check, &exchange.await?));
    }
    let mut awake = Awake::until(deadline);
    let heard = tokio::select! {
        biased;
        heard = exchange => heard,
        never = awake.watch() => match never {},
    };
    match heard {
        Err(Outcome::Fail(Cause::Timeout(_))) => Ok(awake.silence()),
        heard => Ok(judge(check, &heard?)),
    }
}

/// Whether this machine was awake while it listened: what it slept through was silence whatever
/// the server said.
struct Awake {
    /// Between two looks.
    look: Duration,
    missed_max: Duration,
    looked_at: Instant,
    missed: Duration,
}

impl Awake {
    fn until(deadline: Deadline) -> Self {
        let missed_max = (deadline.left() / MISSED_PART).max(MISSED_LEAST);
        Self {
            look: deadline.left() / LOOKS,
            missed_max,
            looked_at: Instant::now(),
            missed: Duration::ZERO,
        }
    }

    async fn watch(&mut self) -> Infallible {
        loop {
            sleep(self.look).await;
            self.look();
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        self.missed = self.missed.max(now.saturating_duration_since(self.looked_at + self.look));
        self.looked_at = now;
    }

    fn silence(mut self) -> Outcome {
        self.look();
        match self.missed > self.missed_max {
            true => Outcome::unable("silence, but this machine stalled meanwhile"),
            false => Outcome::Pass,
        }
    }
}

/// What comes back for a datagram.
pub(super) async fn exchange(
    datagram: &[u8],
    place: Place,
    deadline: Deadline,
) -> Result<Vec<u8>, Outcome> {
    let socket = socket::datagrams(place)?;
    let answer = async {
        socket.send(datagram).await?;
        let mut buffer = vec![0; DATAGRAM_BYTES];
        let read = socket.recv(&mut buffer).await?;
        buffer.truncate(read);
        Ok::<_, std::io::Error>(buffer)
    };
    deadline.bound("waiting for the answer", answer).await
}

fn judge(check: &UdpCheck, answer: &[u8]) -> Outcome {
    match &check.expect {
        Some(pattern) if !pattern.is_in(answer) => {
            Outcome::content(format!("answer without {pattern}, of {} bytes", answer.len()))
        }
        _ => Outcome::Pass,
    }
}
