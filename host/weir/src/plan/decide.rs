//! What the weight of each real server of a service is to be: what others say of it, what
//! weir itself has to say, and the formula over both.
//!
//! Safety is seen from the whole service, so this is where it is decided who waits, who
//! ramps, who is held, and when the sorry server serves. Deciding again at the same time
//! changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_ipvs::{Endpoint, RealServerKey, ServiceKey};

use super::{Claim, Origin, Role, Server, Tolerated};
use crate::{
    config::Checks,
    formula::{self, Says, Steering, Terms, Word},
    health::{Evidence, State},
    report::Line,
    safety::{
        order::{Freeze, Order},
        panic::{Mode, Strength, Turn},
        ramp::Curve,
    },
};

/// Weights of one real server are written no more often than this, except to 0.
const WRITE_GAP: Duration = Duration::from_secs(1);

/// The same where a write moves clients ([`Steering::Rarely`]).
const WRITE_GAP_RARELY: Duration = Duration::from_secs(60);

/// How long a real server that was not asked yet may be live. All begin to be asked in less.
const ASKED_WITHIN: Duration = Duration::from_secs(10);

/// Why a real server that weir adds has no weight at first.
pub(crate) const WAITS: &str = "waits for its first pass";

/// What a weight was decided from, and what it is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The base weight.
    pub(crate) base: u32,
    /// The weight that this is by itself; where it is frozen, that of when it froze.
    pub(crate) whole: u32,
    /// All that is said of the real server.
    pub(crate) words: Vec<Word>,
    /// What the formula makes of it; none = it is not to be in the table.
    pub(crate) goal: Option<u32>,
    /// What is to be written now: the goal, or what is there until it may be written.
    pub(crate) weight: Option<u32>,
}

impl Decision {
    /// The weight that it would be if `plugin` said nothing, and nothing were held up; 0 where
    /// the real server does not belong into the table.
    pub(crate) fn without(&self, terms: &Terms, plugin: &str) -> u32 {
        let counts =
            |it: &&Word| it.who != plugin && !matches!(it.says, Says::Held(_) | Says::Frozen(_));
        let words: Vec<Word> = self.words.iter().filter(counts).cloned().collect();
        formula::weight(terms, self.base, &words).unwrap_or(0)
    }
}

/// What else a decision depends on.
pub(crate) struct Surroundings<'a> {
    /// The time.
    pub(crate) now: Duration,
    /// Whose service it is, for people.
    pub(crate) service: ServiceKey,
    /// How long a UDP connection lives after its last packet.
    pub(crate) udp_timeout: Duration,
    /// What operators ordered.
    pub(crate) orders: &'a BTreeMap<RealServerKey, Order>,
    /// Why nothing changes, if it is so.
    pub(crate) frozen: Option<&'a Freeze>,
    /// The plugin that was given up, if weir is to drain what is down in its place.
    pub(crate) stood_in_for: Option<&'a str>,
}

/// What came of deciding.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// When to decide again though nothing happens.
    pub(crate) again_at: Option<Duration>,
    /// What people should know.
    pub(crate) news: Vec<Line>,
    /// Whose drain, which an operator ordered, is over.
    pub(crate) drained: Vec<Endpoint>,
}

