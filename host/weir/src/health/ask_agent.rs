//! The agent check: what the agent of a server says, over a connection of its own.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    agent::Reply,
    outcome::Outcome,
    streams::{Place, Seen},
    tcp::{self, Deadline},
};

/// The most that a reply may have, its end included.
const REPLY_BYTES: usize = 1024;

/// Says `send`, if there is something to say, and reads the reply. No agent, and no reply, is
/// no failure of the server.
pub(super) async fn probe(place: Place, send: &str, deadline: Deadline) -> Seen {
    let reply = match listen(place, send, deadline).await {
        Ok(line) => Reply::parse(&line),
        // What this machine could not ask, nobody failed to answer.
        Err(Outcome::Indeterminate(why)) => {
            return Seen { outcome: Some(Outcome::Indeterminate(why)), agent: None };
        }
        Err(_) => None,
    };
    Seen { outcome: None, agent: Some(reply) }
}

async fn listen(place: Place, send: &str, deadline: Deadline) -> Result<String, Outcome> {
    let mut stream = tcp::connect(place, deadline).await?;
    let conversation = async {
        stream.write_all(send.as_bytes()).await?;
        let mut said = Vec::new();
        let mut buffer = [0; 256];
        // A reply ends with its line, or with the connection.
        while !said.iter().any(|it| matches!(it, b'\r' | b'\n')) {
            if said.len() > REPLY_BYTES {
                return Err(Outcome::protocol("a reply of more than 1 KiB"));
            }
            match stream.read(&mut buffer).await? {
                0 => break,
                read => said.extend_from_slice(&buffer[..read]),
            }
        }
        Ok(String::from_utf8_lossy(&said).into_owned())
    };
    deadline.bound("waiting for the reply", conversation).await
}
