//! What is asked by HTTP, and which answers pass.

use std::{collections::BTreeSet, ops::RangeInclusive};

use hyper::header::{HeaderName, HeaderValue};
use toml::de::DeValue;

use super::{
    Section, found,
    keys::{
        By, Key, Percent, Size, Table,
        Without::{Is, Means},
        Word,
    },
    pattern::{self, Pattern, PatternKeys},
    tls::Tls,
    value::{self, Wrong},
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
    pub(crate) expect_headers: Vec<WantedHeader>,
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
    pub(crate) header: Option<WantedHeader>,
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

/// Headers that follow from other keys, or that are the connection's own.
const RESERVED: [&str; 7] =
    ["host", "connection", "content-length", "transfer-encoding", "upgrade", "keep-alive", "te"];

pub(super) static TABLE: Table = Table::new(
    "http",
    &[&[
        &VERSION,
        &METHOD,
        &PATH,
        &HOST,
        &HEADERS,
        &EXPECT,
        &EXPECT_HEADER,
        &pattern::CONTAINS,
        &pattern::MATCHES,
        &BODY_MAX,
    ]],
);

/// Of answers that pass, but not as well as others.
pub(super) static DEGRADED_TABLE: Table =
    Table::new("degraded", &[&[&DEGRADED, &DEGRADED_HEADER, &DEGRADED_WEIGHT, &AGENT_HEADER]]);

static VERSION: Key<Word<HttpVersion>> = Key::new(
    "http-version",
    Word(&[("1.1", HttpVersion::One), ("2", HttpVersion::Two), ("any", HttpVersion::Any)]),
    Means("`\"1.1\"`; for https `\"any\"`"),
    "`\"2\"` in the clear is by prior knowledge; `\"any\"` is what the server chooses when it \
     shakes hands (ALPN), which takes https",
);

static METHOD: Key<By<String>> = Key::new(
    "method",
    By { read: method, types: &["string"] },
    Means("`\"GET\"`"),
    "capital letters, at most 32",
);

static PATH: Key<By<String>> = Key::new(
    "path",
    By { read: path, types: &["string"] },
    Means("`\"/\"`"),
    "what is asked for, with the query if any, percent-encoded",
);

/// Of gRPC, too.
pub(super) static HOST: Key<By<String>> = Key::new(
    "host",
    By { read: host, types: &["string"] },
    Means("the address that is probed"),
    "the `Host` header, or `:authority`, with a port if there is to be one",
);

static HEADERS: Key<By<Vec<(String, String)>, Wrong>> = Key::new(
    "headers",
    By { read: headers, types: &["object"] },
    Means("none but `User-Agent: weir/VERSION`"),
    "a table of further headers to send",
);

static EXPECT: Key<By<BTreeSet<u16>, Wrong>> = Key::new(
    "expect",
    By { read: statuses, types: &["string", "integer", "array"] },
    Means("`\"200-299\"`"),
    "statuses that pass: `\"200-299,301\"`, `204`, `[204, \"301-302\"]`",
);

static EXPECT_HEADER: Key<By<Vec<WantedHeader>, Wrong>> = Key::new(
    "expect-header",
    By { read: wanted_headers, types: &["string", "array"] },
    Means("none"),
    "a header that must be there, `\"x-ready\"`, or one of this value, `\"x-ready: yes\"`; or an \
     array of such",
);

static BODY_MAX: Key<Size> = Key::new(
    "body-max",
    Size(1 << 10..=1 << 20),
    Is(64 << 10),
    "so much of the body is read and looked at, however long it is",
);

static DEGRADED: Key<By<BTreeSet<u16>, Wrong>> = Key::new(
    "degraded",
    By { read: statuses, types: &["string", "integer", "array"] },
    Means("none"),
    "statuses that say so, written as `expect` is; they need not be in it",
);

static DEGRADED_HEADER: Key<By<WantedHeader>> = Key::new(
    "degraded-header",
    By { read: wanted_header, types: &["string"] },
    Means("none"),
    "a header that says so: `\"x-load\"`, or of one value, `\"x-load: high\"`",
);

static DEGRADED_WEIGHT: Key<Percent> =
    Key::new("degraded-weight", Percent(1..=99), Is(50), "what they leave of the weight");

static AGENT_HEADER: Key<By<String>> = Key::new(
    "agent-header",
    By { read: header_name, types: &["string"] },
    Means("none"),
    "a header in which the line of an [agent](#agents) comes with every answer, whatever its \
     status",
);

/// A header by its name, and the value that it must have, if one.
type WantedHeader = (String, Option<String>);

/// The keys of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct HttpKeys {
    version: Option<HttpVersion>,
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    headers: Option<Vec<(String, String)>>,
    expect: Option<BTreeSet<u16>>,
    expect_headers: Option<Vec<WantedHeader>>,
    body_max: Option<usize>,
    degraded: Option<BTreeSet<u16>>,
    degraded_header: Option<WantedHeader>,
    degraded_percent: Option<u32>,
    agent_header: Option<String>,
}

