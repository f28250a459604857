//! What is asked by DNS, and which answers pass.

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};
use toml::de::DeValue;

use super::{Section, found, value};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DnsCheck {
    /// The name that is asked for.
    pub(crate) name: Name,
    /// Which of its records.
    pub(crate) record: RecordType,
    /// How the answer is to be.
    pub(crate) rcode: ResponseCode,
    /// One of these is to be in it, as text; empty = whatever there is.
    pub(crate) answers: Vec<String>,
}

const RCODES: [(&str, ResponseCode); 6] = [
    ("noerror", ResponseCode::NoError),
    ("formerr", ResponseCode::FormErr),
    ("servfail", ResponseCode::ServFail),
    ("nxdomain", ResponseCode::NXDomain),
    ("notimp", ResponseCode::NotImp),
    ("refused", ResponseCode::Refused),
];

pub(super) const KEYS: &[&str] = &["query", "record", "rcode", "answer"];

/// The keys of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct DnsKeys {
    name: Option<Name>,
    record: Option<RecordType>,
    rcode: Option<ResponseCode>,
    answers: Option<Vec<String>>,
}

impl DnsKeys {
    /// Reads those of `section` over these.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        Self {
            name: section.get("query", name).or(self.name),
            record: section.get("record", record).or(self.record),
            rcode: section.get("rcode", |it| value::word(it, &RCODES)).or(self.rcode),
            answers: section.get("answer", answers).or(self.answers),
        }
    }

    pub(super) fn note_contradictions(&self, section: &Section<'_>) {
        if self.name.is_none() && !section.has("query") {
            section.note_here("`query` is missing: add query = \"www.example.com\"");
        }
    }

    pub(super) fn finish(&self) -> DnsCheck {
        DnsCheck {
            // Where it is missing, that is a mistake, and nothing is asked.
            name: self.name.clone().unwrap_or_default(),
            record: self.record.unwrap_or(RecordType::A),
            rcode: self.rcode.unwrap_or(ResponseCode::NoError),
            answers: self.answers.clone().unwrap_or_default(),
        }
    }
}

fn name(value: &DeValue<'_>) -> Result<Name, String> {
    let mut name: Name = value::text(value)?.parse().map_err(|_| {
        format!("expected a name such as \"www.example.com\", found {}", found(value))
    })?;
    // Nothing is appended to it.
    name.set_fqdn(true);
    Ok(name)
}

fn record(value: &DeValue<'_>) -> Result<RecordType, String> {
    value::text(value)?.to_ascii_uppercase().parse().map_err(|_| {
        format!("expected a type of record such as \"A\" or \"MX\", found {}", found(value))
    })
}

fn answers(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match value {
        DeValue::Array(_) => value::list(value, value::text),
        one => Ok(vec![value::text(one)?]),
    }
}