impl Claim {
    /// Decides every weight anew, with what is `said` of each real server by others.
    pub(crate) fn decide(
        &mut self,
        around: &Surroundings<'_>,
        said: impl Fn(&Endpoint) -> Vec<Word>,
    ) -> Outcome {
        let now = around.now;
        let mut alarm = Alarm { at: None, now };
        let mut news = Vec::new();
        let is_settled = self.wait(around, said, &mut alarm);
        self.heed_checks(&mut alarm);
        if let Some(plugin) = around.stood_in_for {
            self.drain_down(plugin);
        }
        self.hold_flapping(&mut alarm);
        news.extend(self.turn_panic(around, &mut alarm));
        if is_settled {
            news.extend(self.turn_quorum(around, &mut alarm));
        }
        news.extend(self.warn(around));
        let curve = self.curve();
        if self.is_sorry_serving() {
            self.stand_in();
        } else {
            self.stand_down();
            self.lift();
            self.ramp(curve.as_ref(), &mut alarm);
            self.hold_in_panic();
        }
        self.remove_down(around, &mut alarm);
        let drained = self.end_drains(around, &mut alarm);
        for server in self.servers.values_mut() {
            // What never served, in a table that was empty when weir began, is nothing to freeze.
            let begins = server.origin == Origin::New { ramps: false };
            server.know(is_settled);
            if let Some(freeze) = around.frozen.filter(|_| !begins) {
                let says = Says::Frozen(server.weight);
                server.say_as(freeze.who, says, &freeze.reason, freeze.since, freeze.until);
                if server.weight == Some(0) {
                    // What comes back meanwhile serves from the thaw on, and ramps then.
                    (server.serves, server.ramp_since) = (false, None);
                }
            }
        }
        self.apply(&self.terms(), &mut alarm);
        Outcome { again_at: alarm.at, news, drained }
    }

    /// What its weights have in common.
    pub(crate) fn terms(&self) -> Terms {
        let bases: Vec<u32> = self.real().map(|it| it.base).collect();
        // What an operator sets in the table is not multiplied.
        let is_stated = self.real().all(|it| it.owns_base);
        let is_measured = self.check.as_ref().is_some_and(Checks::steers);
        let steers = is_stated && (self.curve().is_some() || self.is_scaled || is_measured);
        Terms::new(Steering::of(self.scheduler()), &bases, steers)
    }

    /// The same for one of its servers: what is not one of the real ones has none.
    pub(crate) fn terms_of(&self, server: &Server) -> Terms {
        if server.role == Role::Real { self.terms() } else { Terms::PLAIN }
    }

    pub(super) fn scheduler(&self) -> &str {
        self.stated.as_ref().or(self.seen.as_ref()).map_or("", |it| &it.scheduler)
    }

    /// None where weights between 0 and the base mean nothing.
    fn curve(&self) -> Option<Curve> {
        self.check.as_ref()?;
        let curve = self.rules.slow_start.curve(self.scheduler());
        curve.filter(|_| Steering::of(self.scheduler()) != Steering::Fixed)
    }

    /// Says once who speaks in vain to this scheduler.
    fn warn(&mut self, around: &Surroundings<'_>) -> Vec<Line> {
        let scheduler = self.scheduler();
        let is_fixed = Steering::of(scheduler) == Steering::Fixed;
        let mut vain = BTreeSet::new();
        if is_fixed {
            let words = self.servers.values().flat_map(|it| &it.decision.words);
            vain.extend(words.filter(|it| it.says.steers()).map(|it| it.who.as_str()));
        }
        let ramps = self.check.is_some() && self.rules.slow_start.curve(scheduler).is_some();
        if ramps && (is_fixed || scheduler == "nq") {
            vain.insert("slow-start");
        }
        vain.retain(|it| !self.spoke_in_vain.contains(*it));
        if vain.is_empty() {
            return Vec::new();
        }
        let why = match is_fixed {
            true => format!("{scheduler} looks at no weight but 0 and the base, or moves clients"),
            false => format!("{scheduler} sends to an idle real server first, whatever its weight"),
        };
        let vain: Vec<String> = vain.into_iter().map(str::to_owned).collect();
        self.spoke_in_vain.extend(vain.iter().cloned());
        let line = |who| Line::warn("no-effect").with("service", around.service).with("of", who);
        vain.into_iter().map(|who| line(who).with("reason", &why)).collect()
    }

    pub(super) fn real(&self) -> impl Iterator<Item = &Server> {
        self.servers.values().filter(|it| it.role == Role::Real)
    }

    pub(super) fn real_mut(&mut self) -> impl Iterator<Item = &mut Server> {
        self.servers.values_mut().filter(|it| it.role == Role::Real)
    }

    /// Whether the sorry server serves in the place of the others.
    pub(crate) fn is_sorry_serving(&self) -> bool {
        self.is_quorum_lost && self.servers.values().any(|it| it.role == Role::Sorry)
    }

