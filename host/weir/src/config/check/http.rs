//! What is asked by HTTP, and which answers pass.

use std::{collections::BTreeSet, ops::RangeInclusive};

use hyper::header::{HeaderName, HeaderValue};
use toml::de::DeValue;

use super::{
    Section, found,
    pattern::{Pattern, PatternKeys},
    tls::Tls,
    value,
};

/// One request, and what is expected of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpCheck {
    /// How it is asked within TLS; none = in the clear.
    pub(crate) tls: Option<Tls>,
    /// What is spoken.
    pub(crate) version: HttpVersion,
    /// `GET`.
    pub(crate) method: String,
    /// With the query, if any: `/health?deep=1`.
    pub(crate) path: String,
    /// The `Host` header; the address that is probed, if none.
    pub(crate) host: Option<String>,
    /// Further headers to send.
    pub(crate) headers: Vec<(String, String)>,
    /// Statuses that pass.
    pub(crate) expect: BTreeSet<u16>,
    /// Headers that must be there, with this value if there is one.
    pub(crate) expect_headers: Vec<(String, Option<String>)>,
    /// What is an answer of a server that should get less.
    pub(crate) degraded: Option<Degraded>,
    /// The header in which an agent speaks.
    pub(crate) agent_header: Option<String>,
    /// What must be in the body.
    pub(crate) body: Option<Pattern>,
    /// Bytes of the body that are read.
    pub(crate) body_max: usize,
}

/// Answers that pass, but not as well as others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Degraded {
    /// Those with one of these statuses, which are not expected otherwise.
    pub(crate) statuses: BTreeSet<u16>,
    /// Those with this header, of this value if there is one.
    pub(crate) header: Option<(String, Option<String>)>,
    /// What they leave of the weight, in hundredths.
    pub(crate) percent: u32,
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    /// HTTP/1.1.
    One,
    /// HTTP/2; in the clear by prior knowledge (RFC 9113, section 3.3).
    Two,
    /// What the server chooses when it shakes hands (ALPN, RFC 7301).
    Any,
}

const VERSIONS: [(&str, HttpVersion); 3] =
    [("1.1", HttpVersion::One), ("2", HttpVersion::Two), ("any", HttpVersion::Any)];

const BODY_BYTES: usize = 64 << 10;
const BODY_BYTES_MAX: usize = 1 << 20;

/// Headers that follow from other keys, or that are the connection's own.
const RESERVED: [&str; 7] =
    ["host", "connection", "content-length", "transfer-encoding", "upgrade", "keep-alive", "te"];

pub(super) const KEYS: &[&str] = &[
    "http-version",
    "method",
    "path",
    "headers",
    "expect",
    "expect-header",
    "body-max",
    "degraded",
    "degraded-header",
    "degraded-weight",
    "agent-header",
];

/// The keys of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct HttpKeys {
    version: Option<HttpVersion>,
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    headers: Option<Vec<(String, String)>>,
    expect: Option<BTreeSet<u16>>,
    expect_headers: Option<Vec<(String, Option<String>)>>,
    body_max: Option<usize>,
    degraded: Option<BTreeSet<u16>>,
    degraded_header: Option<(String, Option<String>)>,
    degraded_percent: Option<u32>,
    agent_header: Option<String>,
}

impl HttpKeys {
    /// Reads those of `section` over these.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        Self {
            version: section.get("http-version", |it| value::word(it, &VERSIONS)).or(self.version),
            method: section.get("method", method).or(self.method),
            path: section.get("path", path).or(self.path),
            host: section.get("host", host).or(self.host),
            headers: section.get("headers", headers).or(self.headers),
            expect: section.get("expect", statuses).or(self.expect),
            expect_headers: section.get("expect-header", wanted_headers).or(self.expect_headers),
            body_max: section.get("body-max", body_max).or(self.body_max),
            degraded: section.get("degraded", statuses).or(self.degraded),
            degraded_header: section.get("degraded-header", wanted_header).or(self.degraded_header),
            degraded_percent: section
                .get("degraded-weight", |it| value::percent(it, 1..=99))
                .or(self.degraded_percent),
            agent_header: section.get("agent-header", header_name).or(self.agent_header),
        }
    }

    pub(super) fn note_contradictions(
        &self,
        is_tls: bool,
        pattern: &PatternKeys,
        section: &Section<'_>,
    ) {
        if self.version == Some(HttpVersion::Any) && !is_tls && section.has("http-version") {
            section.note_at(
                "http-version",
                "only a server that speaks TLS can be asked: choose \"1.1\" or \"2\"",
            );
        }
        if self.degraded().is_none() && section.has("degraded-weight") {
            section.note_at(
                "degraded-weight",
                "nothing is degraded: add degraded or degraded-header, or remove this",
            );
        }
        if self.method.as_deref() == Some("HEAD") && pattern.is_some() {
            section.note_at("method", "an answer to HEAD has no body to look into: use \"GET\"");
        }
    }

    /// What is spoken where nothing is written, or what was inherited does not fit.
    pub(super) fn version(&self, is_tls: bool) -> HttpVersion {
        match self.version {
            Some(HttpVersion::Any) | None if is_tls => HttpVersion::Any,
            Some(HttpVersion::Any) | None => HttpVersion::One,
            Some(version) => version,
        }
    }

    /// What servers are called.
    pub(super) fn host(&self) -> Option<&String> {
        self.host.as_ref()
    }

    fn degraded(&self) -> Option<Degraded> {
        let header = self.degraded_header.clone();
        (self.degraded.is_some() || header.is_some()).then(|| Degraded {
            statuses: self.degraded.clone().unwrap_or_default(),
            header,
            percent: self.degraded_percent.unwrap_or(50),
        })
    }

    /// What the keys say, with what is left out.
    pub(super) fn finish(
        &self,
        version: HttpVersion,
        body: Option<Pattern>,
        tls: Option<Tls>,
    ) -> HttpCheck {
        HttpCheck {
            tls,
            version,
            method: self.method.clone().unwrap_or_else(|| "GET".to_owned()),
            path: self.path.clone().unwrap_or_else(|| "/".to_owned()),
            host: self.host.clone(),
            headers: self.headers.clone().unwrap_or_default(),
            expect: self.expect.clone().unwrap_or_else(|| (200..=299).collect()),
            expect_headers: self.expect_headers.clone().unwrap_or_default(),
            degraded: self.degraded(),
            agent_header: self.agent_header.clone(),
            body,
            body_max: self.body_max.unwrap_or(BODY_BYTES),
        }
    }
}

