//! The agent check against agents on loopback.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    Reply, Seen,
    bed::{ask, run, see},
};
use crate::config::{AgentCheck, Check, CheckKind};

/// What is heard of an agent that is asked with `send`, reads so many bytes first, and
/// answers with `reply`.
fn hear(send: &str, reads: usize, reply: &str) -> Option<Reply> {
    let kind = CheckKind::Agent(AgentCheck { send: send.to_owned() });
    let check = Check { kind, ..super::QUICK };
    let check = Check { timeout: std::time::Duration::from_secs(20), ..check };
    let seen = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let agent = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = vec![0; reads];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(String::from_utf8(heard).unwrap(), send);
            // One that says too much is not heard out.
            let _ = stream.write_all(reply.as_bytes()).await;
            // The connection stays until the probe has seen enough, unless its end is the end
            // of the reply.
            if reply.contains('\n') {
                let _ = stream.read(&mut [0]).await;
            }
        };
        tokio::join!(see(&check, address), agent).0
    });
    assert_eq!(seen.outcome, None);
    seen.agent.unwrap()
}

#[test]
fn a_reply_ends_with_its_line_or_with_the_connection() {
    let said = |line| Some(Reply::parse(line).unwrap());
    assert_eq!(hear("", 0, "up 50%\n"), said("up 50%"));
    assert_eq!(hear("", 0, "up 50%\r\ndrain\n"), said("up 50%"));
    assert_eq!(hear("", 0, "drain"), said("drain"));
    assert_eq!(hear("", 0, ""), None);
    assert_eq!(hear("web1\n", 5, "maint\n"), said("maint"));
    let full = format!("50%{}\n", " ".repeat(1000));
    assert_eq!(hear("", 0, &full), said("50%"));
    let endless = "50% ".repeat(400) + "\n";
    assert_eq!(hear("", 0, &endless), None);
}

#[test]
fn who_has_no_agent_has_not_failed() {
    let kind = CheckKind::Agent(AgentCheck { send: String::new() });
    let check = Check { kind, ..super::QUICK };
    let seen = run(async {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        see(&check, nobody).await
    });
    assert_eq!(seen, Seen { outcome: None, agent: Some(None) });
    let address = ([10, 0, 0, 1], 80).into();
    assert!(!ask(&check, address).check.kind.says_health());
}
