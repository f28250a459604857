//! Controllers of a daemon that runs: a registry is asked over the network, and what it lists is
//! served.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use crate::daemon::{Daemon, server, service, weir};

/// Answers every request with what `answers` gives next, and stays with the last; returns what was
/// asked first.
fn registry(listener: TcpListener, answers: Vec<String>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut first = String::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).unwrap();
            if first.is_empty() {
                first = String::from_utf8_lossy(&asked[..length]).into_owned();
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
        first
    })
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn what_a_registry_lists_is_served() {
    let (listener, at) = server();
    let (_real, real) = server();
    let web = service(21);
    let listed = format!(
        "[{{\"name\":\"web\",\"address\":\"{web}\",\"scheduler\":\"rr\",\
         \"servers\":[{{\"address\":\"{real}\",\"weight\":3}}]}}]"
    );
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("token");
    fs::write(&secret, "s3cret\n").unwrap();
    let asked = registry(
        listener,
        vec![
            "HTTP/1.1 503 Sorry\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "nonsense".to_owned(),
            ok(&listed),
        ],
    );
    let config = format!(
        r#"
        backend = "embedded"

        [plugin.discovery]
        component = "discovery"
        config = {{ url = "http://{at}/v1/services", every_s = 1, secret = "token" }}

        [plugin.discovery.grant]
        structure = {{ addresses = ["127.0.0.0/8"] }}
        http = ["GET http://{at}/v1/"]
        secrets.token.file = "{}"
        "#,
        secret.display()
    );
    let (mut daemon, _) = Daemon::start(weir(), &config);
    let said = daemon.wait_for("owned");
    assert!(said.contains("status 503; nothing changes"), "{said}");
    assert!(said.contains("not HTTP; nothing changes"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    daemon.wait_for("weight");
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("GET /v1/services HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Bearer s3cret\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {at}\r\n")), "{asked}");
    let table = daemon.says("-Sn", "");
    assert_eq!(
        table,
        format!("-A -t {web} -s rr\n-a -t {web} -r {real} -m -w 3\n"),
        "it is there for who looks"
    );
    let status = weir().arg("--socket").arg(daemon.socket()).arg("status").output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("of plugin discovery"), "{status}");
    daemon.signal("TERM");
    assert!(daemon.end().0);
}

/// A name is no way to what this machine keeps for itself, nor is a certificate that nobody signed.
#[test]
fn names_do_not_lead_to_this_machine() {
    let (listener, at) = server();
    let script = |url: &str| {
        format!(
            "EVERY_S = 1\ndef on_time(weights):\n    ask({url:?})\n\
             def on_answer(answer, weights):\n    print(\"heard: %s\" % answer.error)\n"
        )
    };
    let heard = |url: &str, rule: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.star");
        fs::write(&file, script(url)).unwrap();
        let config = format!(
            "backend = \"embedded\"\n[plugin.x]\ncomponent = \"starlark\"\nscript = {file:?}\n\
             grant = {{ http = [{rule:?}] }}\n"
        );
        let (mut daemon, _) = Daemon::start(weir(), &config);
        let said = daemon.wait_for("log");
        said.split_once("heard: ").unwrap_or_else(|| panic!("{said}")).1.to_owned()
    };
    let port = at.port();
    let named =
        heard(&format!("http://localhost:{port}/"), &format!("GET http://localhost:{port}/"));
    assert!(named.contains("which is this machine or its link: write the address"), "{named}");
    drop(listener);
    let refused = heard(&format!("http://{at}/"), &format!("GET http://{at}/"));
    assert!(refused.to_lowercase().contains("refused"), "{refused}");
}
