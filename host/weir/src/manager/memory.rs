//! What of the manager's state survives it, as records that others keep.
//!
//! A restart must not lose what operators ordered, nor give a server that flaps its weight
//! back. Orders and freezes are kept before they take effect: an order that shows in the
//! table is one that a crash does not lose. What the manager would find again by itself, or
//! only does more cautiously without, is kept after it happened.
//!
//! What the configuration states of the kernel's table is kept, too: so what it states no
//! more when weir starts is known as ours, and leaves as with a reload.
//!
//! Times are those of the monotonic clock, which whoever runs the manager continues across
//! restarts: so neither a restart nor a clock that is set prolongs or ends anything.

mod records;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use weir_ipvs::{Endpoint, RealServerKey, Service, ServiceKey, TableEntry};
use weir_wasm::Entries;

use self::records::{ClaimRecord, FreezeRecord, OrderRecord, ServerRecord, from_ms, to_json};
use super::{
    Awaiting, Manager, Now, Output, entries, owned,
    replace::{self, Modes},
    view::first,
};
use crate::{
    config::{Backend, NamedService, Whose},
    formula::Word,
    plan::{self, Claim, Server},
    report::Line,
    safety::order::{Freeze, Order},
    store::{self, Changes, Records},
};

/// How long an order waits to be kept. Then it takes effect nevertheless: nobody should be
/// unable to drain a server because a disk hangs.
const PATIENCE: Duration = Duration::from_millis(500);

/// How soon it is tried again to keep what could not be kept.
const RETRY: Duration = Duration::from_secs(5);

/// The record of the director's doubt of itself.
const DOUBT: &str = "doubt";

/// What could not be done, where it is the keeping.
const KEEPING: &str = "keep what must survive a restart";

/// Changes for whoever keeps the records, to be committed together and in the order of their
/// numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keep {
    pub(crate) number: u64,
    pub(crate) changes: Changes,
}

/// What is kept, and what is about to be.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Whether somebody keeps it at all.
    is_kept: bool,
    /// The records as they are to be.
    records: Records,
    /// Of the last run, about real servers that were not seen yet.
    recalled: BTreeMap<RealServerKey, ServerRecord>,
    /// What the last run's configuration stated, until the table was looked at.
    stated: BTreeMap<ServiceKey, ClaimRecord>,
    /// Of these, what is not to leave though it is stated no more.
    given_up: BTreeMap<ServiceKey, ClaimRecord>,
    /// Services of which something may be other than recorded.
    pub(super) touched: BTreeSet<ServiceKey>,
    /// What policies remember, by their names.
    pub(super) entries: BTreeMap<String, Arc<Entries>>,
    /// Modes of plugins that operators ordered.
    pub(super) modes: Modes,
    /// What of both is to be kept with the next batch.
    pub(super) pending: Changes,
    /// The last batch that was given out, and the last whose fate is known.
    number: u64,
    known: u64,
    /// Why what an earlier run left is lost, if it is.
    pub(super) lost: Option<String>,
    /// Wishes that wait to be kept: by which batch, and until when at most.
    waiting: VecDeque<(u64, Duration, Wished)>,
    /// When to try again, after a failure.
    retry_at: Option<Duration>,
}

/// What takes effect once it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wished {
    Order(RealServerKey, Option<Order>),
    Freeze(Option<ServiceKey>, Option<Freeze>),
}

impl Manager {
    /// Goes on from what an earlier run left, unless it is `lost`, for the reason given; from
    /// now on, what must survive is given out as [`Output::Keep`]. Before [`Manager::start`].
    pub(crate) fn recall(&mut self, records: Records, lost: Option<String>) {
        let mut strange = Vec::new();
        for (key, record) in &records {
            if self.recall_one(key, record).is_none() {
                strange.push(key.clone());
            }
        }
        if !strange.is_empty() {
            self.log(
                Line::warn("state-strange")
                    .with("records", strange.join(", "))
                    .with("then", "they are left out: this weir does not understand them"),
            );
        }
        if !records.is_empty() {
            let frozen = self.freezes.ordered.len() + usize::from(self.freezes.doubt.is_some());
            self.log(
                Line::info("state-recalled")
                    .with("orders", self.orders.len())
                    .with("frozen", frozen)
                    .with("servers", self.memory.recalled.len()),
            );
        }
        self.memory.records = records;
        self.memory.is_kept = true;
        self.memory.lost = lost;
        self.take_up_modes();
    }

