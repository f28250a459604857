//! `backend` and `[embedded]`: whose IPVS is driven, and how weir's own behaves.

use std::time::Duration;

use weir_embedded::Sysctls;

use super::{
    keys::{Flag, Key, Nested, Number, Shape, Span, Table, Without::Is, Word},
    reader::Section,
};

/// Whose IPVS is driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The kernel's.
    Kernel,
    /// weir's own, which forwards in this process.
    Embedded(Embedded),
}

/// `[embedded]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Embedded {
    /// How long connections may take to finish when weir stops.
    pub(crate) drain: Duration,
    /// Those that the file names, and the kernel's defaults.
    pub(crate) sysctls: Sysctls,
}

/// An hour: whoever stops weir is still there.
const DRAIN_MAX: Duration = Duration::from_secs(60 * 60);

pub(super) static BACKEND: Key<Word<bool>> = Key::new(
    "backend",
    Word(&[("kernel", false), ("embedded", true)]),
    Is(false),
    "whose IPVS is driven: the kernel's, or weir's own, which forwards in this process, see \
     [embedded.md](embedded.md)",
);

pub(super) static EMBEDDED: Nested = Nested {
    name: "embedded",
    table: &TABLE,
    shape: Shape::One,
    default: "",
    meaning: "settings of weir's own",
};

static TABLE: Table = Table::new(
    "embedded",
    &[&[&DRAIN, &CONN_REUSE_MODE, &EXPIRE_NODEST_CONN, &EXPIRE_QUIESCENT_TEMPLATE]],
);

static DRAIN: Key<Span> = Key::new(
    "drain",
    Span(Duration::ZERO..=DRAIN_MAX),
    Is(Duration::from_secs(10)),
    "how long connections may take to finish when weir stops",
);

static CONN_REUSE_MODE: Key<Number> = Key::new(
    "conn-reuse-mode",
    Number(0..=3),
    Is(1),
    "when a client's port that is used again is scheduled anew: 0 never; 1 after `TIME_WAIT` and \
     `CLOSE`; 2, 3 after an unanswered `FIN_WAIT` too",
);

static EXPIRE_NODEST_CONN: Key<Flag> = Key::new(
    "expire-nodest-conn",
    Flag,
    Is(false),
    "connections of a real server that is deleted end at once",
);

static EXPIRE_QUIESCENT_TEMPLATE: Key<Flag> =
    Key::new("expire-quiescent-template", Flag, Is(false), "a weight of 0 ends persistence too");

impl Default for Embedded {
    fn default() -> Self {
        Self { drain: DRAIN.usual(), sysctls: Sysctls::default() }
    }
}

/// Both keys.
pub(super) fn read(top: &mut Section<'_>) -> Backend {
    let is_embedded = top.key_or_usual(&BACKEND);
    let embedded = top.section(EMBEDDED.name).map(section);
    if embedded.is_some() && !is_embedded {
        top.note_at(EMBEDDED.name, "is for backend = \"embedded\" only; add it, or remove this");
    }
    if is_embedded { Backend::Embedded(embedded.unwrap_or_default()) } else { Backend::Kernel }
}

fn section(mut section: Section<'_>) -> Embedded {
    let sysctls = Sysctls {
        conn_reuse_mode: section.key_or_usual(&CONN_REUSE_MODE),
        expire_nodest_conn: section.key_or_usual(&EXPIRE_NODEST_CONN),
        expire_quiescent_template: section.key_or_usual(&EXPIRE_QUIESCENT_TEMPLATE),
        ..Sysctls::default()
    };
    let embedded = Embedded { drain: section.key_or_usual(&DRAIN), sysctls };
    section.finish_as(&TABLE);
    embedded
}
