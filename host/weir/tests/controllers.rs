//! Controllers of a daemon that runs: a registry is asked over the network, and what it lists is
//! served.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
    sync::Arc,
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
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

/// What a script hears that asks for `url`, in a daemon that `command` starts.
fn heard(command: Command, url: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.star");
    let script = format!(
        "EVERY_S = 1\ndef on_time(weights):\n    ask({url:?})\n\
         def on_answer(answer, weights):\n    print(\"heard: %s\" % (answer.error or answer.body))\n"
    );
    fs::write(&file, script).unwrap();
    let config = format!(
        "backend = \"embedded\"\n[plugin.x]\ncomponent = \"starlark\"\nscript = {file:?}\n\
         grant = {{ http = [\"GET {url}\"] }}\n"
    );
    let (mut daemon, _) = Daemon::start(command, &config);
    let said = daemon.wait_for("log");
    said.split_once("heard: ").unwrap_or_else(|| panic!("{said}")).1.to_owned()
}

#[test]
fn names_do_not_lead_to_this_machine() {
    let (listener, at) = server();
    let named = heard(weir(), &format!("http://localhost:{}/", at.port()));
    assert!(named.contains("which is this machine or its link: write the address"), "{named}");
    drop(listener);
    let refused = heard(weir(), &format!("http://{at}/"));
    assert!(refused.to_lowercase().contains("refused"), "{refused}");
}

/// Who signs certificates, as a file has it, and what a server at this machine shakes hands with.
fn authority() -> (String, ServerConfig) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (issuer.pem(), server)
}

#[test]
fn certificates_are_verified_by_those_of_the_system() {
    let (pem, config) = authority();
    let (listener, at) = server();
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // Who does not trust it hangs up.
            let asked = stream.read(&mut [0; 4096]);
            let _ = asked.and_then(|_| stream.write_all(ok("welcome").as_bytes()));
            let _ = stream.flush();
        }
    });
    let trusting = |pem: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), pem).unwrap();
        let mut command = weir();
        command.env("SSL_CERT_FILE", file.path()).env_remove("SSL_CERT_DIR");
        heard(command, &format!("https://{at}/"))
    };
    let heard = trusting(&pem);
    assert!(heard.starts_with("welcome"), "{heard}");
    let (others, _) = authority();
    let heard = trusting(&others);
    assert!(heard.to_lowercase().contains("certificate"), "{heard}");
}
