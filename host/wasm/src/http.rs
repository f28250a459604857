//! What controllers ask of others by HTTP, and what they may: plain data. Asking is the host's.

use std::{net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use http::{Method, Uri, uri::Scheme};

/// What the operator lets a plugin ask: one entry of `grant.http`, such as
/// `GET https://registry.example:8500/v1/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRule {
    /// None = any; and so of the place.
    method: Option<Method>,
    place: Option<Place>,
    /// What is asked for has to be this, or lie beneath.
    path: String,
}

/// A host and a port of it, in the clear or by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    scheme: Scheme,
    /// In small letters.
    host: String,
    port: u16,
}

impl Place {
    /// Fails with what is wrong with `uri`, for people.
    fn of(uri: &Uri) -> Result<Self, String> {
        let scheme = uri.scheme().ok_or("it begins with neither http:// nor https://")?;
        let usual = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            other => return Err(format!("it is of the scheme {other}, not http or https")),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("names and passwords go into headers, as secrets".to_owned());
        }
        if authority.host().is_empty() {
            return Err("it names no host".to_owned());
        }
        let port = authority.port_u16().unwrap_or(usual);
        Ok(Self { scheme: scheme.clone(), host: authority.host().to_ascii_lowercase(), port })
    }
}

impl HttpRule {
    /// Everything, for trials in which nobody is asked.
    pub fn anything() -> Self {
        Self { method: None, place: None, path: String::new() }
    }

    /// Whether it allows this request.
    pub(crate) fn allows(&self, method: &Method, uri: &Uri) -> bool {
        let is_beneath = uri.path().strip_prefix(&self.path).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        });
        let is_there = |place: &Place| self.place.as_ref().is_none_or(|it| it == place);
        self.method.as_ref().is_none_or(|it| it == method)
            && is_beneath
            && Place::of(uri).is_ok_and(|it| is_there(&it))
    }

    /// Whether the operator wrote an address, so that it is known where that leads.
    pub(crate) fn names_address(&self) -> bool {
        let host = self.place.as_ref().map(|it| it.host.trim_matches(['[', ']']));
        host.is_some_and(|it| it.parse::<IpAddr>().is_ok())
    }
}

impl FromStr for HttpRule {
    type Err = String;

    /// `GET https://registry.example:8500/v1/`; an error is for people.
    fn from_str(text: &str) -> Result<Self, String> {
        let (method, uri) = text
            .split_once(' ')
            .ok_or("expected a method and an address, such as GET https://registry.example/v1/")?;
        let method = method_of(method)?;
        let uri = uri_of(uri.trim())?;
        let place = Place::of(&uri)?;
        if uri.query().is_some() {
            return Err("it has a query, and any is allowed: leave it out".to_owned());
        }
        Ok(Self { method: Some(method), place: Some(place), path: uri.path().to_owned() })
    }
}

/// A method of HTTP in capital letters; an error is for people.
pub(crate) fn method_of(text: &str) -> Result<Method, String> {
    let known = Method::from_bytes(text.as_bytes()).ok();
    known
        .filter(|it| *it != Method::CONNECT && !text.bytes().any(|it| it.is_ascii_lowercase()))
        .ok_or_else(|| format!("\"{text}\" is no method such as GET"))
}

/// An address of HTTP without tricks; an error is for people.
pub(crate) fn uri_of(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("\"{text}\" is no address: {error}"))?;
    // Servers make of these another path than the one that was allowed.
    let is_trick = |segment: &str| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".").replace("%3b", ";");
        // Some take away what follows a `;` first: parameters of the segment.
        let name = plain.split(';').next().unwrap_or_default();
        name == "." || name == ".." || plain.contains("%2f") || plain.contains("%5c")
    };
    if uri.path().split('/').any(is_trick) || uri.path().contains('\\') {
        return Err(format!("\"{text}\" has a segment that leads elsewhere"));
    }
    Ok(uri)
}