    /// None = it says nothing that is understood.
    fn recall_one(&mut self, key: &str, record: &str) -> Option<()> {
        let (what, of) = key.split_once(' ').unwrap_or((key, ""));
        match what {
            "order" => {
                let record: OrderRecord = serde_json::from_str(record).ok()?;
                self.orders.insert(server_key(of)?, record.into());
            }
            "freeze" => {
                let record: FreezeRecord = serde_json::from_str(record).ok()?;
                let of = if of.is_empty() { None } else { Some(of.parse().ok()?) };
                self.freezes.ordered.insert(of, record.of(Word::OPERATOR));
            }
            DOUBT => {
                let record: FreezeRecord = serde_json::from_str(record).ok()?;
                self.freezes.doubt = Some(record.of(Word::WEIR));
            }
            "server" => {
                let record = serde_json::from_str(record).ok()?;
                self.memory.recalled.insert(server_key(of)?, record);
            }
            "claim" => {
                let record = serde_json::from_str(record).ok()?;
                self.memory.stated.insert(of.parse().ok()?, record);
            }
            entries::RECORD => self.recall_entry(of, record)?,
            owned::RECORD => self.recall_owned(of, record)?,
            replace::RECORD => self.recall_mode(of, record)?,
            "clock" => {}
            _ => return None,
        }
        Some(())
    }

    /// Real servers of `service` that left the configuration while an earlier run was at work,
    /// or since, and since when.
    pub(super) fn recall_left(
        &self,
        now: Now,
        service: ServiceKey,
    ) -> BTreeMap<Endpoint, Duration> {
        let stated = self.memory.stated.get(&service).into_iter().flat_map(|it| &it.servers);
        let mut left: BTreeMap<_, _> = stated.map(|it| (endpoint(it), now.monotonic)).collect();
        let recalled = self.memory.recalled.range(first(service)..);
        let of_it = recalled.take_while(|(key, _)| key.service == service);
        left.extend(
            of_it.filter_map(|(key, it)| Some((key.server, from_ms(it.leaving_since_ms?)))),
        );
        left
    }

    /// A claim on what the configuration has no more, if it had it when weir last ran.
    pub(super) fn left_behind(&self, entry: &TableEntry) -> Option<Claim> {
        let found = &entry.service.config;
        let record = self.memory.stated.get(&found.key)?;
        Some(plan::leftover(&self.config, &record.name, found))
    }

    /// Forgets what the last run's configuration stated if the present one lacks most of it, or
    /// looks cut off: as with a reload that is more likely a mistake than a wish, but here
    /// nobody can be asked. What was leaving before leaves still.
    pub(super) fn doubt_departures(&mut self) {
        let (mut going, mut owned) = (0, 0);
        for (key, record) in self.memory.stated.iter().filter(|(_, it)| !it.is_leaving) {
            let all = 1 + record.servers.len();
            owned += all;
            going += match plan::named(&self.config, key) {
                Some(it) => record.servers.iter().filter(|at| !it.states(&endpoint(at))).count(),
                None if plan::matched(&self.config, key).is_some() => 0,
                None => all,
            };
        }
        if going * 2 > owned || (going > 0 && self.config.unfinished.is_some()) {
            let doubted = self.memory.stated.extract_if(.., |_, it| !it.is_leaving);
            self.memory.given_up.extend(doubted);
            self.log(
                Line::warn("left-behind")
                    .with("entries", going)
                    .with("of", owned)
                    .with("reason", "the configuration had them when weir last ran")
                    .with("then", "they stay as they are: remove them with ipvsadm"),
            );
        }
    }

    /// What the last run stated with this key stays as it is, though nobody states it now.
    pub(super) fn leave_be(&mut self, key: ServiceKey) {
        self.memory.given_up.extend(self.memory.stated.remove_entry(&key));
    }

    /// What someone else made of a service, and an earlier run took over or left.
    pub(super) fn recall_edits(
        &self,
        key: &ServiceKey,
        claim: &mut Claim,
        found: Option<&Service>,
    ) {
        let is_theirs = !claim.is_leaving && claim.rules.drift.service != Whose::Restore;
        let record = self.memory.stated.get(key).or_else(|| self.memory.given_up.get(key));
        if let Some(record) = record.filter(|_| is_theirs) {
            record.restore(claim, found);
        }
        let was_given_up = found.is_none() && record.is_some_and(|it| it.is_given_up);
        if was_given_up && !claim.is_given_up {
            claim.come_back();
        }
    }