    /// Base weights that are live, and all that count.
    pub(crate) fn strength(&self, now: Duration) -> Strength {
        self.strength_with(now, |_| false)
    }

    /// The same if those are live of which nothing is known and that `may_be_live`.
    fn strength_with(&self, now: Duration, may_be_live: impl Fn(&Server) -> bool) -> Strength {
        let mut strength = Strength { live: 0, all: 0 };
        for server in self.real() {
            let is_live = match server.is_live() {
                Some(is_live) => is_live,
                None if may_be_live(server) => true,
                // It was taken out by an earlier run, and nothing says yet that it is back.
                None if server.was_found_out() => false,
                None => continue,
            };
            strength.all += u64::from(server.base);
            if is_live && server.flaps.held_until(now).is_none() {
                strength.live += u64::from(server.base);
            }
        }
        strength
    }

    /// Begins the decision with what others say, and keeps what checks do not know yet as
    /// it was found, or without traffic. Says whether all is known, or should be by now:
    /// then what was found changes together, for it may be of another scale.
    fn wait(
        &mut self,
        around: &Surroundings<'_>,
        said: impl Fn(&Endpoint) -> Vec<Word>,
        alarm: &mut Alarm,
    ) -> bool {
        // Nobody waits for one that an operator has out of service.
        let is_awaited = |(server, it): (Endpoint, &Server)| {
            let key = RealServerKey { service: around.service, server };
            let was_serving = matches!(it.origin, Origin::Found(1..));
            was_serving && it.is_unknown() && !around.orders.contains_key(&key)
        };
        let is_settled = alarm.now >= self.settled_at || !self.real_by_endpoint().any(is_awaited);
        if !is_settled {
            alarm.set(Some(self.settled_at));
        }
        let has_weight = self.real().any(|it| it.weight > Some(0));
        for (endpoint, server) in &mut self.servers {
            server.decision.base = server.base;
            server.decision.words = said(endpoint);
            let key = RealServerKey { service: around.service, server: *endpoint };
            if let Some(order) = around.orders.get(&key) {
                server.obey(order);
            }
            server.wait(is_settled, has_weight);
        }
        is_settled
    }

    /// Drains what is down, for the plugin that should.
    fn drain_down(&mut self, plugin: &str) {
        for server in self.real_mut().filter(|it| it.is_down()) {
            let reason = format!("{}; {plugin} was given up", server.health.detail);
            server.say(Says::Drain, &reason, server.health.since, None);
        }
    }

    /// Keeps servers out that went down too often, unless the service needs them.
    fn hold_flapping(&mut self, alarm: &mut Alarm) {
        let strength = self.strength(alarm.now);
        let floor = self.rules.panic;
        if strength.live == 0 || (floor.mode != Mode::Off && strength.is_below(floor.percent)) {
            self.real_mut().filter(|it| it.is_up()).for_each(|it| it.flaps.release());
        }
        for server in self.real_mut() {
            let Some(until) = server.flaps.held_until(alarm.now) else { continue };
            alarm.set(Some(until));
            if server.is_up() {
                let trips = server.flaps.trips(alarm.now);
                let reason = format!("flapping: went down {trips} times");
                server.say(Says::Zero, &reason, server.health.since, Some(until));
            }
        }
    }

    /// Whether nothing that served is lost: what is down has no weight to lose. Then those that
    /// were not asked yet, for a moment, may make up for it.
    fn begins(&self, alarm: &mut Alarm) -> bool {
        let asked_by = self.real().filter_map(|it| it.asked_by(alarm.now)).min();
        alarm.set(asked_by);
        asked_by.is_some() && !self.real().any(|it| it.is_down() && it.weight > Some(0))
    }

