//! Whether the director reaches what it must: while it does not, its checks are not to be
//! believed, and no weight changes.

use std::{sync::Arc, time::Duration};

use weir_wasm::{HealthStatus, Latency};

use super::{GRACE, Manager, Now, Output};
use crate::{
    config::SelfProbe,
    formula::Word,
    health::{AgentSays, Ask, Place, State, Subject, Target, Verdict},
    report::Line,
    safety::order::Freeze,
};

/// What follows while one is down.
const PASSES: &str = "checks are followed a round after it passes";

/// Those of the configuration, in its order.
#[derive(Debug, Default)]
pub(super) struct SelfProbes(Vec<Watched>);

#[derive(Debug)]
struct Watched {
    probe: SelfProbe,
    watch: u64,
    state: State,
    since: Duration,
    detail: String,
}

impl SelfProbes {
    /// Why checks are not to be believed, and since when: the first that is down.
    fn failing(&self) -> Option<(String, Duration)> {
        let down = self.0.iter().find(|it| it.state.status() == HealthStatus::Down)?;
        let SelfProbe { address, check } = &down.probe;
        let reason = format!("{} does not reach {}: {}", check.kind, address.ip(), down.detail);
        Some((format!("the self-probe {reason}"), down.since))
    }
}

impl Manager {
    /// Begins to probe what the configuration says.
    pub(super) fn probe_itself(&mut self) {
        for probe in self.config.self_probes.clone() {
            self.next_watch += 1;
            let place = Place { address: probe.address, source: None, mark: None };
            self.output.push_back(Output::Watch(Target {
                subject: Subject::Director,
                watch: self.next_watch,
                asks: vec![Ask { check: Arc::clone(&probe.check), place }],
                needed: 1,
                said: AgentSays::default(),
                latency: Latency::default(),
            }));
            self.self_probes.0.push(Watched {
                probe,
                watch: self.next_watch,
                state: State::Unknown,
                since: Duration::ZERO,
                detail: String::new(),
            });
        }
    }

    /// Goes on doubting where an earlier run did: until every self-probe passes, or as long as it
    /// was to be. Whether or not it did, nothing changes until they have answered, for that doubt
    /// may be over before.
    pub(super) fn doubt_on(&mut self, now: Now) {
        // Its time may have come while weir did not run.
        self.thaw_when_due(now);
        if self.self_probes.0.is_empty() {
            self.believe(now);
        } else {
            let (since, until) = (now.monotonic, Some(now.monotonic.saturating_add(GRACE)));
            let reason = "self-probes have not answered yet".to_owned();
            self.freezes.awaited = Some(Freeze { who: Word::WEIR, reason, since, until });
        }
        let Some(doubt) = &self.freezes.doubt else { return };
        let then = match doubt.until {
            Some(until) => {
                let left = until.saturating_sub(now.monotonic).as_secs();
                format!("checks are followed in {left} s")
            }
            None => PASSES.to_owned(),
        };
        let line = Line::error("frozen").with("reason", &doubt.reason).with("then", then);
        self.log(line);
    }

    /// Probes what another configuration says, if that is something else than `before`. What
    /// is known of the one before counts no more.
    pub(super) fn probe_itself_anew(&mut self, now: Now, before: &[SelfProbe]) {
        if self.config.self_probes == before {
            return;
        }
        let ended = std::mem::take(&mut self.self_probes).0;
        self.output.extend(ended.into_iter().map(|it| Output::Unwatch(it.watch)));
        self.probe_itself();
        self.end_awaiting();
        self.believe(now);
    }

    /// A self-probe changed its mind.
    pub(super) fn hear_of_itself(&mut self, now: Now, verdict: &Verdict) {
        let mut probes = self.self_probes.0.iter_mut();
        let Some(it) = probes.find(|it| it.watch == verdict.watch) else { return };
        let before = it.state;
        (it.state, it.detail) = (verdict.state, verdict.detail.clone());
        if before.status() == verdict.state.status() {
            return;
        }
        it.since = now.monotonic;
        let line = Line::info("self-probe").with("address", it.probe.address.ip());
        let line = line.with("before", before).with("after", verdict.state);
        self.log(line.with("reason", &verdict.detail));
        if self.self_probes.0.iter().all(|it| it.state != State::Unknown) {
            self.end_awaiting();
        }
        match self.self_probes.failing() {
            Some((reason, since)) => self.disbelieve(reason, since),
            None => self.believe(now),
        }
    }

    fn end_awaiting(&mut self) {
        if self.freezes.awaited.take().is_some() {
            self.undecided.extend(self.claims.keys());
        }
    }

    /// Freezes everything until every self-probe passes.
    fn disbelieve(&mut self, reason: String, since: Duration) {
        let doubt = self.freezes.doubt.as_ref();
        if doubt.is_some_and(|it| it.until.is_none()) {
            return;
        }
        self.log(Line::error("frozen").with("reason", &reason).with("then", PASSES));
        self.freezes.doubt = Some(Freeze { who: Word::WEIR, reason, since, until: None });
        self.undecided.extend(self.claims.keys());
    }

    /// Every self-probe passes: after one more round of checks, what they say counts.
    fn believe(&mut self, now: Now) {
        let round = self.detection();
        let Some(doubt) = &mut self.freezes.doubt else { return };
        if doubt.until.is_none() {
            doubt.until = Some(now.monotonic.saturating_add(round));
        }
        // What ceased to pass meanwhile is no reason to doubt any more.
        self.doubt.clear();
    }
}
