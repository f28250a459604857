//! The DNS check: a question, by UDP, and by TCP where the answer does not fit (RFC 7766).

use std::fmt::Write as _;

use hickory_proto::op::{Message, MessageType, Query};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use weir_wasm::printable;

use super::{
    outcome::Outcome,
    socket,
    streams::Place,
    tcp::{self, Deadline},
};
use crate::config::DnsCheck;

/// Of an answer by UDP without extensions (RFC 1035, section 4.2.1), and some to spare.
const DATAGRAM_BYTES: usize = 4096;

/// Asks, and looks at the answer.
pub(super) async fn probe(
    check: &DnsCheck,
    place: Place,
    deadline: Deadline,
) -> Result<Outcome, Outcome> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(check.name.clone(), check.record));
    let id = question.metadata.id;
    let question = question.to_vec().map_err(|error| Outcome::unable(error.to_string()))?;
    let asked = by_datagram(&question, place, id);
    let mut answer = deadline.bound("waiting for the answer", asked).await?;
    if answer.metadata.truncation {
        let mut stream = tcp::connect(place, deadline).await?;
        let asked = by_stream(&question, &mut stream);
        answer = deadline.bound("waiting for the answer by TCP", asked).await?;
    }
    Ok(judge(check, &answer))
}

/// Datagrams that answer something else are not for us.
async fn by_datagram(question: &[u8], place: Place, id: u16) -> Result<Message, Outcome> {
    let socket = socket::datagrams(place)?;
    socket.send(question).await?;
    let mut buffer = [0; DATAGRAM_BYTES];
    loop {
        let read = socket.recv(&mut buffer).await?;
        let answer = parse(&buffer[..read])?;
        if answer.metadata.id == id {
            return Ok(answer);
        }
    }
}

async fn by_stream(
    question: &[u8],
    stream: &mut tokio::net::TcpStream,
) -> Result<Message, Outcome> {
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    stream.write_u16(length).await?;
    stream.write_all(question).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    parse(&answer)
}

fn parse(bytes: &[u8]) -> Result<Message, Outcome> {
    let answer = Message::from_vec(bytes).map_err(|_| Outcome::protocol("not DNS"))?;
    match answer.metadata.message_type {
        MessageType::Response => Ok(answer),
        MessageType::Query => Err(Outcome::protocol("a question instead of an answer")),
    }
}

fn judge(check: &DnsCheck, answer: &Message) -> Outcome {
    let code = answer.metadata.response_code;
    if code != check.rcode {
        return Outcome::content(format!("rcode {code}"));
    }
    // Some leave the question out.
    let is_ours = |it: &Query| *it.name() == check.name && it.query_type() == check.record;
    if !answer.queries.is_empty() && !answer.queries.iter().any(is_ours) {
        return Outcome::protocol("an answer to another question");
    }
    if check.answers.is_empty() {
        return Outcome::Pass;
    }
    let found: Vec<String> = answer
        .answers
        .iter()
        .filter(|it| it.record_type() == check.record)
        .map(|it| {
            let mut text = String::new();
            // Some records have no text; they are none that could be expected.
            let _ = write!(text, "{}", it.data);
            plain(&text)
        })
        .collect();
    if check.answers.iter().any(|it| found.contains(&plain(it))) {
        return Outcome::Pass;
    }
    match found.is_empty() {
        true => Outcome::content(format!("no record {}", check.record)),
        false => Outcome::content(format!("answer {}", printable(&found.join(", ")))),
    }
}

/// Names are the same with or without the dot at their end, in capital letters or not.
fn plain(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_lowercase()
}