    fn turn_panic(&mut self, around: &Surroundings<'_>, alarm: &mut Alarm) -> Option<Line> {
        let (strength, floor) = (self.strength(around.now), self.rules.panic);
        if self.panic.since().is_none() && self.begins(alarm) {
            let hoped = self.strength_with(around.now, |it| it.asked_by(around.now).is_some());
            if !hoped.is_below(floor.percent) {
                return None;
            }
        }
        let turn = self.panic.evaluate(around.now, &floor, strength);
        alarm.set(self.panic.due());
        let line = match turn? {
            Turn::Began => Line::error("panic"),
            Turn::Ended => Line::info("panic-over"),
        };
        let then = match (turn?, floor.mode) {
            (Turn::Ended, _) => "checks are followed again",
            (_, Mode::All) => "every real server gets its weight, but those that refuse",
            (_, Mode::Hold | Mode::Off) => "weights stay, but those of servers that refuse",
        };
        let line = line.with("service", around.service).with("live_percent", strength.percent());
        Some(line.with("floor_percent", floor.percent).with("then", then))
    }

    /// Base weight that is live, but for those that are `out`.
    fn live_but(&self, out: impl Fn(&Endpoint) -> bool) -> u64 {
        let live = self.real_by_endpoint().filter(|(_, it)| it.is_live() == Some(true));
        live.filter(|(endpoint, _)| !out(endpoint)).map(|(_, it)| u64::from(it.base)).sum()
    }

    fn all(&self) -> u64 {
        self.real().map(|it| u64::from(it.base)).sum()
    }

    /// Whether the sorry server would serve without this real server, and those that are `out`.
    pub(crate) fn would_be_sorry_without(
        &self,
        server: &Endpoint,
        out: impl Fn(&Endpoint) -> bool,
    ) -> bool {
        let is_live = self.servers.get(server).is_some_and(|it| it.is_live() == Some(true));
        let has_sorry = self.servers.values().any(|it| it.role == Role::Sorry);
        let left = self.live_but(|it| it == server || out(it));
        is_live && has_sorry && !self.is_quorum_lost && !self.quorum.holds(true, left, self.all())
    }

    fn turn_quorum(&mut self, around: &Surroundings<'_>, alarm: &mut Alarm) -> Option<Line> {
        let (live, all) = (self.live_but(|_| false), self.all());
        let holds = self.quorum.holds(!self.is_quorum_lost, live, all);
        if all == 0 || holds != self.is_quorum_lost {
            return None;
        }
        if !holds && self.real().all(|it| it.base == 0 || it.was_not_asked()) {
            return None;
        }
        if !holds && self.begins(alarm) {
            let unasked = self.real().filter(|it| it.asked_by(alarm.now).is_some());
            let unasked: u64 = unasked.map(|it| u64::from(it.base)).sum();
            if self.quorum.holds(true, live + unasked, all) {
                return None;
            }
        }
        self.is_quorum_lost = !holds;
        let sorry = self.servers.iter().find(|(_, it)| it.role == Role::Sorry);
        let then = match sorry {
            Some((endpoint, _)) if holds => format!("sorry server {endpoint} is taken out"),
            Some((endpoint, _)) => format!("sorry server {endpoint} serves"),
            None => "there is no sorry server".to_owned(),
        };
        let line = if holds { Line::info("quorum-gained") } else { Line::error("quorum-lost") };
        let line = line.with("service", around.service).with("live", live).with("all", all);
        Some(line.with("quorum", self.quorum.least).with("then", then))
    }

    /// The sorry server serves, and nothing else: what is live goes out of the table, so
    /// that persistent clients do not come back to it, and what is not has no weight; for its own
    /// reason, if it has one.
    fn stand_in(&mut self) {
        for server in self.real_mut() {
            (server.serves, server.ramp_since) = (false, None);
            let says = match server.is_live() {
                Some(true) => Says::Absent,
                _ if !server.is_eligible() => continue,
                _ => Says::Zero,
            };
            server.say(says, "no quorum: the sorry server serves", server.health.since, None);
        }
    }

    fn stand_down(&mut self) {
        for server in self.servers.values_mut().filter(|it| it.role == Role::Sorry) {
            server.say(Says::Absent, "there is a quorum", Duration::ZERO, None);
        }
    }

