//! How checks speak TLS: what is believed, and what is shown.
//!
//! All of it is made when the configuration is read, so that a file that is not there, or a
//! key that does not belong to its certificate, is a mistake with a place.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use toml::de::DeValue;

use super::{
    Section, found,
    keys::{
        By, Flag, Key, Span, Table,
        Without::{Is, Means},
    },
    value,
};

/// What a check says and believes when it shakes hands.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    keys: TlsKeys,
    alpn: &'static [&'static [u8]],
    client: Arc<ClientConfig>,
}

impl Tls {
    /// What shakes hands.
    pub(crate) fn client(&self) -> &Arc<ClientConfig> {
        &self.client
    }

    /// Whether a certificate that expires soon costs weight.
    pub(super) fn degrades(&self) -> bool {
        matches!(self.expiry(), Some((_, Expiring::Degrade(_))))
    }

    /// When its certificate expires soon, and what then.
    pub(crate) fn expiry(&self) -> Option<(Duration, Expiring)> {
        Some((self.keys.expires_within?, self.keys.expiring.unwrap_or(Expiring::Alert)))
    }

    /// The name to call the server by, if one was written.
    pub(crate) fn sni(&self) -> Option<&ServerName<'static>> {
        self.keys.sni.as_ref()
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        (&self.keys, self.alpn) == (&other.keys, other.alpn)
    }
}

impl Eq for Tls {}

/// What a certificate that expires soon makes of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiring {
    /// It passes, and people are told.
    Alert,
    /// It gets so many hundredths of its weight.
    Degrade(u32),
    /// It fails.
    Fail,
}

pub(super) static TABLE: Table = Table::new(
    "tls",
    &[&[&SNI, &CA, &VERIFY, &CLIENT_CERTIFICATE, &CLIENT_KEY, &EXPIRES_WITHIN, &EXPIRING]],
);

static SNI: Key<By<ServerName<'static>>> = Key::new(
    "sni",
    By { read: server_name, types: &["string"] },
    Means("`host` without its port, or the address that is probed"),
    "the name it is called by. An address is not sent (RFC 6066, section 3), and must be in the \
     certificate",
);

/// What is in a file is read with its table, for that knows where the file is.
const FILE: By<String> = By { read: value::text, types: &["string"] };

static CA: Key<By<String>> = Key::new(
    "ca",
    FILE,
    Means("those of this system"),
    "a PEM file with the certificates that are believed instead. Those of the system are read \
     when weir starts",
);

static VERIFY: Key<Flag> = Key::new("verify", Flag, Is(true), "`false`: any certificate does");

static CLIENT_CERTIFICATE: Key<By<String>> = Key::new(
    "client-certificate",
    FILE,
    Means("none"),
    "a PEM file with the certificate to show, and those between it and its CA",
);

static CLIENT_KEY: Key<By<String>> =
    Key::new("client-key", FILE, Means("in the same file"), "a PEM file with its key");

/// An hour to a year: no certificate lasts longer than that any more.
static EXPIRES_WITHIN: Key<Span> = Key::new(
    "expires-within",
    Span(Duration::from_secs(3600)..=Duration::from_secs(366 * 86_400)),
    Means("never"),
    "how long before its end a certificate is a matter: `\"14d\"`",
);

static EXPIRING: Key<By<Expiring>> = Key::new(
    "expiring",
    By { read: expiring, types: &["string"] },
    Means("`\"alert\"`"),
    "what it makes of its server then: `\"alert\"`: it passes, and the log says so \
     (`check-warns`), once for each day; a part of the weight, `\"50%\"`: degraded; `\"fail\"`: it \
     is down",
);

/// The keys of a table, with what is in the files that they name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TlsKeys {
    sni: Option<ServerName<'static>>,
    ca: Option<Vec<CertificateDer<'static>>>,
    verify: Option<bool>,
    certificate: Option<Vec<CertificateDer<'static>>>,
    key: Option<PrivateKey>,
    expires_within: Option<Duration>,
    expiring: Option<Expiring>,
}