    /// What an earlier run knew of a real server that is seen for the first time.
    pub(super) fn recall_server(
        &mut self,
        key: &RealServerKey,
        claim: &Claim,
        server: &mut Server,
    ) {
        if let Some(record) = self.memory.recalled.remove(key) {
            record.restore(claim, server);
        }
    }

    /// Has a wish take effect as soon as it is kept. Returns the number of its batch; none =
    /// it did at once, for nobody keeps anything.
    pub(super) fn wish(&mut self, now: Now, wished: Wished) -> Option<u64> {
        let (key, record) = wished.record();
        if !self.memory.is_kept {
            self.take_effect_of(now, wished);
            return None;
        }
        let number = self.keep(BTreeMap::from([(key, record)]));
        let patience = now.monotonic.saturating_add(PATIENCE);
        self.memory.waiting.push_back((number, patience, wished));
        Some(number)
    }

    /// An order on a real server, those that are about to take effect included.
    pub(super) fn has_order(&self, key: &RealServerKey) -> bool {
        let about = |it: &(u64, Duration, Wished)| match &it.2 {
            Wished::Order(of, order) if of == key => Some(order.is_some()),
            _ => None,
        };
        let waiting = self.memory.waiting.iter().rev().find_map(about);
        waiting.unwrap_or_else(|| self.orders.contains_key(key))
    }

    /// Whoever keeps the records committed all batches up to `number`, or could not.
    pub(super) fn kept(&mut self, now: Now, number: u64, result: Result<(), String>) {
        self.memory.known = self.memory.known.max(number);
        match result {
            Ok(()) => {
                self.memory.retry_at = None;
                self.no_trouble(KEEPING);
            }
            Err(error) => {
                self.memory.retry_at = Some(now.monotonic.saturating_add(RETRY));
                self.note_trouble(KEEPING, &error);
                let lost = self.awaiting.iter_mut().filter(|it| it.waits_for(number));
                lost.for_each(|it| it.note("a restart of weir would lose it: it cannot be kept"));
            }
        }
        self.end_waiting(now, |it| it.0 <= number);
    }

    /// Has wishes take effect that waited too long to be kept.
    pub(super) fn lose_patience(&mut self, now: Now) {
        let is_over = |it: &(u64, Duration, Wished)| it.1 <= now.monotonic;
        let Some((number, ..)) = self.memory.waiting.iter().rev().find(|it| is_over(it)) else {
            return;
        };
        let slow = self.awaiting.iter_mut().filter(|it| it.waits_for(*number));
        slow.for_each(|it| it.note("a restart of weir now would lose it: it is not kept yet"));
        self.end_waiting(now, is_over);
    }

    /// Takes note of what must survive and is not recorded yet; tries again what failed. While
    /// a batch is on its way, what comes next is collected.
    pub(super) fn remember(&mut self, now: Now) {
        if self.memory.known == self.memory.number {
            self.remember_all(now);
        }
    }

    /// The same whether or not something is on its way.
    pub(super) fn remember_all(&mut self, now: Now) {
        if !self.memory.is_kept {
            self.memory.touched.clear();
            self.memory.pending.clear();
            return;
        }
        let mut changes = std::mem::take(&mut self.memory.pending);
        for service in std::mem::take(&mut self.memory.touched) {
            self.record_service(now, service, &mut changes);
        }
        let doubt = self.freezes.doubt.as_ref().map(|it| to_json(&FreezeRecord::from(it)));
        if self.memory.records.get(DOUBT) != doubt.as_ref() {
            changes.insert(DOUBT.to_owned(), doubt);
        }
        let is_due = self.memory.retry_at.is_some_and(|it| it <= now.monotonic);
        if is_due {
            self.memory.retry_at = None;
        }
        if is_due || !changes.is_empty() {
            self.keep(changes);
        }
    }

    /// What is recorded of services and real servers that are not there: they are gone.
    pub(super) fn forget_unseen(&mut self) {
        let unseen = std::mem::take(&mut self.memory.recalled);
        let mut changes: Changes = unseen
            .keys()
            .map(|it| (format!("server {} {}", it.service, it.server), None))
            .collect();
        let stated = std::mem::take(&mut self.memory.stated).into_keys();
        let stated = stated.chain(std::mem::take(&mut self.memory.given_up).into_keys());
        let gone = stated.filter(|it| !self.claims.contains_key(it));
        changes.extend(gone.map(|it| (claim_key(it), None)));
        self.forget_unnamed();
        if !changes.is_empty() {
            self.keep(changes);
        }
    }

