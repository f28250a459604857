//! What is asked by DNS, and which answers pass.

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};
use toml::de::DeValue;

use super::{
    Section, found,
    keys::{
        By, Key, Table,
        Without::{Is, Means},
        Word,
    },
    value::{self, Wrong},
};

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

pub(super) static TABLE: Table = Table::new("dns", &[&[&QUERY, &RECORD, &RCODE, &ANSWER]]);

static QUERY: Key<By<Name>> = Key::new(
    "query",
    By { read: name, types: &["string"] },
    Means("required"),
    "the name that is asked for; nothing is appended to it",
);

static RECORD: Key<By<RecordType>> = Key::new(
    "record",
    By { read: record, types: &["string"] },
    Means("`\"A\"`"),
    "which of its records: `\"AAAA\"`, `\"MX\"`, `\"NS\"`, `\"SOA\"`, `\"TXT\"`, ..",
);

static RCODE: Key<Word<ResponseCode>> = Key::new(
    "rcode",
    Word(&[
        ("noerror", ResponseCode::NoError),
        ("formerr", ResponseCode::FormErr),
        ("servfail", ResponseCode::ServFail),
        ("nxdomain", ResponseCode::NXDomain),
        ("notimp", ResponseCode::NotImp),
        ("refused", ResponseCode::Refused),
    ]),
    Is(ResponseCode::NoError),
    "how the answer is to be",
);

static ANSWER: Key<By<Vec<String>, Wrong>> = Key::new(
    "answer",
    By { read: answers, types: &["string", "array"] },
    Means("whatever there is, be it nothing"),
    "a record that is to be in the answer, as text, or an array of which one is: `\"192.0.2.7\"`",
);

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
            name: section.key(&QUERY).or(self.name),
            record: section.key(&RECORD).or(self.record),
            rcode: section.key(&RCODE).or(self.rcode),
            answers: section.key(&ANSWER).or(self.answers),
        }
    }

    pub(super) fn note_contradictions(&self, section: &Section<'_>) {
        if self.name.is_none() && !section.has(QUERY.name) {
            section.note_here("`query` is missing: add query = \"www.example.com\"");
        }
    }

    pub(super) fn finish(&self) -> DnsCheck {
        DnsCheck {
            // Where it is missing, that is a mistake, and nothing is asked.
            name: self.name.clone().unwrap_or_default(),
            record: self.record.unwrap_or(RecordType::A),
            rcode: self.rcode.unwrap_or(RCODE.usual()),
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

fn answers(value: &DeValue<'_>) -> Result<Vec<String>, Wrong> {
    match value {
        DeValue::Array(_) => value::list(value, value::text),
        one => Ok(vec![value::text(one)?]),
    }
}
