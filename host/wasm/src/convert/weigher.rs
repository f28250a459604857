//! What weighers alone have: services to be weighed, and their scales.

use crate::{
    Candidate, Weighed, Weighing, bindings::weighing, clock::nanoseconds,
    convert::policy::milliseconds, host::labels::listed,
};

/// What a weigher with these settings is called with.
pub(crate) fn weighing_input(it: &Weighing, settings: String, utc_offset: i32) -> weighing::Input {
    weighing::Input {
        service: (&it.service).into(),
        name: it.name.clone(),
        labels: listed(&it.labels),
        settings,
        at: it.at_ns,
        utc_offset,
        period: milliseconds(it.period),
        candidates: it.candidates.iter().map(Into::into).collect(),
        memo: it.memo.clone(),
    }
}

impl From<&Candidate> for weighing::Candidate {
    fn from(candidate: &Candidate) -> Self {
        Self {
            server: (&candidate.server).into(),
            labels: listed(&candidate.labels),
            base: candidate.base,
            unweighed: candidate.unweighed,
            health: candidate.health.into(),
            latency: candidate.latency.map(nanoseconds),
            delta: candidate.delta.into(),
        }
    }
}

impl From<weighing::Output> for Weighed {
    fn from(output: weighing::Output) -> Self {
        Self { scales: output.scales, memo: output.memo }
    }
}