    /// Policies may take servers out, but not the last: while nothing else could serve,
    /// their drains of servers that are up are not followed.
    fn lift(&mut self) {
        if self.real().any(Server::is_eligible) {
            return;
        }
        let is_drained = |it: &Server| it.is_live() == Some(true) && it.is_drained_by_policies();
        let any_has_weight = self.real().any(|it| is_drained(it) && it.weight > Some(0));
        for server in self.real_mut().filter(|it| is_drained(it)) {
            if server.weight > Some(0) || !any_has_weight {
                let since = server.health.since;
                server.say(Says::Lifted, "nothing else could serve", since, None);
            }
        }
    }

    /// Begins, advances and ends slow starts. There are none in panic, and none where every
    /// server that serves ramps, the only one included, or begins to serve now.
    fn ramp(&mut self, curve: Option<&Curve>, alarm: &mut Alarm) {
        let was_served = self.real().any(|it| it.serves);
        for server in self.real_mut() {
            server.turn_ramp(alarm.now, curve);
        }
        let has_full = self.real().any(|it| it.serves && it.ramp_since.is_none());
        if self.panic.since().is_some() || !was_served || !has_full {
            self.real_mut().for_each(|it| it.ramp_since = None);
        }
        let Some(curve) = curve else { return };
        for server in self.real_mut() {
            let Some(since) = server.ramp_since else { continue };
            let elapsed = alarm.now.saturating_sub(since);
            let Some(part) = curve.at(elapsed) else { continue };
            alarm.set(Some(since.saturating_add(curve.next(elapsed))));
            let until = since.saturating_add(curve.window);
            server.say(Says::Ramp(part), "it came back", since, Some(until));
        }
    }

    /// Below the panic floor, servers that are down stay as they are, or get their weight
    /// back. Where evidence is hard, one may go while there is another to serve.
    fn hold_in_panic(&mut self) {
        let Some(since) = self.panic.since() else { return };
        let (mode, terms) = (self.rules.panic.mode, self.terms());
        let serves = |it: &Server| it.is_eligible() || it.is_worth_holding(mode);
        let serving: Vec<Endpoint> =
            self.real_by_endpoint().filter(|(_, it)| serves(it)).map(|(key, _)| key).collect();
        for (endpoint, server) in &mut self.servers {
            let has_other = serving.iter().any(|it| it != endpoint);
            let may_go = server.is_surely_down() && has_other;
            if server.role != Role::Real || !server.is_only_down() || may_go {
                continue;
            }
            let says = match (mode, server.weight) {
                (Mode::All, _) => Says::Lifted,
                (_, Some(weight @ 1..)) => {
                    Says::Held(server.in_proportion(weight, terms.whole(server.base)))
                }
                _ => continue,
            };
            server.say(says, "panic: too few are up", since, None);
        }
    }

    fn real_by_endpoint(&self) -> impl Iterator<Item = (Endpoint, &Server)> {
        let servers = self.servers.iter().map(|(endpoint, it)| (*endpoint, it));
        servers.filter(|(_, it)| it.role == Role::Real)
    }

    /// Computes the goals, and what of them may be written now.
    fn apply(&mut self, terms: &Terms, alarm: &mut Alarm) {
        for server in self.servers.values_mut() {
            let terms = if server.role == Role::Real { terms } else { &Terms::PLAIN };
            let decision = &mut server.decision;
            // What is frozen is still the part that it was of what was whole then.
            let is_frozen = decision.words.iter().any(|it| matches!(it.says, Says::Frozen(_)));
            let before = server.applied.as_ref().filter(|_| is_frozen).map(|it| it.whole);
            decision.whole = before.unwrap_or_else(|| terms.whole(decision.base));
            decision.goal = formula::weight(terms, decision.base, &decision.words);
            decision.weight = decision.goal;
            server.tolerated = server.tolerated.filter(|it| it.stands(decision.goal));
            if let Some(tolerated) = server.tolerated {
                decision.weight = Some(tolerated.weight);
                server.applied = Some(decision.clone());
                continue;
            }
            if server.seen.map(|it| it.weight) == decision.goal {
                server.weight = decision.goal;
                server.applied = Some(decision.clone());
            }
            if let Some((weight, free_at)) = server.paced(terms.steering, alarm.now) {
                server.decision.weight = Some(weight);
                alarm.set(Some(free_at));
            }
        }
        // Nobody waits for their turn while nothing serves.
        if !self.servers.values().any(|it| it.decision.weight > Some(0)) {
            let paced = self.servers.values_mut().filter(|it| it.tolerated.is_none());
            paced.for_each(|it| it.decision.weight = it.decision.goal);
        }
    }
}

