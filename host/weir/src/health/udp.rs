//! The UDP check: a datagram, and what comes back.

use super::{
    outcome::{Cause, Outcome},
    socket,
    streams::Place,
    tcp::Deadline,
};
use crate::config::UdpCheck;

/// The largest datagram.
const DATAGRAM_BYTES: usize = 65_536;

/// Sends what there is to send. An answer that does passes; a port that nobody listens at, or a
/// host that cannot be reached, is told by ICMP; what silence means is the check's to say.
pub(super) async fn probe(
    check: &UdpCheck,
    place: Place,
    deadline: Deadline,
) -> Result<Outcome, Outcome> {
    match exchange(&check.send, place, deadline).await {
        Ok(answer) => Ok(judge(check, &answer)),
        Err(Outcome::Fail(Cause::Timeout(_))) if check.silence_passes => Ok(Outcome::Pass),
        Err(failed) => Err(failed),
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
