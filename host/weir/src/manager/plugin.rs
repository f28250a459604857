//! One plugin: running, waiting to be tried again, or given up.
//!
//! Knows what a failure leads to, and how other code takes the place of its own; when plugins
//! are called is said in [`super::calls`], [`super::weighers`] and [`super::guards`].

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use weir_ipvs::ServiceKey;
use weir_wasm::{
    Birth, Entries, Event, HttpAnswer, Judgement, OwnedService, PolicyGrant, Review, Subscription,
    View, Weighed, Weighing, World,
};

use super::{
    Now,
    policy::{Guest, Policy, Starter},
    statements::Said,
    weighers::Weighings,
};
use crate::{
    config::{self, Fallback, Grant, Mode, Rate},
    health::Checker,
};

/// Weighs a service; an error is a report for people.
pub(crate) type Weigh = Box<dyn Fn(&Weighing) -> Result<Weighed, String>>;

/// Judges a change, with what a grant shows; an error is a report for people.
pub(crate) type Judge = Rc<dyn Fn(PolicyGrant, Review, View) -> Result<Judgement, String>>;

/// What a plugin does when it is called, in each of the roles that it plays.
#[derive(Default)]
pub(crate) struct Code {
    pub(crate) policy: Option<Starter>,
    pub(crate) weigher: Option<Weigh>,
    pub(crate) guard: Option<Judge>,
    pub(crate) checker: Option<Checker>,
    /// Whether the policy may own services.
    pub(crate) is_controller: bool,
}

impl Code {
    /// That of a policy, and no more.
    pub(crate) fn of_policy(
        start: impl FnMut(PolicyGrant, Birth, View) -> Result<(Box<dyn Guest>, Subscription), String>
        + 'static,
    ) -> Self {
        Self { policy: Some(Box::new(start)), ..Self::default() }
    }

    /// Its roles.
    pub(super) fn worlds(&self) -> Vec<World> {
        let roles = [
            (self.policy.is_some() && !self.is_controller, World::Policy),
            (self.policy.is_some() && self.is_controller, World::Controller),
            (self.weigher.is_some(), World::Weigher),
            (self.guard.is_some(), World::Guard),
            (self.checker.is_some(), World::Checker),
        ];
        roles.into_iter().filter(|it| it.0).map(|it| it.1).collect()
    }
}

/// A plugin that fails this often ..
const FAILURES_MAX: usize = 5;

/// .. within this time is given up.
const FAILURES_WITHIN: Duration = Duration::from_secs(600);

/// How long code that took the place of other is on probation: if it fails, the other comes
/// back ..
const PROBATION: Duration = Duration::from_secs(60);

/// .. or so many calls, if they come sooner.
const PROBATION_CALLS: u32 = 20;

const DELAY_MIN: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Plugin {
    pub(super) name: String,
    pub(super) grant: Grant,
    /// How often it weighs, if it is a weigher.
    pub(super) every: Duration,
    /// What becomes of what it says.
    pub(super) mode: Mode,
    /// What becomes of its services when it was given up.
    pub(super) fallback: Fallback,
    /// What it weighed before.
    pub(super) weighings: Weighings,
    /// How much it may still say, by `grant.changes`.
    pub(super) credit: Credit,
    /// Its requests by HTTP that are not answered yet.
    pub(super) calls_under_way: usize,
    /// Answers that came while nobody was there to hear them.
    pub(super) answers: Vec<HttpAnswer>,
    code: Code,
    /// Code that is to take its place.
    next: Option<Code>,
    probation: Option<Probation>,
    state: State,
    /// When it failed, no longer ago than [`FAILURES_WITHIN`].
    failures: VecDeque<Duration>,
}

/// What a plugin had done until other code took the place of its own.
pub(super) struct Past {
    /// What it had said.
    pub(super) said: Said,
    /// What it remembered.
    pub(super) entries: Arc<Entries>,
    /// What it owned.
    pub(super) owned: Arc<BTreeMap<ServiceKey, OwnedService>>,
}

/// Code that was replaced, until the new one has proved itself.
struct Probation {
    code: Code,
    past: Past,
    until: Duration,
    calls: u32,
}

/// A rate that is kept, with what of it was not used.
#[derive(Debug)]
pub(super) struct Credit {
    rate: Option<Rate>,
    /// In thousandths.
    left: u64,
    at: Duration,
}

impl Credit {
    fn new(rate: Option<Rate>) -> Self {
        let left = rate.map_or(0, |it| u64::from(it.burst) * 1000);
        Self { rate, left, at: Duration::ZERO }
    }

    /// How often it may happen now; none = there is no limit.
    pub(super) fn left(&mut self, now: Duration) -> Option<u32> {
        let rate = self.rate?;
        let elapsed = now.saturating_sub(mem::replace(&mut self.at, now)).as_millis();
        let earned = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let earned = earned.saturating_mul(rate.per_second.into());
        self.left = self.left.saturating_add(earned).min(u64::from(rate.burst) * 1000);
        Some(u32::try_from(self.left / 1000).unwrap_or(u32::MAX))
    }