impl HttpKeys {
    /// Reads those of `section` over these.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        Self {
            version: section.key(&VERSION).or(self.version),
            method: section.key(&METHOD).or(self.method),
            path: section.key(&PATH).or(self.path),
            host: section.key(&HOST).or(self.host),
            headers: section.key(&HEADERS).or(self.headers),
            expect: section.key(&EXPECT).or(self.expect),
            expect_headers: section.key(&EXPECT_HEADER).or(self.expect_headers),
            body_max: section.key(&BODY_MAX).or(self.body_max),
            degraded: section.key(&DEGRADED).or(self.degraded),
            degraded_header: section.key(&DEGRADED_HEADER).or(self.degraded_header),
            degraded_percent: section.key(&DEGRADED_WEIGHT).or(self.degraded_percent),
            agent_header: section.key(&AGENT_HEADER).or(self.agent_header),
        }
    }

    pub(super) fn note_contradictions(
        &self,
        is_tls: bool,
        pattern: &PatternKeys,
        section: &Section<'_>,
    ) {
        if self.version == Some(HttpVersion::Any) && !is_tls && section.has(VERSION.name) {
            section.note_at(
                VERSION.name,
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
            percent: self.degraded_percent.unwrap_or(DEGRADED_WEIGHT.usual()),
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
            body_max: self.body_max.unwrap_or(BODY_MAX.usual()),
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
fn headers(value: &DeValue<'_>) -> Result<Vec<(String, String)>, Wrong> {
    let Some(table) = value.as_table() else {
        let expected = "expected a table such as { x-probe = \"weir\" }";
        return Err(format!("{expected}, found {}", found(value)).into());
    };
    value::all(
        table.iter().map(|(name, it)| (name.span().start, header(name.get_ref(), it.get_ref()))),
    )
}

fn header(name: &str, value: &DeValue<'_>) -> Result<(String, String), String> {
    let text = value::text(value).map_err(|message| format!("{name}: {message}"))?;
    check_header(name, Some(&text))?;
    if RESERVED.iter().any(|it| it.eq_ignore_ascii_case(name)) {
        return Err(format!("{name} is weir's own to send: remove it (for host, set host)"));
    }
    Ok((name.to_owned(), text))
}

/// `"x-ready"`, `"x-ready: yes"`, or several of these.
fn wanted_headers(value: &DeValue<'_>) -> Result<Vec<WantedHeader>, Wrong> {
    match value {
        DeValue::Array(_) => value::list(value, wanted_header),
        one => Ok(vec![wanted_header(one)?]),
    }
}

fn wanted_header(value: &DeValue<'_>) -> Result<WantedHeader, String> {
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
fn statuses(value: &DeValue<'_>) -> Result<BTreeSet<u16>, Wrong> {
    let ranges = match value {
        DeValue::Array(_) => value::list(value, status_range)?,
        DeValue::String(text) => {
            text.split(',').map(|it| range(it.trim(), value)).collect::<Result<_, _>>()?
        }
        one => vec![status_range(one)?],
    };
    if ranges.is_empty() {
        return Err("expected at least one status: no answer would pass".to_owned().into());
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
