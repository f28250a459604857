//! The DNS check against a server on loopback.

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{RData, Record, rdata::TXT},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};

use super::bed::{Authority, check_of, probe, run};

/// What a probe by `table` makes of a server that answers so; by TCP alone, if `is_long`.
fn check(table: &str, is_long: bool, answer: impl Fn(&Message) -> Message, expected: &str) {
    let check = check_of(
        &format!("type = \"dns\", query = \"www.example.com\", {table}"),
        &Authority::new(),
    );
    let seen = run(async {
        let (udp, tcp) = listen().await;
        let address = udp.local_addr().unwrap();
        let server = async {
            let mut buffer = [0; 2000];
            let (read, client) = udp.recv_from(&mut buffer).await.unwrap();
            let question = Message::from_vec(&buffer[..read]).unwrap();
            // What is for someone else is not for us.
            let mut other = answer(&question);
            other.metadata.id = question.metadata.id.wrapping_add(1);
            udp.send_to(&other.to_vec().unwrap(), client).await.unwrap();
            let whole = answer(&question);
            if !is_long {
                udp.send_to(&whole.to_vec().unwrap(), client).await.unwrap();
                return;
            }
            udp.send_to(&whole.truncate().to_vec().unwrap(), client).await.unwrap();
            let (mut stream, _) = tcp.accept().await.unwrap();
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await.unwrap();
            let bytes = answer(&Message::from_vec(&question).unwrap()).to_vec().unwrap();
            stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        };
        tokio::join!(probe(&check, address), server).0
    });
    assert_eq!(seen.to_string(), expected, "{table}");
}

/// A server listens at one port of both protocols: one that is free with the first may be
/// taken with the second.
async fn listen() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        match TcpListener::bind(udp.local_addr().unwrap()).await {
            Ok(tcp) => return (udp, tcp),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse),
        }
    }
}

/// Answers with this code, and these records.
fn answers(code: ResponseCode, records: Vec<RData>) -> impl Fn(&Message) -> Message {
    move |question| {
        let query = question.queries[0].clone();
        assert_eq!(query.name.to_ascii(), "www.example.com.");
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.response_code = code;
        for it in &records {
            answer.add_answer(Record::from_rdata(query.name.clone(), 60, it.clone()));
        }
        answer.add_query(query);
        answer
    }
}

fn address(last: u8) -> RData {
    RData::A(std::net::Ipv4Addr::new(192, 0, 2, last).into())
}

#[test]
fn an_answer_counts_by_its_code_and_its_records() {
    let ok = ResponseCode::NoError;
    check("port = 1", false, answers(ok, vec![]), "passed");
    check("port = 1", false, answers(ResponseCode::ServFail, vec![]), "rcode Server Failure");
    check("rcode = \"nxdomain\"", false, answers(ResponseCode::NXDomain, vec![]), "passed");
    let two = || answers(ok, vec![address(1), address(2)]);
    check("answer = \"192.0.2.2\"", false, two(), "passed");
    check("answer = [\"192.0.2.9\", \"192.0.2.1\"]", false, two(), "passed");
    check("answer = \"192.0.2.9\"", false, two(), "answer 192.0.2.1, 192.0.2.2");
    check("answer = \"192.0.2.9\"", false, answers(ok, vec![]), "no record A");
    let text = RData::TXT(TXT::new(vec!["ready".to_owned()]));
    check("record = \"txt\", answer = \"Ready\"", false, answers(ok, vec![text]), "passed");
}

#[test]
fn an_answer_that_does_not_fit_is_asked_for_by_tcp() {
    let many = || answers(ResponseCode::NoError, (0..100).map(address).collect());
    check("answer = \"192.0.2.99\"", true, many(), "passed");
}

#[test]
fn who_does_not_speak_dns_fails() {
    let check = check_of("type = \"dns\", query = \".\", record = \"NS\"", &Authority::new());
    let seen = run(async {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = udp.local_addr().unwrap();
        let server = async {
            let (_, client) = udp.recv_from(&mut [0; 2000]).await.unwrap();
            udp.send_to(b"what?", client).await.unwrap();
        };
        tokio::join!(probe(&check, address), server).0
    });
    assert_eq!(seen.to_string(), "not DNS");
}