impl Server {
    /// weir's own word on it.
    pub(super) fn say(
        &mut self,
        says: Says,
        reason: &str,
        since: Duration,
        until: Option<Duration>,
    ) {
        self.say_as(Word::WEIR, says, reason, since, until);
    }

    pub(super) fn say_as(
        &mut self,
        who: &str,
        says: Says,
        reason: &str,
        since: Duration,
        until: Option<Duration>,
    ) {
        let (who, reason) = (who.to_owned(), reason.to_owned());
        self.decision.words.push(Word { who, says, reason, since, until });
    }

    fn wait(&mut self, is_settled: bool, has_weight: bool) {
        let since = self.health.since;
        if self.is_given_up {
            self.say(Says::Absent, "someone else removed it", since, None);
        }
        match self.origin {
            Origin::Found(0) | Origin::New { .. } if !self.is_up() => {
                self.say(Says::Zero, WAITS, since, None);
            }
            Origin::Found(weight)
                if !is_settled
                    && !self.is_surely_down()
                    && !self.is_ordered_out()
                    && (weight > 0 || has_weight) =>
            {
                self.say(Says::Held(weight), "as found, until all are known", since, None);
            }
            _ => {}
        }
    }

    fn turn_ramp(&mut self, now: Duration, curve: Option<&Curve>) {
        let is_eligible = self.is_eligible();
        let ramps = matches!(self.origin, Origin::Known | Origin::New { ramps: true });
        if is_eligible && !self.serves && ramps {
            self.ramp_since = Some(now);
        }
        let is_over = |since| curve.is_none_or(|it| it.at(now.saturating_sub(since)).is_none());
        if !is_eligible || self.ramp_since.is_some_and(is_over) {
            self.ramp_since = None;
        }
        self.serves = is_eligible;
    }

    /// Once its checks know it, it is like any other; one that failed at once ramps when it
    /// comes up.
    fn know(&mut self, is_settled: bool) {
        self.origin = match self.origin {
            Origin::Found(0) | Origin::New { .. } if self.is_down() => Origin::New { ramps: true },
            Origin::Found(_) if self.is_surely_down() => Origin::Known,
            Origin::Found(_) if is_settled && !self.is_unknown() => Origin::Known,
            Origin::New { .. } if self.is_up() => Origin::Known,
            origin => origin,
        };
    }

    /// The weight it keeps, and until when, if it was written too recently for another.
    fn paced(&self, steering: Steering, now: Duration) -> Option<(u32, Duration)> {
        let (goal, seen) = (self.decision.goal?, self.seen?);
        // What someone else edited is put back at once.
        let is_written = self.wrote.as_ref().is_some_and(|it| it.after == Some(goal));
        if goal == 0 || goal == seen.weight || is_written {
            return None;
        }
        let is_rare = steering == Steering::Rarely && seen.weight > 0;
        let gap = if is_rare { WRITE_GAP_RARELY } else { WRITE_GAP };
        let free_at = self.written_at?.saturating_add(gap);
        (free_at > now).then_some((seen.weight, free_at))
    }

    /// Whether it counts as live; none = it does not count, for nothing is known of it, or
    /// it is not meant to serve.
    fn is_live(&self) -> Option<bool> {
        match self.health.state {
            _ if !self.is_meant() => None,
            _ if self.agent.says.down.is_some() => Some(false),
            _ if self.watch.is_none() => Some(true),
            State::Unknown => matches!(self.origin, Origin::Found(1..)).then_some(true),
            State::Up | State::Suspect => Some(true),
            State::Down | State::Rising => Some(false),
        }
    }