    /// It happened.
    pub(super) fn spend(&mut self) {
        self.left = self.left.saturating_sub(1000);
    }
}

enum State {
    /// Its mode says so.
    Off,
    /// `policy` is its instance, if that is one of its roles; weighers and guards have none
    /// between calls.
    Running {
        granted: Box<PolicyGrant>,
        policy: Option<Policy>,
    },
    Waiting {
        until: Duration,
        birth: Birth,
    },
    Quarantined,
}

/// What a failure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// A new instance after this time.
    Restart(Duration),
    /// None: it failed too often.
    Quarantine,
    /// The code that it replaced, at once.
    Return,
}

impl Plugin {
    /// A plugin that is to be started at once.
    pub(super) fn new(config: &config::Plugin, code: Code) -> Self {
        Self {
            name: config.name.clone(),
            grant: config.grant.clone(),
            every: config.every,
            mode: config.mode,
            fallback: config.fallback,
            weighings: Weighings::default(),
            credit: Credit::new(config.grant.changes),
            calls_under_way: 0,
            answers: Vec::new(),
            code,
            next: None,
            probation: None,
            state: State::Waiting { until: Duration::ZERO, birth: Birth::Fresh },
            failures: VecDeque::new(),
        }
    }

    /// The same with other code, which does not run; but a guard judges, for that changes
    /// nothing.
    pub(super) fn double(&self, code: Code) -> Self {
        let code = Code { guard: self.code.guard.clone(), ..code };
        let state = match &self.state {
            State::Quarantined => State::Quarantined,
            State::Running { granted, .. } if code.guard.is_some() => {
                State::Running { granted: granted.clone(), policy: None }
            }
            _ => State::Off,
        };
        Self {
            name: self.name.clone(),
            grant: self.grant.clone(),
            every: self.every,
            mode: self.mode,
            fallback: self.fallback,
            weighings: Weighings::default(),
            credit: Credit::new(self.grant.changes),
            calls_under_way: 0,
            answers: Vec::new(),
            code,
            next: None,
            probation: None,
            state,
            failures: VecDeque::new(),
        }
    }

    /// Its roles.
    pub(super) fn worlds(&self) -> Vec<World> {
        self.code.worlds()
    }

    /// Whether it is a guard, running or not.
    pub(super) fn is_guard(&self) -> bool {
        self.code.guard.is_some()
    }

    /// Whether it is a weigher, running or not.
    pub(super) fn is_weigher(&self) -> bool {
        self.code.weigher.is_some()
    }