#[derive(Debug, PartialEq, Eq)]
struct PrivateKey(PrivateKeyDer<'static>);

impl Clone for PrivateKey {
    fn clone(&self) -> Self {
        Self(self.0.clone_key())
    }
}

impl TlsKeys {
    /// Reads those of `section` over these.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        section.value(CLIENT_KEY.name);
        let certificates = |it: &DeValue<'_>, section: &Section<'_>| {
            let pem = section.file(it)?;
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            let read = read.map_err(|error| format!("{}: {error}", found(it)))?;
            if read.is_empty() {
                return Err(format!("there is no certificate (PEM) in {}", found(it)));
            }
            Ok(read)
        };
        let here = section.here();
        let key = |it: &DeValue<'_>| {
            let pem = here.file(it)?;
            let key = PrivateKeyDer::from_pem_slice(&pem).map(PrivateKey);
            key.map_err(|_| format!("there is no private key (PEM) in {}", found(it)))
        };
        let own_certificate = section.get(CLIENT_CERTIFICATE.name, |it| certificates(it, &here));
        let own_key = match section.value(CLIENT_CERTIFICATE.name) {
            // One file may hold both.
            Some(both) if !section.has(CLIENT_KEY.name) => key(both.get_ref()).ok(),
            _ => section.get(CLIENT_KEY.name, key),
        };
        Self {
            sni: section.key(&SNI).or(self.sni),
            ca: section.get(CA.name, |it| certificates(it, &here)).or(self.ca),
            verify: section.key(&VERIFY).or(self.verify),
            certificate: own_certificate.or(self.certificate),
            key: own_key.or(self.key),
            expires_within: section.key(&EXPIRES_WITHIN).or(self.expires_within),
            expiring: section.key(&EXPIRING).or(self.expiring),
        }
    }

    /// Makes what shakes hands, unless `made` is the same. A mistake is noted.
    pub(super) fn make(
        &self,
        alpn: &'static [&'static [u8]],
        made: Option<Tls>,
        section: &Section<'_>,
    ) -> Option<Tls> {
        if let Some(made) = made.filter(|it| it.keys == *self && it.alpn == alpn) {
            return Some(made);
        }
        match self.client(alpn) {
            Ok(client) => Some(Tls { keys: self.clone(), alpn, client: Arc::new(client) }),
            Err((key, message)) => {
                section.note_at(key, message);
                None
            }
        }
    }

    fn client(&self, alpn: &[&[u8]]) -> Result<ClientConfig, (&'static str, String)> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().expect("ring has them");
        let builder = match (self.verify.unwrap_or(VERIFY.usual()), &self.ca) {
            (false, _) => {
                let anyone = Arc::new(Anyone(provider));
                builder.dangerous().with_custom_certificate_verifier(anyone)
            }
            (true, Some(ca)) => builder.with_root_certificates(roots(ca)?),
            (true, None) => builder.with_root_certificates(system_roots()?),
        };
        let mut client = match (&self.certificate, &self.key) {
            (Some(certificate), Some(PrivateKey(key))) => {
                let with = builder.with_client_auth_cert(certificate.clone(), key.clone_key());
                with.map_err(|error| ("client-certificate", error.to_string()))?
            }
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) => {
                return Err(("client-certificate", "it has no key: add client-key".to_owned()));
            }
            (None, Some(_)) => {
                return Err(("client-key", "goes with client-certificate: add that".to_owned()));
            }
        };
        client.alpn_protocols = alpn.iter().map(|it| it.to_vec()).collect();
        // Each probe is to see the whole handshake.
        client.resumption = rustls::client::Resumption::disabled();
        Ok(client)
    }
}

fn roots(ca: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, (&'static str, String)> {
    let mut roots = RootCertStore::empty();
    for certificate in ca {
        roots.add(certificate.clone()).map_err(|error| ("ca", error.to_string()))?;
    }
    Ok(Arc::new(roots))
}

/// What this system believes, as it was when first asked for: some hundred certificates,
/// which all checks share.
fn system_roots() -> Result<Arc<RootCertStore>, (&'static str, String)> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        let remedy = "this system has no certificates to verify by: install them (the package \
                      ca-certificates), name a file by ca, or set verify = false";
        return Err(("ca", remedy.to_owned()));
    }
    Ok(Arc::clone(roots))
}

/// What believes what this system does, for whoever is asked beside checks. Fails with what to do.
pub(crate) fn system_client() -> Result<ClientConfig, String> {
    TlsKeys::default().client(&[]).map_err(|(_, remedy)| remedy)
}

fn expiring(value: &DeValue<'_>) -> Result<Expiring, String> {
    match value.as_str() {
        Some("alert") => Ok(Expiring::Alert),
        Some("fail") => Ok(Expiring::Fail),
        _ => value::percent(value, 1..=99).map(Expiring::Degrade).map_err(|_| {
            let found = found(value);
            format!("expected \"alert\", \"fail\" or a part of the weight, \"50%\", found {found}")
        }),
    }
}

fn server_name(value: &DeValue<'_>) -> Result<ServerName<'static>, String> {
    let name = ServerName::try_from(value::text(value)?);
    name.map_err(|_| format!("expected a name such as \"www.example.com\", found {}", found(value)))
}

/// Believes every certificate, and still wants proof that the server has its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
