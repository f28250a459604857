//! `weir:host/http`: what a controller asks of others, staged until its handler returns ok.
//!
//! Grant: `http` and `secrets`. Where a name leads is looked at when it is asked, by whoever does.

use std::time::Duration;

use http::{HeaderName, HeaderValue, header};

use crate::{
    HeaderText, HttpCall,
    bindings::{http as interface, http_messages as messages},
    http::{method_of, uri_of},
    limits::{HTTP_BODY_BYTES, HTTP_CALLS, HTTP_TAG_BYTES, HTTP_TIMEOUT},
    state::PolicyState,
};

/// Headers that are the connection's own.
const RESERVED: [HeaderName; 6] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

impl interface::Host for PolicyState {
    fn send(
        &mut self,
        request: messages::Request,
    ) -> wasmtime::Result<Result<(), messages::Error>> {
        Ok(self.call(request).map(|call| self.calls.push(call)))
    }
}

impl PolicyState {
    /// The call that `request` asks for, if the grant allows it.
    fn call(&self, request: messages::Request) -> Result<HttpCall, messages::Error> {
        let invalid = messages::Error::Invalid;
        if !self.handling {
            return Err(invalid("requests are made in handle, not in init".to_owned()));
        }
        if request.tag.len() > HTTP_TAG_BYTES {
            return Err(invalid(format!("the tag is longer than {HTTP_TAG_BYTES} bytes")));
        }
        if request.body.len() > HTTP_BODY_BYTES {
            return Err(invalid(format!("the body is longer than {HTTP_BODY_BYTES} bytes")));
        }
        let method = method_of(&request.method).map_err(invalid)?;
        let uri = uri_of(&request.url).map_err(invalid)?;
        let rule = self.grant.http.iter().find(|it| it.allows(&method, &uri));
        let rule = rule.ok_or_else(|| {
            let asked = format!("{method} {}", request.url);
            messages::Error::Denied(format!("{asked} is outside the plugin's grant.http"))
        })?;
        let headers = request.headers.into_iter().map(|(name, value)| self.header(&name, value));
        let headers = headers.collect::<Result<_, _>>()?;
        if self.view.calls_under_way + self.calls.len() >= HTTP_CALLS {
            return Err(messages::Error::Busy(u32::try_from(HTTP_CALLS).unwrap_or(u32::MAX)));
        }
        let timeout = Duration::from_millis(request.timeout);
        Ok(HttpCall {
            tag: request.tag,
            method,
            uri,
            headers,
            body: request.body,
            timeout: timeout.clamp(*HTTP_TIMEOUT.start(), *HTTP_TIMEOUT.end()),
            goes_anywhere: rule.names_address(),
        })
    }

    fn header(
        &self,
        name: &str,
        value: messages::HeaderValue,
    ) -> Result<(String, HeaderText), messages::Error> {
        let invalid = |what: &str| messages::Error::Invalid(format!("header {name}: {what}"));
        let known: HeaderName = name.parse().map_err(|_| invalid("it is no name of a header"))?;
        if RESERVED.contains(&known) {
            return Err(invalid("it is the host's own to say"));
        }
        let is_text = |text: &str| HeaderValue::from_str(text).is_ok();
        let text = match value {
            messages::HeaderValue::Plain(text) if is_text(&text) => HeaderText::Plain(text),
            messages::HeaderValue::Secret(secret) if is_text(&secret.prefix) => {
                let file = self.grant.secrets.get(&secret.name).ok_or_else(|| {
                    let named = &secret.name;
                    messages::Error::Denied(format!(
                        "secret {named} is not in the plugin's grant.secrets"
                    ))
                })?;
                HeaderText::Secret(secret.prefix, file.clone())
            }
            _ => return Err(invalid("its value is none of a header")),
        };
        Ok((known.as_str().to_owned(), text))
    }
}
