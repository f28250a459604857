//! What controllers ask of others by HTTP: each request over a connection of its own, each name
//! looked up by the system's rules, and each address looked at before anybody is asked.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Body as _, Bytes, Incoming},
    header::{self, HeaderValue},
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
    task::spawn_blocking,
};
use tokio_rustls::TlsConnector;
use weir_ipvs::Family;
use weir_wasm::{
    HTTP_REPLY_BYTES, HeaderText, HttpAnswer, HttpCall, HttpFailure, HttpReply, Names as _,
};

use crate::{builtin, config, events::Events, health, manager::Event, names::System};

/// The most of a secret that is read.
const SECRET_BYTES: u64 = 4096;

/// Asks what comes, each beside the others, until there is nobody left who could want it.
pub(super) async fn call_all(mut calls: mpsc::Receiver<(String, HttpCall)>, events: Events) {
    // One each, so that a name that takes its time keeps nobody else waiting.
    let mut names: BTreeMap<String, Arc<Mutex<System>>> = BTreeMap::new();
    while let Some((plugin, call)) = calls.recv().await {
        let new = || Arc::new(Mutex::new(System::new(builtin::NAMES)));
        let names = Arc::clone(names.entry(plugin.clone()).or_insert_with(new));
        let events = events.clone();
        tokio::spawn(async move {
            let tag = call.tag.clone();
            let asked = tokio::time::timeout(call.timeout, ask(call, names)).await;
            let outcome = asked.unwrap_or(Err(HttpFailure::Timeout));
            events.send(Event::Answered(plugin, HttpAnswer { tag, outcome })).await;
        });
    }
}

async fn ask(call: HttpCall, names: Arc<Mutex<System>>) -> Result<HttpReply, HttpFailure> {
    let is_tls = call.uri.scheme_str() == Some("https");
    let host = call.uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = call.uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let addresses = addresses(&host, names).await?;
    let allowed = addresses.iter().filter(|it| call.goes_anywhere || !is_near(**it));
    let allowed: Vec<SocketAddr> = allowed.map(|it| SocketAddr::new(*it, port)).collect();
    if allowed.is_empty() {
        let near = addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
        return Err(HttpFailure::Denied(format!(
            "{host} is {near}, which is this machine or its link: write the address into the \
             plugin's grant.http"
        )));
    }
    // Files are read beside the checks, whose thread this is.
    let prepared = spawn_blocking(move || {
        let client = is_tls.then(client).transpose()?;
        Ok::<_, HttpFailure>((request(&call)?, client))
    });
    let (request, client) = prepared.await.map_err(|_| failed("weir stops"))??;
    let stream =
        TcpStream::connect(&*allowed).await.map_err(|it| failed(format!("{host}: {it}")))?;
    let Some(client) = client else { return exchange(stream, request).await };
    let name = ServerName::try_from(host.clone()).map_err(|it| failed(format!("{host}: {it}")))?;
    let shaken = TlsConnector::from(client).connect(name, stream).await;
    exchange(shaken.map_err(|it| failed(format!("{host}: {it}")))?, request).await
}

async fn addresses(host: &str, names: Arc<Mutex<System>>) -> Result<Vec<IpAddr>, HttpFailure> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let name = host.to_owned();
    let found = spawn_blocking(move || {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |family| names.addresses(name.as_bytes(), family);
        [Family::V4, Family::V6].map(of).concat()
    });
    match found.await {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(failed(format!("{host} is not found"))),
    }
}

/// Whether an address is this machine's own, or of its links: where services wait that trust
/// whoever reaches them, such as the metadata of clouds.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(it) => {
            it.is_loopback()
                || it.is_link_local()
                || it.is_unspecified()
                || it.is_multicast()
                || it.is_broadcast()
                || it.octets()[0] == 0
                // Where clouds answer for themselves beside 169.254.169.254: Alibaba, Azure.
                || matches!(it.octets(), [100, 100, 100, 200] | [168, 63, 129, 16])
        }
        IpAddr::V6(it) => {
            let [.., a, b, c, d] = it.octets();
            // An address of IPv4 by way of NAT64.
            let is_translated = it.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
            (is_translated && is_near([a, b, c, d].into()))
                || it.is_loopback()
                || it.is_unicast_link_local()
                || it.is_unspecified()
                || it.is_multicast()
                // Where clouds answer for themselves by IPv6.
                || it.segments()[..4] == [0xfd00, 0xec2, 0, 0]
        }
    }
}