    /// When there is something to do though nothing happens.
    pub(super) fn keeps_at(&self) -> Option<Duration> {
        let waiting = self.memory.waiting.front().map(|it| it.1);
        // What is on its way decides whether to try again.
        let is_idle = self.memory.known == self.memory.number;
        waiting.into_iter().chain(self.memory.retry_at.filter(|_| is_idle)).min()
    }

    /// What of `service` is other than recorded.
    fn record_service(&mut self, now: Now, service: ServiceKey, changes: &mut Changes) {
        let start = format!("server {service} ");
        let mut before: BTreeSet<String> = BTreeSet::new();
        let recorded = self.memory.records.range(start.clone()..);
        before.extend(recorded.map(|it| it.0).take_while(|it| it.starts_with(&start)).cloned());
        let named = plan::named(&self.config, &service);
        let servers = self.claims.get(&service).into_iter().flat_map(|it| &it.servers);
        for (endpoint, server) in servers {
            let Some(record) = ServerRecord::of(server, named, now.monotonic) else { continue };
            let key = format!("{start}{endpoint}");
            before.remove(&key);
            let record = to_json(&record);
            if self.memory.records.get(&key) != Some(&record) {
                changes.insert(key, Some(record));
            }
        }
        let recalled = &self.memory.recalled;
        let is_gone = |key: &String| {
            let server = key.strip_prefix("server ").and_then(server_key);
            server.is_none_or(|it| !recalled.contains_key(&it))
        };
        changes.extend(before.into_iter().filter(is_gone).map(|key| (key, None)));
        let key = claim_key(service);
        let record = self.claims.get(&service).and_then(|it| self.claim_record(it, named));
        if self.memory.records.get(&key) != record.as_ref() {
            changes.insert(key, record);
        }
        for (key, order) in self.orders.range(first(service)..) {
            if key.service != service {
                break;
            }
            let (key, record) = Wished::Order(*key, Some(order.clone())).record();
            if self.memory.records.get(&key) != record.as_ref() {
                changes.insert(key, record);
            }
        }
    }

    /// None where nothing is stated, or of a table that ends with weir.
    fn claim_record(&self, claim: &Claim, named: Option<&NamedService>) -> Option<String> {
        let outlives_us = self.config.backend == Backend::Kernel && claim.stated.is_some();
        outlives_us.then(|| to_json(&ClaimRecord::of(claim, named)))
    }

    fn keep(&mut self, changes: Changes) -> u64 {
        store::apply(&mut self.memory.records, &changes);
        self.memory.number += 1;
        let number = self.memory.number;
        self.output.push_back(Output::Keep(Keep { number, changes }));
        number
    }

    fn end_waiting(&mut self, now: Now, is_over: impl Fn(&(u64, Duration, Wished)) -> bool) {
        while self.memory.waiting.front().is_some_and(&is_over) {
            let Some((number, _, wished)) = self.memory.waiting.pop_front() else { break };
            self.take_effect_of(now, wished);
            let kept = self.awaiting.iter_mut().filter(|it| it.waits_for(number));
            kept.for_each(Awaiting::end_waiting);
        }
    }
}

impl Wished {
    /// Its record.
    fn record(&self) -> (String, Option<String>) {
        match self {
            Self::Order(key, order) => {
                let key = format!("order {} {}", key.service, key.server);
                (key, order.as_ref().map(|it| to_json(&OrderRecord::from(it))))
            }
            Self::Freeze(of, freeze) => {
                let key = of.map_or_else(|| "freeze".to_owned(), |of| format!("freeze {of}"));
                (key, freeze.as_ref().map(|it| to_json(&FreezeRecord::from(it))))
            }
        }
    }
}

fn server_key(text: &str) -> Option<RealServerKey> {
    let (service, server) = text.rsplit_once(' ')?;
    Some(RealServerKey { service: service.parse().ok()?, server: server.parse().ok()? })
}

fn endpoint(at: &SocketAddr) -> Endpoint {
    Endpoint::new(at.ip(), at.port())
}

fn claim_key(service: ServiceKey) -> String {
    format!("claim {service}")
}
