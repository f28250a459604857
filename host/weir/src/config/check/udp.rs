//! What is sent in a datagram, and what may come back.

use toml::de::DeValue;

use super::{
    Section, found,
    pattern::{Pattern, PatternKeys},
    value,
};

/// A datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UdpCheck {
    /// What is in it.
    pub(crate) send: Vec<u8>,
    /// What must be in the answer.
    pub(crate) expect: Option<Pattern>,
    /// Whether no answer at all passes.
    pub(crate) silence_passes: bool,
}

/// Fits into a datagram on every network.
const SEND_BYTES: usize = 1200;

pub(super) const KEYS: &[&str] = &["send", "send-hex", "silence"];

/// The keys of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct UdpKeys {
    send: Option<Vec<u8>>,
    silence_passes: Option<bool>,
}

impl UdpKeys {
    /// Reads those of `section` over these.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        let send = section.get("send", |it| bounded(it, value::text(it)?.into_bytes()));
        let hex = section.get("send-hex", |it| bounded(it, hex(it)?));
        if section.has("send") && section.has("send-hex") {
            section.note_at("send-hex", "goes without send: remove one");
        }
        let words = [("pass", true), ("fail", false)];
        Self {
            send: send.or(hex).or(self.send),
            silence_passes: section
                .get("silence", |it| value::word(it, &words))
                .or(self.silence_passes),
        }
    }

    pub(super) fn note_contradictions(&self, expect: &PatternKeys, section: &Section<'_>) {
        if self.silence_passes == Some(true) && expect.is_some() {
            let message = "an answer is expected, so silence cannot pass: remove one";
            section.note_at("silence", message);
        }
    }

    pub(super) fn finish(&self, expect: Option<Pattern>) -> UdpCheck {
        let silence_passes = self.silence_passes.unwrap_or(true) && expect.is_none();
        UdpCheck { send: self.send.clone().unwrap_or_default(), expect, silence_passes }
    }
}

fn bounded(value: &DeValue<'_>, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if bytes.len() <= SEND_BYTES {
        return Ok(bytes);
    }
    Err(format!("expected at most {SEND_BYTES} bytes, found {}", found(value)))
}

/// `"0a ff"`, with or without spaces.
fn hex(value: &DeValue<'_>) -> Result<Vec<u8>, String> {
    let text: Vec<u8> = value::text(value)?.bytes().filter(|it| *it != b' ').collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok().filter(|it| it.len() == 2)?;
        u8::from_str_radix(pair, 16).ok().filter(|_| !pair.starts_with('+'))
    };
    let bytes: Option<Vec<u8>> = text.chunks(2).map(byte).collect();
    bytes.ok_or_else(|| {
        format!("expected pairs of digits such as \"0a ff\", found {}", found(value))
    })
}