/// A question that a controller's grant allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// What the answer is told with.
    pub tag: String,
    /// The method.
    pub method: Method,
    /// Absolute, of scheme `http` or `https`.
    pub uri: Uri,
    /// Name and value.
    pub headers: Vec<(String, HeaderText)>,
    /// Empty = none.
    pub body: Vec<u8>,
    /// All that it may take.
    pub timeout: Duration,
    /// Whether it may go wherever its host is; otherwise not to this machine or its links.
    pub goes_anywhere: bool,
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderText {
    /// As is.
    Plain(String),
    /// What stands before a secret, and the file that this is in.
    Secret(String, PathBuf),
}

/// What became of an [`HttpCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// As the call said.
    pub tag: String,
    /// Any status is ok.
    pub outcome: Result<HttpReply, HttpFailure>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// 100 to 999.
    pub status: u16,
    /// Name in small letters, and value.
    pub headers: Vec<(String, Vec<u8>)>,
    /// At most [`HTTP_REPLY_BYTES`](crate::HTTP_REPLY_BYTES).
    pub body: Vec<u8>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFailure {
    /// The grant does not allow it, once it is known where it leads; names the key that would.
    Denied(String),
    /// Its time is over.
    Timeout,
    /// The body is longer than [`HTTP_REPLY_BYTES`](crate::HTTP_REPLY_BYTES).
    TooLarge,
    /// It came to nothing: why, for people.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, method: &str, uri: &str) -> bool {
        let rule: HttpRule = rule.parse().unwrap();
        uri_of(uri).is_ok_and(|uri| rule.allows(&method_of(method).unwrap(), &uri))
    }

    #[test]
    fn a_rule_allows_what_lies_beneath_it() {
        let rule = "GET https://Registry.example/v1/web";
        for (method, uri, expected) in [
            ("GET", "https://registry.example/v1/web", true),
            ("GET", "https://registry.example:443/v1/web/up?passing=1", true),
            ("GET", "https://REGISTRY.example/v1/web?x=/", true),
            ("GET", "https://registry.example/v1/website", false),
            ("GET", "https://registry.example/v1/web/../admin", false),
            ("GET", "https://registry.example/v1/web/%2e%2E/admin", false),
            ("GET", "https://registry.example/v1/web/..%2fadmin", false),
            ("GET", "https://registry.example/v1/web/..;/admin", false),
            ("GET", "https://registry.example/v1/web/.%2e%3bx/admin", false),
            ("GET", "https://registry.example/v1/web/up;passing", true),
            ("GET", "https://registry.example:8443/v1/web", false),
            ("GET", "http://registry.example/v1/web", false),
            ("GET", "https://registry.example.evil/v1/web", false),
            ("GET", "https://user@registry.example/v1/web", false),
            ("POST", "https://registry.example/v1/web", false),
            ("GET", "/v1/web", false),
            ("GET", "ftp://registry.example/v1/web", false),
        ] {
            assert_eq!(allows(rule, method, uri), expected, "{method} {uri}");
        }
        assert!(allows("GET http://10.0.0.1:8500/", "GET", "http://10.0.0.1:8500/v1/x"));
    }

    #[test]
    fn rules_say_what_is_wrong_with_them() {
        for (text, expected) in [
            ("https://a.example/", "expected a method"),
            ("get https://a.example/", "\"get\" is no method"),
            ("CONNECT https://a.example/", "\"CONNECT\" is no method"),
            ("GET a.example", "neither http://"),
            ("GET ftp://a.example/", "scheme ftp"),
            ("GET https://u:p@a.example/", "as secrets"),
            ("GET https://a.example/?x", "has a query"),
            ("GET https://a.example/../x", "leads elsewhere"),
        ] {
            let error = text.parse::<HttpRule>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_in_a_rule_is_told_from_a_name() {
        for (text, expected) in [
            ("GET http://127.0.0.1:1/", true),
            ("GET http://[::1]:1/", true),
            ("GET http://localhost/", false),
        ] {
            assert_eq!(text.parse::<HttpRule>().unwrap().names_address(), expected, "{text}");
        }
    }
}
