//! What is sent in a datagram, and what may come back.

use toml::de::DeValue;

use super::{
    Section, found,
    keys::{By, Key, Table, Without::Means, Word},
    pattern::{self, Pattern, PatternKeys},
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

pub(super) static TABLE: Table =
    Table::new("udp", &[&[&SEND, &SEND_HEX, &pattern::CONTAINS, &pattern::MATCHES, &SILENCE]]);

static SEND: Key<By<Vec<u8>>> = Key::new(
    "send",
    By { read: |it| bounded(it, value::text(it)?.into_bytes()), types: &["string"] },
    Means("nothing: an empty datagram"),
    "a text, at most 1200 bytes",
);

static SEND_HEX: Key<By<Vec<u8>>> = Key::new(
    "send-hex",
    By { read: |it| bounded(it, hex(it)?), types: &["string"] },
    Means("none"),
    "instead: bytes, as pairs of digits: `\"00 ff\"`",
);

static SILENCE: Key<Word<bool>> = Key::new(
    "silence",
    Word(&[("pass", true), ("fail", false)]),
    Means("`\"pass\"`; `\"fail\"` where an answer is expected"),
    "what no answer within `timeout` means. With `\"pass\"` such a probe takes the whole time-out",
);

/// The keys of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct UdpKeys {
    send: Option<Vec<u8>>,
    silence_passes: Option<bool>,
}

impl UdpKeys {
    /// Reads those of `section` over these.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        let send = section.key(&SEND);
        let hex = section.key(&SEND_HEX);
        if section.has(SEND.name) && section.has(SEND_HEX.name) {
            section.note_at(SEND_HEX.name, "goes without send: remove one");
        }
        Self {
            send: send.or(hex).or(self.send),
            silence_passes: section.key(&SILENCE).or(self.silence_passes),
        }
    }

    pub(super) fn note_contradictions(&self, expect: &PatternKeys, section: &Section<'_>) {
        if self.silence_passes == Some(true) && expect.is_some() {
            let message = "an answer is expected, so silence cannot pass: remove one";
            section.note_at(SILENCE.name, message);
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
