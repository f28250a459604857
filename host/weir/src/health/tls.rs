//! TLS to real servers: the handshake, and what its failures mean to people.
//!
//! What is offered and believed is the configuration's, see [`Tls`].

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{AlertDescription, CertificateError, Error, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    outcome::{Cause, Outcome},
    streams::Place,
    tcp::{self, Deadline},
};
use crate::config::{Expiring, Tls};

/// Connects to `place` and shakes hands. The server is called by the name that `tls` has
/// for it, or that of the `host` that it is asked for, or else its address.
pub(super) async fn connect(
    place: Place,
    tls: &Tls,
    host: Option<&str>,
    deadline: Deadline,
) -> Result<TlsStream<TcpStream>, Outcome> {
    let stream = tcp::connect(place, deadline).await?;
    let name = server_name(place.address, tls, host);
    let connector = TlsConnector::from(Arc::clone(tls.client()));
    deadline.bound("in the TLS handshake", connector.connect(name, stream)).await
}

/// What becomes of a server whose certificate expires soon, if it does.
pub(super) fn expiring(stream: &TlsStream<TcpStream>, tls: &Tls) -> Option<Outcome> {
    let (within, then) = tls.expiry()?;
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let end = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    let left = Duration::from_secs(end).saturating_sub(wall());
    if left >= within {
        return None;
    }
    let days = left.as_secs() / 86_400;
    let what = format!("expires in {days} {}", if days == 1 { "day" } else { "days" });
    Some(match then {
        Expiring::Alert => Outcome::Warned(format!("certificate {what}")),
        Expiring::Degrade(percent) => Outcome::Degraded(percent, format!("certificate {what}")),
        Expiring::Fail => Outcome::Fail(Cause::Certificate(what)),
    })
}

/// What comes of a probe that came to `outcome` and saw a certificate that makes `expiring` of its
/// server: what else is wrong with it counts first.
pub(super) fn or_expiring(outcome: Outcome, expiring: Option<Outcome>) -> Outcome {
    match (outcome, expiring) {
        (Outcome::Pass, Some(expiring)) => expiring,
        (Outcome::Degraded(..), Some(failed @ Outcome::Fail(_))) => failed,
        (outcome, _) => outcome,
    }
}

/// Time since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "certificates end by the clock on the wall")]
pub(super) fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The TLS check: whoever shakes hands, and shows what it should, passes.
pub(super) async fn probe(place: Place, tls: &Tls, deadline: Deadline) -> Result<Outcome, Outcome> {
    let stream = connect(place, tls, None, deadline).await?;
    Ok(expiring(&stream, tls).unwrap_or(Outcome::Pass))
}

fn server_name(address: SocketAddr, tls: &Tls, host: Option<&str>) -> ServerName<'static> {
    let of_host = || {
        let host = host?;
        let name = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|it| it.is_ascii_digit()) { name } else { host }
        });
        ServerName::try_from(name.trim_matches(['[', ']']).to_owned()).ok()
    };
    let name = tls.sni().cloned().or_else(of_host);
    name.unwrap_or_else(|| ServerName::IpAddress(address.ip().into()))
}

/// What a failure of TLS says of the server.
pub(super) fn failure(error: &Error) -> Outcome {
    match error {
        Error::InvalidCertificate(error) => Outcome::Fail(Cause::Certificate(certificate(error))),
        Error::AlertReceived(alert) => Outcome::protocol(refusal(*alert)),
        Error::NoApplicationProtocol => Outcome::protocol(NO_COMMON_PROTOCOL),
        Error::InvalidMessage(_) => Outcome::protocol("not TLS"),
        other => Outcome::protocol(format!("TLS: {other}")),
    }
}

const NO_COMMON_PROTOCOL: &str = "TLS: it speaks no HTTP version that it was offered (ALPN)";

fn refusal(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "TLS: it wants a client certificate: add client-certificate to the check".to_owned()
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate => {
            format!("TLS: it refuses the client certificate ({alert:?})")
        }
        AlertDescription::NoApplicationProtocol => NO_COMMON_PROTOCOL.to_owned(),
        AlertDescription::UnrecognisedName => {
            "TLS: it does not know the name it is called by: set sni".to_owned()
        }
        other => format!("TLS: it refused ({other:?})"),
    }
}

/// Fits after "certificate".
fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "of an unknown issuer: name its CA by ca, or do not verify".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            // The library shows what kind of name each is: DnsName("a.test").
            let bare = |it: &String| {
                let inner = it.split_once('(').map_or(it.as_str(), |(_, it)| it);
                inner.trim_end_matches(')').trim_matches('"').to_owned()
            };
            let names: Vec<String> = presented.iter().map(bare).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            format!("not for {}, but for {names}", expected.to_str())
        }
        CertificateError::NotValidForName => "not for the name it is called by".to_owned(),
        CertificateError::Revoked => "revoked".to_owned(),
        other => format!("invalid: {other}"),
    }
}