fn method(value: &DeValue<'_>) -> Result<String, String> {
    let method = value::text(value)?;
    if !method.is_empty() && method.len() <= 32 && method.bytes().all(|it| it.is_ascii_uppercase())
    {
        return Ok(method);
    }
    Err(format!("expected a method such as \"GET\" or \"OPTIONS\", found {}", found(value)))
}

fn path(value: &DeValue<'_>) -> Result<String, String> {
    let path = value::text(value)?;
    let legal = path.starts_with('/') && path.bytes().all(|it| it.is_ascii_graphic() && it != b'#');
    if legal && path.parse::<hyper::Uri>().is_ok() {
        return Ok(path);
    }
    Err(format!("expected a path such as \"/health\", percent-encoded, found {}", found(value)))
}

fn host(value: &DeValue<'_>) -> Result<String, String> {
    let host = value::text(value)?;
    let authority = host.parse::<hyper::http::uri::Authority>();
    if authority.is_ok_and(|it| !it.as_str().contains('@')) {
        return Ok(host);
    }
    Err(format!("expected a host name such as \"www.example.com\", found {}", found(value)))
}

/// A table of texts.
fn headers(value: &DeValue<'_>) -> Result<Vec<(String, String)>, String> {
    let Some(table) = value.as_table() else {
        return Err(format!(
            "expected a table such as {{ x-probe = \"weir\" }}, found {}",
            found(value)
        ));
    };
    let header = |(name, it): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = name.get_ref();
        let text = value::text(it.get_ref())?;
        check_header(name, Some(&text))?;
        if RESERVED.iter().any(|it| it.eq_ignore_ascii_case(name)) {
            return Err(format!("{name} is weir's own to send: remove it (for host, set host)"));
        }
        Ok((name.to_string(), text))
    };
    table.iter().map(header).collect()
}

/// `"x-ready"`, `"x-ready: yes"`, or several of these.
fn wanted_headers(value: &DeValue<'_>) -> Result<Vec<(String, Option<String>)>, String> {
    match value {
        DeValue::Array(_) => value::list(value, wanted_header),
        one => Ok(vec![wanted_header(one)?]),
    }
}

fn wanted_header(value: &DeValue<'_>) -> Result<(String, Option<String>), String> {
    let text = value::text(value)?;
    let (name, wanted) = match text.split_once(':') {
        Some((name, wanted)) => (name.trim(), Some(wanted.trim())),
        None => (text.trim(), None),
    };
    check_header(name, wanted)?;
    Ok((name.to_ascii_lowercase(), wanted.map(str::to_owned)))
}

fn header_name(value: &DeValue<'_>) -> Result<String, String> {
    let name = value::text(value)?;
    check_header(&name, None)?;
    Ok(name.to_ascii_lowercase())
}

fn check_header(name: &str, value: Option<&str>) -> Result<(), String> {
    if name.parse::<HeaderName>().is_err() {
        return Err(format!("expected the name of a header such as \"x-ready\", found \"{name}\""));
    }
    match value {
        Some(value) if HeaderValue::from_str(value).is_err() => {
            Err(format!("expected visible characters as the value of {name}, found {value:?}"))
        }
        _ => Ok(()),
    }
}

/// `"200-299,301"`, or an array of numbers and ranges.
fn statuses(value: &DeValue<'_>) -> Result<BTreeSet<u16>, String> {
    let ranges = match value {
        DeValue::Array(_) => value::list(value, status_range)?,
        DeValue::String(text) => {
            text.split(',').map(|it| range(it.trim(), value)).collect::<Result<_, _>>()?
        }
        one => vec![status_range(one)?],
    };
    if ranges.is_empty() {
        return Err("expected at least one status: no answer would pass".to_owned());
    }
    Ok(ranges.into_iter().flatten().collect())
}

fn status_range(value: &DeValue<'_>) -> Result<RangeInclusive<u16>, String> {
    match value {
        DeValue::Integer(it) => range(&it.to_string(), value),
        other => range(&value::text(other)?, value),
    }
}

fn range(text: &str, value: &DeValue<'_>) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = first.trim().parse::<u16>().ok().zip(last.trim().parse::<u16>().ok());
    match range {
        Some((first, last)) if 100 <= first && first <= last && last <= 599 => Ok(first..=last),
        _ => Err(format!(
            "expected statuses from 100 to 599 such as 204 or \"200-399\", found {}",
            found(value)
        )),
    }
}

fn body_max(value: &DeValue<'_>) -> Result<usize, String> {
    let bytes = value::bytes(value)?;
    if (1..=BODY_BYTES_MAX).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("expected 1KiB to 1MiB, found {}", found(value)))
}
