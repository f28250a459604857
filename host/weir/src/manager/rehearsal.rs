//! What another configuration would change, before it is taken over.
//!
//! A second manager, of the same state and with plugins that say nothing more, takes it over
//! and decides, and guards judge; what it would write is noted and not written. So it is the same
//! code that plans and that acts, and a plan is as true as the table it was made from.

use std::{collections::BTreeSet, mem, time::Duration};

use weir_ipvs::{Change, Ipvs, RealServerKey, diff::diff};

use super::{
    Code, Manager, Now, Output, Plugin,
    reconcile::takes,
    reload::{Refusal, Reload},
};
use crate::{
    config::{Config, Difference},
    formula::Says,
    plan::{Role, Server, WAITS},
    report::Line,
    store::Records,
};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rehearsal {
    /// Why it would not be taken over; the rest is then what would follow if it was confirmed.
    pub(crate) refusal: Option<Refusal>,
    /// In what it differs from the configuration that runs.
    pub(crate) differences: Vec<Difference>,
    /// What would be written, in this order.
    pub(crate) steps: Vec<Step>,
    /// What would be told beside that.
    pub(crate) news: Vec<Line>,
}

/// One write.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) change: Change,
    /// The weight before; none = a service, or a real server that is not there.
    pub(crate) before: Option<u32>,
    /// Why; empty for services.
    pub(crate) reason: String,
    /// What comes later.
    pub(crate) then: Option<String>,
}

impl Manager {
    /// What taking over `config` would change of the table as it is now. Fails if that
    /// cannot be read.
    pub(crate) fn rehearse(
        &self,
        now: Now,
        config: &Config,
        ipvs: &mut dyn Ipvs,
    ) -> Result<Rehearsal, weir_ipvs::Error> {
        let mut double = self.double();
        let snapshot = double.read_all(now, ipvs)?;
        let mut reload = |is_confirmed| {
            let codes = config.plugins.iter().map(|_| mute()).collect();
            let (config, replaced) = (config.clone(), BTreeSet::new());
            double.reload(now, Reload { config, codes, replaced, is_confirmed })
        };
        let (refusal, differences) = match reload(false) {
            Ok(differences) => (None, differences),
            Err(refusal) => (Some(refusal), reload(true).unwrap_or_default()),
        };
        if refusal.as_ref().is_some_and(|it| !it.can_be_confirmed()) {
            return Ok(Rehearsal { refusal, ..Rehearsal::default() });
        }
        double.output.clear();
        double.claim_all(now, snapshot);
        Ok(Rehearsal { refusal, differences, ..double.rehearse_writes(now) })
    }

    /// What starting with `config`, and with the records that an earlier run left, would change
    /// of the table as it is now. Fails if that cannot be read.
    pub(crate) fn rehearse_start(
        now: Now,
        config: Config,
        records: Records,
        ipvs: &mut dyn Ipvs,
    ) -> Result<Rehearsal, weir_ipvs::Error> {
        let codes: Vec<Code> = config.plugins.iter().map(|_| mute()).collect();
        let mut double = Self::new(config, codes);
        double.recall(records, None);
        let snapshot = double.read_all(now, ipvs)?;
        double.take_up_owned(now);
        double.doubt_departures();
        double.claim_all(now, snapshot);
        double.note_scaled();
        double.probe_itself();
        double.doubt_on(now);
        Ok(double.rehearse_writes(now))
    }

    /// A manager of the same state, whose plugins do not run, but for guards.
    fn double(&self) -> Self {
        let mut claims = self.claims.clone();
        // What waits because something was written just before is to be seen, too. But a drain
        // that is under way ends by itself, and its end is no part of a plan.
        for server in claims.values_mut().flat_map(|it| it.servers.values_mut()) {
            let drains = server.is_ordered_out() || server.role == Role::Leaving;
            server.written_at = drains.then_some(Duration::MAX);
        }
        let mut double = Self {
            claims,
            plugins: self.plugins.iter().map(|it| Plugin::double(it, mute())).collect(),
            statements: self.statements.clone(),
            owned: self.owned.clone(),
            freezes: self.freezes.clone(),
            orders: self.orders.clone(),
            is_started: self.is_started,
            look: self.look,
            world: self.world.clone(),
            next_watch: self.next_watch,
            checked: self.checked,
            ..Self::new(self.config.clone(), [])
        };
        double.memory.modes = self.memory.modes.clone();
        double
    }

    /// Decides, and notes what would be written.
    fn rehearse_writes(mut self, now: Now) -> Rehearsal {
        self.decide(now);
        self.ask_guards(now);
        let news = self.take_lines();
        let (actual, desired) = self.plans();
        let (last, first): (Vec<_>, Vec<_>) =
            diff(&actual, &desired).into_iter().partition(|it| takes(&actual, it));
        let mut steps = Vec::new();
        for change in first.into_iter().chain(last) {
            let before = server_of(&change).and_then(|key| {
                actual.get(&key.service)?.servers.get(&key.server).map(|it| it.weight)
            });
            let then = server_of(&change).and_then(|it| self.server(&it)).and_then(later);
            self.written(now, &actual, &change);
            let told = self.take_lines();
            let reason = told.last().and_then(|it| it.field("reason")).unwrap_or_default();
            let reason = reason.to_owned();
            steps.push(Step { change, before, reason, then });
        }
        let globals = self.global_changes().into_iter().map(|change| {
            let reason = "stated by the configuration".to_owned();
            Step { change, before: None, reason, then: None }
        });
        steps.extend(globals);
        Rehearsal { steps, news, ..Rehearsal::default() }
    }

    /// What was told since; checks to begin and end are nobody's here.
    fn take_lines(&mut self) -> Vec<Line> {
        let output = mem::take(&mut self.output).into_iter();
        let line = |it| if let Output::Log(line) = it { Some(line) } else { None };
        output.filter_map(line).filter(|it| it.event() != "gone").collect()
    }
}

/// A plugin that does not run.
fn mute() -> Code {
    Code::of_policy(|_, _, _| Err("this is a rehearsal".to_owned()))
}

/// What becomes of a real server once it is written so.
fn later(server: &Server) -> Option<String> {
    if server.role == Role::Leaving && server.decision.weight == Some(0) {
        let words = server.decision.words.iter();
        let until = words.filter(|it| it.says == Says::Zero).find_map(|it| it.until);
        let left = until?.saturating_sub(server.leaving_since).as_secs();
        return Some(format!(
            "removed when its connections are over, after {left} s at the latest"
        ));
    }
    let waits = server.decision.words.iter().any(|it| it.reason == WAITS);
    (waits && server.base > 0).then(|| format!("gets weight {} once it passes", server.base))
}

/// The real server that a change is about.
fn server_of(change: &Change) -> Option<RealServerKey> {
    match change {
        Change::AddServer(service, it) | Change::EditServer(service, it) => {
            Some(RealServerKey { service: *service, server: it.endpoint })
        }
        Change::DeleteServer(key) => Some(*key),
        _ => None,
    }
}
