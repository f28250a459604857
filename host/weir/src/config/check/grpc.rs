//! What is asked by gRPC.

use toml::de::DeValue;

use super::{
    Section, Tls, found, http,
    keys::{By, Key, Table, Without::Means},
    value,
};

/// A question to the health service of a gRPC server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrpcCheck {
    /// How it is asked within TLS; none = in the clear.
    pub(crate) tls: Option<Tls>,
    /// The `:authority`; the address that is probed, if none.
    pub(crate) host: Option<String>,
    /// Whose health; empty = that of the server as a whole.
    pub(crate) service: String,
}

/// So that its length is one byte.
const SERVICE_BYTES: usize = 127;

pub(super) static TABLE: Table = Table::new("grpc", &[&[&SERVICE, &http::HOST]]);

static SERVICE: Key<By<String>> = Key::new(
    "service",
    By { read: service, types: &["string"] },
    Means("that of the server as a whole"),
    "whose health, at most 127 bytes: `\"shop.v1.Cart\"`",
);

/// The keys of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct GrpcKeys {
    service: Option<String>,
}

impl GrpcKeys {
    /// Reads those of `section` over these.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        Self { service: section.key(&SERVICE).or(self.service) }
    }

    pub(super) fn finish(&self, host: Option<String>, tls: Option<Tls>) -> GrpcCheck {
        GrpcCheck { tls, host, service: self.service.clone().unwrap_or_default() }
    }
}

fn service(value: &DeValue<'_>) -> Result<String, String> {
    let name = value::text(value)?;
    if name.len() <= SERVICE_BYTES && name.bytes().all(|it| it.is_ascii_graphic()) {
        return Ok(name);
    }
    Err(format!(
        "expected a service such as \"shop.v1.Cart\", at most {SERVICE_BYTES} bytes, found {}",
        found(value)
    ))
}
