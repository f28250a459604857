//! `backend` and `[embedded]`: whose IPVS is driven, and how weir's own behaves.

use std::time::Duration;

use toml::de::DeValue;
use weir_embedded::Sysctls;

use super::{
    reader::{Section, found},
    value,
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

impl Default for Embedded {
    fn default() -> Self {
        Self { drain: Duration::from_secs(10), sysctls: Sysctls::default() }
    }
}

/// Both keys.
pub(super) fn read(top: &mut Section<'_>) -> Backend {
    let words = [("kernel", false), ("embedded", true)];
    let is_embedded = top.get("backend", |it| value::word(it, &words)).unwrap_or(false);
    let embedded = top.section("embedded").map(section);
    if embedded.is_some() && !is_embedded {
        top.note_at("embedded", "is for backend = \"embedded\" only; add it, or remove this");
    }
    if is_embedded { Backend::Embedded(embedded.unwrap_or_default()) } else { Backend::Kernel }
}

fn section(mut section: Section<'_>) -> Embedded {
    let mut embedded = Embedded::default();
    if let Some(drain) =
        section.get("drain", |it| value::duration(it, &(Duration::ZERO..=DRAIN_MAX)))
    {
        embedded.drain = drain;
    }
    let sysctls = &mut embedded.sysctls;
    if let Some(mode) = section.get("conn-reuse-mode", |it| value::number(it, 0..=3)) {
        sysctls.conn_reuse_mode = mode;
    }
    if let Some(expire) = section.get("expire-nodest-conn", boolean) {
        sysctls.expire_nodest_conn = expire;
    }
    if let Some(expire) = section.get("expire-quiescent-template", boolean) {
        sysctls.expire_quiescent_template = expire;
    }
    section.finish();
    embedded
}

fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("expected true or false, found {}", found(value)))
}