    /// When it wants to be started.
    pub(super) fn start_at(&self) -> Option<Duration> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// When something is due though nothing happens: to start, to weigh, stats, or the end of
    /// probation.
    pub(super) fn next(&self) -> Option<Duration> {
        let due = match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Running { policy, .. } => {
                let stats = policy.as_ref().and_then(Policy::stats_due);
                stats.into_iter().chain(self.weighings.next()).min()
            }
            State::Quarantined | State::Off => None,
        };
        due.into_iter().chain(self.probation.as_ref().map(|it| it.until)).min()
    }

    /// Where it stands, in a word, and until when if that is known.
    pub(super) fn standing(&self) -> (&'static str, Option<Duration>) {
        match &self.state {
            State::Off => ("off", None),
            State::Running { .. } if self.probation.is_some() => {
                ("probation", self.probation.as_ref().map(|it| it.until))
            }
            State::Running { .. } => ("running", None),
            State::Waiting { until, .. } => ("waiting", Some(*until)),
            State::Quarantined => ("quarantined", None),
        }
    }

    /// How often it failed lately.
    pub(super) fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Has it called or not, and from now on by this mode.
    pub(super) fn turn(&mut self, mode: Mode) {
        self.mode = mode;
        match (&self.state, mode) {
            (_, Mode::Off) => self.state = State::Off,
            (State::Off, _) => {
                self.state = State::Waiting { until: Duration::ZERO, birth: Birth::Fresh };
            }
            _ => {}
        }
    }

    /// Has `code` take the place of its own when it starts next, which is at once.
    pub(super) fn replace(&mut self, code: Code) {
        self.next = Some(code);
    }

    /// Whether other code is to take its place.
    pub(super) fn is_to_be_replaced(&self) -> bool {
        self.next.is_some() && !matches!(self.state, State::Off)
    }

    /// Starts the code that is to take the place of its own. Fails if it does not start, and
    /// what was there goes on.
    pub(super) fn start_next(
        &mut self,
        now: Now,
        granted: PolicyGrant,
        view: View,
        past: Past,
    ) -> Result<(), String> {
        let Some(mut code) = self.next.take() else { return Ok(()) };
        let birth = Birth::Recovery("its file was replaced".to_owned());
        let policy = instance(&mut code, &granted, birth, view)?;
        let was_running = matches!(self.state, State::Running { .. });
        let old = mem::replace(&mut self.code, code);
        if !self.is_weigher() {
            self.weighings = Weighings::default();
        }
        self.state = State::Running { granted: Box::new(granted), policy };
        self.failures.clear();
        // What failed too often is nothing to come back to.
        self.probation = was_running.then(|| Probation {
            code: old,
            past,
            until: now.monotonic.saturating_add(PROBATION),
            calls: PROBATION_CALLS,
        });
        Ok(())
    }

    /// A call succeeded.
    pub(super) fn succeeded(&mut self) {
        let Some(probation) = &mut self.probation else { return };
        probation.calls -= 1;
        if probation.calls == 0 {
            self.probation = None;
        }
    }

    /// Ends probation if its time is over, for not every plugin is called.
    pub(super) fn end_probation(&mut self, now: Now) {
        if !self.is_on_probation(now) {
            self.probation = None;
        }
    }

    /// Whether its code gives way to the one before if it fails.
    pub(super) fn is_on_probation(&self, now: Now) -> bool {
        self.probation.as_ref().is_some_and(|it| now.monotonic < it.until)
    }

    /// The code that was replaced comes back, and what it had done is to be again.
    pub(super) fn come_back(&mut self, why: &str) -> Option<Past> {
        let Probation { code, past, .. } = self.probation.take()?;
        self.code = code;
        self.renew(why);
        Some(past)
    }

    /// Whether it was given up.
    pub(super) fn is_quarantined(&self) -> bool {
        matches!(self.state, State::Quarantined)
    }

    /// What it was granted, if it runs.
    pub(super) fn granted(&self) -> Option<&PolicyGrant> {
        match &self.state {
            State::Running { granted, .. } => Some(granted),
            _ => None,
        }
    }

    /// Its instance, if it is a policy and runs, and what that was granted.
    pub(super) fn policy(&mut self) -> Option<(&mut Policy, &PolicyGrant)> {
        match &mut self.state {
            State::Running { granted, policy: Some(policy) } => Some((policy, granted)),
            _ => None,
        }
    }

    /// The same, to look at.
    pub(super) fn running_policy(&self) -> Option<&Policy> {
        match &self.state {
            State::Running { policy, .. } => policy.as_ref(),
            _ => None,
        }
    }

    /// The function that weighs, if it is a weigher and runs.
    pub(super) fn weigher(&self) -> Option<&Weigh> {
        self.code.weigher.as_ref().filter(|_| matches!(self.state, State::Running { .. }))
    }

    /// What checks servers, if it is a checker and runs.
    pub(super) fn checker(&self) -> Option<&Checker> {
        self.code.checker.as_ref().filter(|_| matches!(self.state, State::Running { .. }))
    }

    /// What it says of a change, if it is a guard and runs.
    pub(super) fn judge(&self, review: Review, view: View) -> Option<Result<Judgement, String>> {
        match (&self.code.guard, &self.state) {
            (Some(judge), State::Running { granted, .. }) => {
                Some(judge((**granted).clone(), review, view))
            }
            _ => None,
        }
    }

    /// Makes it run: a policy gets an instance.
    pub(super) fn start(&mut self, granted: PolicyGrant, view: View) -> Result<(), String> {
        let State::Waiting { birth, .. } = &self.state else { return Ok(()) };
        let birth = birth.clone();
        let at_ns = view.wall_ns;
        let mut policy = instance(&mut self.code, &granted, birth, view)?;
        if let Some(policy) = &mut policy {
            for answer in mem::take(&mut self.answers) {
                policy.queue(&granted, at_ns, Event::Answered(answer));
            }
        }
        self.state = State::Running { granted: Box::new(granted), policy };
        Ok(())
    }

    /// Drops the instance, which failed, and plans what comes next.
    pub(super) fn fail(&mut self, now: Now, why: &str) -> Remedy {
        if self.is_on_probation(now) {
            return Remedy::Return;
        }
        self.probation = None;
        self.failures.push_back(now.monotonic);
        let recent = now.monotonic.saturating_sub(FAILURES_WITHIN);
        self.failures.retain(|it| *it >= recent);
        if self.failures.len() >= FAILURES_MAX {
            self.state = State::Quarantined;
            return Remedy::Quarantine;
        }
        let doubled = u32::try_from(self.failures.len() - 1).unwrap_or(u32::MAX);
        let delay = DELAY_MIN.saturating_mul(2_u32.saturating_pow(doubled)).min(DELAY_MAX);
        self.state = State::Waiting {
            until: now.monotonic.saturating_add(delay),
            birth: Birth::Recovery(why.to_owned()),
        };
        Remedy::Restart(delay)
    }

    /// Drops the instance to make another, at once.
    pub(super) fn renew(&mut self, why: &str) {
        self.state =
            State::Waiting { until: Duration::ZERO, birth: Birth::Recovery(why.to_owned()) };
    }
}

/// An instance, if it is a policy; weighers and guards have none.
fn instance(
    code: &mut Code,
    granted: &PolicyGrant,
    birth: Birth,
    view: View,
) -> Result<Option<Policy>, String> {
    let Some(start) = &mut code.policy else { return Ok(None) };
    let at_ns = view.wall_ns;
    let (guest, subscription) = start(granted.clone(), birth, view)?;
    Ok(Some(Policy::new(guest, subscription, at_ns)))
}