    /// Whether nobody has it out of service, but for its checks.
    fn is_meant(&self) -> bool {
        let is_out = self.is_given_up || self.is_left_out() || self.is_ordered_out();
        self.base > 0 && !is_out && !self.agent.says.is_out_of_use()
    }

    /// Whether somebody else gave it weight 0, and that is left.
    pub(super) fn is_left_out(&self) -> bool {
        self.tolerated.as_ref().is_some_and(Tolerated::takes_out)
    }

    /// Whether it is meant to serve, and its checks have not said anything yet.
    fn was_not_asked(&self) -> bool {
        self.is_meant() && self.is_live().is_none()
    }

    /// The same where it was found without weight.
    fn was_found_out(&self) -> bool {
        self.was_not_asked() && self.origin == Origin::Found(0)
    }

    /// Until when its checks should say something, if they did not and may yet.
    fn asked_by(&self, now: Duration) -> Option<Duration> {
        let by = self.health.since.saturating_add(ASKED_WITHIN);
        (self.was_not_asked() && by > now).then_some(by)
    }

    fn is_unknown(&self) -> bool {
        let is_asked = self.health.state != State::Unknown;
        self.watch.is_some() && (!is_asked || (self.agent.is_awaited && self.passes()))
    }

    pub(crate) fn is_up(&self) -> bool {
        self.watch.is_none() || (self.passes() && !self.agent.is_awaited)
    }

    fn passes(&self) -> bool {
        matches!(self.health.state, State::Up | State::Suspect)
    }

    pub(crate) fn is_down(&self) -> bool {
        !self.is_up() && !self.is_unknown()
    }

    /// Whether clients get nothing from it either.
    fn is_surely_down(&self) -> bool {
        self.is_down() && self.health.evidence == Evidence::Hard
    }

    /// Whether its checks, which are not believed in panic, keep it out, and nobody else does.
    fn is_only_down(&self) -> bool {
        self.is_down() && self.is_meant() && self.agent.says.down.is_none()
    }

    pub(super) fn says(&self, matches: impl Fn(&Says) -> bool) -> bool {
        self.decision.words.iter().any(|it| matches(&it.says))
    }

    /// Whether nothing that was said so far keeps it out.
    pub(crate) fn is_eligible(&self) -> bool {
        let is_out = |it: &Says| matches!(it, Says::Zero | Says::Absent | Says::Held(0));
        let is_drained = self.says(|it| *it == Says::Drain) && !self.says(|it| *it == Says::Lifted);
        self.base > 0 && !self.is_left_out() && !self.says(is_out) && !is_drained
    }

    /// Whether it is eligible, or has weight for want of a better.
    pub(crate) fn may_serve(&self) -> bool {
        self.is_eligible() || self.says(|it| matches!(it, Says::Held(1..)))
    }

    fn is_drained_by_policies(&self) -> bool {
        let is_out = |it: &Says| matches!(it, Says::Zero | Says::Absent | Says::Held(_));
        self.base > 0 && self.says(|it| *it == Says::Drain) && !self.says(is_out)
    }

    /// The weight that it keeps, as a part of its whole weight, which may be another by now.
    fn in_proportion(&self, weight: u32, whole: u32) -> u32 {
        // A weight that was left beside a base of 0 is no part of anything.
        let before = self.applied.as_ref().map(|it| it.whole).filter(|it| *it > 0);
        let before = before.unwrap_or(whole).max(1);
        let weight = (u64::from(weight) * u64::from(whole)).div_ceil(u64::from(before));
        u32::try_from(weight).unwrap_or(whole)
    }

    /// Whether it may serve in panic though it is down: it may only be overloaded.
    fn is_worth_holding(&self, mode: Mode) -> bool {
        let would_serve = mode == Mode::All || self.weight > Some(0);
        self.is_only_down() && self.health.evidence == Evidence::Soft && would_serve
    }
}

/// When to decide again.
pub(super) struct Alarm {
    at: Option<Duration>,
    pub(super) now: Duration,
}

impl Alarm {
    pub(super) fn set(&mut self, at: Option<Duration>) {
        let later = at.filter(|it| *it > self.now);
        self.at = self.at.into_iter().chain(later).min();
    }
}