/// What trusts the system's certificates, read when first wanted.
fn client() -> Result<Arc<ClientConfig>, HttpFailure> {
    static CLIENT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(Arc::clone(client));
    }
    let client = Arc::new(config::system_client().map_err(failed)?);
    Ok(Arc::clone(CLIENT.get_or_init(|| client)))
}

fn request(call: &HttpCall) -> Result<Request<Full<Bytes>>, HttpFailure> {
    let path = call.uri.path_and_query().map_or("/", |it| it.as_str());
    let authority = call.uri.authority().map_or("", |it| it.as_str());
    let mut request = Request::builder().method(call.method.clone()).uri(path);
    request = request.header(header::HOST, authority).header(header::CONNECTION, "close");
    let is_named = |name: &str| call.headers.iter().any(|it| it.0 == name);
    if !is_named(header::USER_AGENT.as_str()) {
        request = request.header(header::USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION")));
    }
    for (name, value) in &call.headers {
        let value = match value {
            HeaderText::Plain(text) => HeaderValue::from_str(text),
            HeaderText::Secret(prefix, file) => {
                let text = format!("{prefix}{}", secret(file)?);
                HeaderValue::from_str(&text).map(|mut it| {
                    it.set_sensitive(true);
                    it
                })
            }
        };
        let value = value.map_err(|_| failed(format!("header {name} cannot have its value")))?;
        request = request.header(name, value);
    }
    let body = Full::new(Bytes::from(call.body.clone()));
    request.body(body).map_err(|it| failed(it.to_string()))
}

/// What the file holds, read anew each time: whoever renews it need tell nobody.
fn secret(file: &Path) -> Result<String, HttpFailure> {
    let read = || {
        let mut text = String::new();
        File::open(file)?.take(SECRET_BYTES).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text.trim_end().to_owned())
    };
    read().map_err(|error| failed(format!("failed to read a secret: {error}")))
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<HttpReply, HttpFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let read = |response| async { Ok(reply(response).await) };
    let asked = health::exchange::http1(stream, request, read).await;
    asked.unwrap_or_else(|outcome| Err(failed(outcome.to_string())))
}

async fn reply(response: Response<Incoming>) -> Result<HttpReply, HttpFailure> {
    let (head, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    while !incoming.is_end_stream() {
        let Some(frame) = incoming.frame().await else { break };
        let frame = frame.map_err(|it| failed(it.to_string()))?;
        body.extend_from_slice(frame.data_ref().map_or(&[], |it| it));
        if body.len() > HTTP_REPLY_BYTES {
            return Err(HttpFailure::TooLarge);
        }
    }
    let headers = head.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    Ok(HttpReply { status: head.status.as_u16(), headers: headers.collect(), body })
}

fn failed(why: impl Into<String>) -> HttpFailure {
    HttpFailure::Failed(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_told_from_what_is_far() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("0.0.0.0", true),
            ("169.254.169.254", true),
            ("255.255.255.255", true),
            ("224.0.0.1", true),
            ("::1", true),
            ("::", true),
            ("fe80::1", true),
            ("fd00:ec2::254", true),
            ("::ffff:127.0.0.1", true),
            ("ff02::1", true),
            ("100.100.100.200", true),
            ("168.63.129.16", true),
            ("64:ff9b::169.254.169.254", true),
            ("64:ff9b::192.0.2.1", false),
            ("10.0.0.1", false),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
            ("fd00::1", false),
        ] {
            assert_eq!(is_near(address.parse().unwrap()), expected, "{address}");
        }
    }
}
