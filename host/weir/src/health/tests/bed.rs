//! Real servers on loopback, with certificates of the tests' own.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

use super::super::{
    checker::Checker,
    outcome::Outcome,
    probe::Probe,
    streams::{Ask, Place, Seen},
    tcp::Deadline,
};
use crate::config::{self, Check, Config};

/// How long a probe of a test may take that is not about time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Does it with sockets and timers.
pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The check that a table such as `type = "http", path = "/"` describes; files that it names
/// are those of `files`.
pub(super) fn check_of(table: &str, files: &Authority) -> Check {
    let text =
        format!("[[service]]\nname = \"web\"\naddress = \"192.0.2.1:80\"\ncheck = {{ {table} }}\n");
    let checks = files.parse(&text).services.remove(0).check.unwrap();
    Check::clone(&checks.list[0])
}

/// What one probe by `check` sees at `address`, within the time-out of the check if that is
/// what it is about.
pub(super) async fn probe(check: &Check, address: SocketAddr) -> Outcome {
    see(check, address).await.outcome.unwrap()
}

/// What is asked, there.
pub(super) fn ask(check: &Check, address: SocketAddr) -> Ask {
    Ask { check: Arc::new(check.clone()), place: Place { address, source: None, mark: None } }
}

/// The same, with what its agent said.
pub(super) async fn see(check: &Check, address: SocketAddr) -> Seen {
    see_by(check, address, None).await
}

/// The same of a check that a plugin makes.
pub(super) async fn see_by(check: &Check, address: SocketAddr, checker: Option<Checker>) -> Seen {
    let is_timed = check.timeout < Duration::from_secs(1);
    let limit = if is_timed { check.timeout } else { PATIENCE };
    Probe::new(&ask(check, address)).run(Deadline(Instant::now() + limit), checker).await
}

/// Issues certificates. Its own is the file `ca.pem`; `client.pem` and `client.key` belong to
/// someone it knows, and `both.pem` is the two together.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("weir's tests")
    }

    pub(super) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, directory: TempDir::new().unwrap() };
        let (client, key) = authority.issue(&["client.test"], |_| {});
        authority.write("ca.pem", &authority.issuer.pem());
        authority.write("client.pem", &client);
        authority.write("client.key", &key);
        authority.write("both.pem", &(client + &key));
        authority
    }

    /// A configuration without mistakes, beside the files.
    pub(super) fn parse(&self, text: &str) -> Config {
        let config = config::parse_beside(self.directory.path(), "weir.toml", text);
        config.unwrap_or_else(|problems| panic!("{text}: {problems}"))
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// A certificate for `names`, and its key.
    pub(super) fn issue(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// TLS as a server with a certificate for `names` speaks it, with these protocols within.
    pub(super) fn server(
        &self,
        names: &[&str],
        alpn: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = tls()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        server.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        server
    }

    /// The same, which talks to nobody whom this authority does not know.
    pub(super) fn exclusive_server(&self, names: &[&str]) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().copied().map(str::to_owned).collect();
        let certificate =
            CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let known = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        tls()
            .with_client_cert_verifier(known.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

fn tls() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
}

/// Which HTTP a server speaks where TLS does not say.
#[derive(Debug, Clone, Copy)]
pub(super) enum Speaks {
    One,
    Two,
}

/// An HTTP server.
pub(super) struct Web<A> {
    pub(super) tls: Option<ServerConfig>,
    pub(super) speaks: Speaks,
    /// Answers a request.
    pub(super) answer: A,
}

impl<A> Web<A> {
    /// Begins to serve, in the runtime of the test; returns where.
    pub(super) async fn serve<B>(self) -> SocketAddr
    where
        A: Fn(&Request<Bytes>) -> Response<B> + Send + Sync + 'static,
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = self.tls.map(|it| TlsAcceptor::from(Arc::new(it)));
        let answer = Arc::new(self.answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return converse(stream, self.speaks, answer).await;
                    };
                    // A client that does not like the certificate goes away.
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    converse(stream, if is_two { Speaks::Two } else { Speaks::One }, answer).await;
                });
            }
        });
        address
    }
}

async fn converse<S, A, B>(stream: S, speaks: Speaks, answer: Arc<A>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(&Request<Bytes>) -> Response<B> + Send + Sync + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = Arc::clone(&answer);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(answer(&Request::from_parts(head, body)))
        }
    });
    // Probes hang up when they have seen enough.
    let io = TokioIo::new(stream);
    match speaks {
        Speaks::One => {
            drop(conn::http1::Builder::new().serve_connection(io, service).await);
        }
        Speaks::Two => {
            let builder = conn::http2::Builder::new(TokioExecutor::new());
            drop(builder.serve_connection(io, service).await);
        }
    }
}
