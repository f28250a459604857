//! All checks of all servers: what is probed, once for all who want the same, and what each
//! of them hears of it. Pure: whoever drives it owns the probes and the clock, a real one or
//! a virtual one.
//!
//! ```text
//! Target -> watch -> streams to begin        one for each distinct check, place and rhythm
//! Seen -> record -> Told, time to the next   to every watch that the stream is part of
//! ```

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use weir_ipvs::RealServerKey;
use weir_wasm::Latency;

use super::{
    agent::{Agent, AgentSays, Reply},
    checker::Checker,
    counter::{Counter, State},
    lag::LagNews,
    outcome::{Evidence, Hindrance, Outcome},
    schedule::Schedule,
    standing::{self, Standing},
};
use crate::config::Check;

/// Whose health it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A real server's.
    Server(RealServerKey),
    /// The director's own: whether it reaches what it must.
    Director,
}

/// What is to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whose health it is.
    pub(crate) subject: Subject,
    /// Tells this watch from earlier ones of the same real server, whose last verdict may
    /// still be on its way.
    pub(crate) watch: u64,
    /// What is asked of it, at least one thing.
    pub(crate) asks: Vec<Ask>,
    /// How many of these make it up; at least one.
    pub(crate) needed: usize,
    /// What its agent said before, which stands until it says something else.
    pub(crate) said: AgentSays,
    /// What the newest probe took, if it passed: told to whoever looks, for nobody acts on
    /// it at once.
    pub(crate) latency: Latency,
}

/// What is asked, and where. Whoever asks the same shares the probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) check: Arc<Check>,
    pub(crate) place: Place,
}

/// Where probes go, and on which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// Where they come from; none = as the routes say.
    pub(crate) source: Option<IpAddr>,
    /// The firewall mark of their packets.
    pub(crate) mark: Option<u32>,
}

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Of the server; none = it was the agent alone that was asked.
    pub(crate) outcome: Option<Outcome>,
    /// Of its agent, if one was asked: none within = it did not answer.
    pub(crate) agent: Option<Option<Reply>>,
}

impl From<Outcome> for Seen {
    fn from(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), agent: None }
    }
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// A server's state changed, or what is known of why.
    Verdict(Verdict),
    /// Something else stands of what an agent said.
    Agent(Box<AgentReport>),
    /// Something that people should know.
    Notice(Notice),
    /// The checker of a plugin failed.
    Failed(Box<CheckerFailure>),
    /// Probes are late, or no longer.
    Lag(LagNews),
}

/// A real server's state changed, or what is known of why it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whose.
    pub(crate) subject: Subject,
    /// [`Target::watch`].
    pub(crate) watch: u64,
    /// Never unknown.
    pub(crate) state: State,
    /// Of its failure, if it fails.
    pub(crate) evidence: Evidence,
    /// What it leaves of the weight, in hundredths; 100 unless it passes degraded.
    pub(crate) percent: u32,
    /// What was seen, for people: `refused, 3 in a row`.
    pub(crate) detail: String,
}

/// What an agent says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentReport {
    /// Of which server.
    pub(crate) key: RealServerKey,
    /// [`Target::watch`].
    pub(crate) watch: u64,
    /// What stands.
    pub(crate) says: AgentSays,
}

/// The checker of a plugin failed: it trapped, or reached a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckerFailure {
    /// In the configuration.
    pub(crate) plugin: String,
    /// Which it was, for other code may have taken its place.
    pub(crate) checker: Checker,
    /// For people.
    pub(crate) report: String,
}

/// Something about a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Whose, or one of those who share it.
    pub(crate) subject: Subject,
    /// Of which stream.
    pub(crate) stream: StreamId,
    /// Which check, and where.
    pub(crate) check: String,
    /// What.
    pub(crate) news: News,
}

/// What there is to know about a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing comes of asking, and why.
    CannotAsk(Hindrance),
    /// Something does again.
    CanAskAgain,
    /// Nobody asks any more, when nothing had come of it.
    AsksNoMore,
    /// It passes, but will not for ever.
    Warning(String),
    /// The agent says words that are none.
    UnknownWords(Vec<String>),
}

/// Of a stream, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId(u64);

#[cfg(test)]
impl StreamId {
    /// For notices of streams that nobody began.
    pub(crate) const fn numbered(number: u64) -> Self {
        Self(number)
    }
}

/// What there is to do after a change.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Changes {
    /// Streams to begin, with the time to their first probe.
    pub(crate) begun: Vec<(StreamId, Duration)>,
    /// Streams to end.
    pub(crate) ended: Vec<StreamId>,
    /// What is known already.
    pub(crate) told: Vec<Told>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    streams: BTreeMap<StreamId, Stream>,
    /// Those of one place, which are few.
    by_place: BTreeMap<Place, Vec<StreamId>>,
    watches: BTreeMap<u64, Watch>,
    next: u64,
}

#[derive(Debug)]
struct Stream {
    ask: Ask,
    counter: Counter,
    schedule: Schedule,
    standing: Standing,
    agent: Agent,
    /// Why nothing came of the last probe.
    trouble: Option<Hindrance>,
    warned: Option<String>,
    has_heard_nonsense: bool,
    /// Who wants it, and as which of its asks.
    watchers: Vec<(u64, usize)>,
}

#[derive(Debug)]
struct Watch {
    subject: Subject,
    latency: Latency,
    needed: usize,
    streams: Vec<StreamId>,
    /// Of its checks, in their order; those of the agent alone are none.
    standings: Vec<(usize, Standing)>,
    told: Standing,
}

impl Streams {
    /// Takes up a target.
    pub(crate) fn watch(&mut self, target: Target) -> Changes {
        let mut changes = Changes::default();
        let mut watch = Watch {
            subject: target.subject,
            latency: target.latency,
            needed: target.needed,
            streams: Vec::new(),
            standings: Vec::new(),
            told: Standing::NONE,
        };
        for (index, ask) in target.asks.into_iter().enumerate() {
            let id = self.stream(&ask, &mut changes);
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.watchers.push((target.watch, index));
            watch.streams.push(id);
            if ask.check.kind.says_health() {
                watch.standings.push((index, stream.standing.clone()));
            }
            if stream.agent.was_asked() {
                changes.told.extend(watch.report(target.watch, stream.agent.says()));
            } else if target.said != AgentSays::default() {
                stream.agent.recall(&target.said);
            }
        }
        changes.told.extend(watch.verdict(target.watch, None, &self.streams));
        self.watches.insert(target.watch, watch);
        changes
    }

    /// Lets go of a target.
    pub(crate) fn unwatch(&mut self, watch: u64) -> Changes {
        let mut changes = Changes::default();
        let Some(gone) = self.watches.remove(&watch) else { return changes };
        for id in gone.streams {
            let Entry::Occupied(mut stream) = self.streams.entry(id) else { continue };
            stream.get_mut().watchers.retain(|it| it.0 != watch);
            if !stream.get().watchers.is_empty() {
                continue;
            }
            let stream = stream.remove();
            if stream.trouble.is_some() {
                let (subject, check) = (gone.subject, stream.ask.to_string());
                let news = News::AsksNoMore;
                changes.told.push(Told::Notice(Notice { subject, stream: id, check, news }));
            }
            if let Some(there) = self.by_place.get_mut(&stream.ask.place) {
                there.retain(|it| *it != id);
                if there.is_empty() {
                    self.by_place.remove(&stream.ask.place);
                }
            }
            changes.ended.push(id);
        }
        changes
    }

    /// What a stream asks; none = it has ended.
    pub(crate) fn ask(&self, id: StreamId) -> Option<&Ask> {
        self.streams.get(&id).map(|it| &it.ask)
    }

    /// Whose health a stream is about.
    pub(crate) fn subjects(&self, id: StreamId) -> Vec<Subject> {
        let watchers = self.streams.get(&id).into_iter().flat_map(|it| &it.watchers);
        watchers.filter_map(|(watch, _)| self.watches.get(watch)).map(|it| it.subject).collect()
    }

    /// Takes in what a probe saw, and how long it took. Returns what is to be told, and the
    /// time from the start of that probe to the start of the next: never two at a time, and
    /// starts at least the period apart. None = the stream has ended meanwhile.
    pub(crate) fn record(
        &mut self,
        id: StreamId,
        seen: &Seen,
        took: Duration,
    ) -> Option<(Vec<Told>, Duration)> {
        let stream = self.streams.get_mut(&id)?;
        let mut told: Vec<Told> = stream.failure(seen).map(Told::Failed).into_iter().collect();
        let news = stream.news(seen);
        told.extend(news.map(|it| self.notice(id, it)));
        self.note_latency(id, seen, took);
        let stream = self.streams.get_mut(&id)?;
        let is_news = seen.outcome.as_ref().is_some_and(|it| stream.take(it));
        if is_news {
            for (watch, index) in stream.watchers.clone() {
                let standing = self.streams[&id].standing.clone();
                let Some(it) = self.watches.get_mut(&watch) else { continue };
                it.take(index, standing);
                let verdict = it.verdict(watch, Some(index), &self.streams);
                told.extend(verdict);
            }
        }
        let stream = self.streams.get_mut(&id)?;
        if seen.agent.as_ref().is_some_and(|it| stream.agent.hear(it.as_ref())) {
            let says = stream.agent.says();
            for (watch, _) in &stream.watchers {
                let watched = self.watches.get(watch);
                told.extend(watched.and_then(|it| it.report(*watch, says)));
            }
        }
        let next = stream.schedule.next(stream.counter.is_changing()).max(took);
        Some((told, next))
    }

    /// Shows what a probe of the servers took.
    fn note_latency(&self, id: StreamId, seen: &Seen, took: Duration) {
        let latency = match &seen.outcome {
            None | Some(Outcome::Indeterminate(_)) => return,
            Some(Outcome::Fail(_)) => None,
            Some(_) => Some(took),
        };
        let watchers = self.streams.get(&id).into_iter().flat_map(|it| &it.watchers);
        for watch in watchers.filter_map(|(watch, _)| self.watches.get(watch)) {
            watch.latency.set(latency);
        }
    }

    fn stream(&mut self, ask: &Ask, changes: &mut Changes) -> StreamId {
        let there = self.by_place.entry(ask.place).or_default();
        let is_same = |it: &&StreamId| self.streams.get(it).is_some_and(|it| it.ask == *ask);
        if let Some(id) = there.iter().find(is_same) {
            return *id;
        }
        self.next += 1;
        let id = StreamId(self.next);
        there.push(id);
        let mut stream = Stream::new(ask.clone());
        changes.begun.push((id, stream.schedule.first()));
        self.streams.insert(id, stream);
        id
    }

    fn notice(&self, id: StreamId, news: News) -> Told {
        let subject = self.subjects(id).into_iter().next();
        let subject = subject.expect("a stream without watchers has ended");
        let check = self.streams[&id].ask.to_string();
        Told::Notice(Notice { subject, stream: id, check, news })
    }
}

impl Stream {
    fn new(ask: Ask) -> Self {
        Self {
            counter: Counter::new(ask.check.rise, ask.check.fall),
            schedule: Schedule::new(&ask.to_string(), &ask.check),
            standing: Standing::NONE,
            agent: Agent::default(),
            trouble: None,
            warned: None,
            has_heard_nonsense: false,
            watchers: Vec::new(),
            ask,
        }
    }

    /// Counts an outcome, and says whether it stands otherwise now.
    fn take(&mut self, outcome: &Outcome) -> bool {
        let has_changed = self.counter.record(outcome);
        if has_changed {
            self.standing = Standing {
                state: self.counter.state(),
                evidence: self.counter.evidence(),
                percent: self.counter.percent(),
                detail: self.counter.explain(outcome),
            };
        }
        has_changed
    }

    /// That of the checker, if the probe before did not find the same one failing.
    fn failure(&self, seen: &Seen) -> Option<Box<CheckerFailure>> {
        let (checker, report) = seen.outcome.as_ref()?.failure()?;
        let before = self.trouble.as_ref().and_then(Hindrance::failure);
        let plugin = self.ask.check.kind.plugin()?.to_owned();
        before.is_none_or(|it| it.0 != checker).then(|| {
            Box::new(CheckerFailure { plugin, checker: checker.clone(), report: report.to_owned() })
        })
    }

    /// What people should know of what was seen, the first time.
    fn news(&mut self, seen: &Seen) -> std::vec::IntoIter<News> {
        let mut news = Vec::new();
        let trouble = match &seen.outcome {
            Some(Outcome::Indeterminate(why)) => Some(why),
            _ => None,
        };
        match (trouble, &self.trouble) {
            (Some(why), Some(before)) if why.is_alike(before) => {}
            (Some(why), _) => news.push(News::CannotAsk(why.clone())),
            (None, Some(_)) => news.push(News::CanAskAgain),
            (None, None) => {}
        }
        self.trouble = trouble.cloned();
        let warning = seen.outcome.as_ref().and_then(Outcome::warning);
        if trouble.is_none() && self.warned.as_deref() != warning {
            news.extend(warning.map(|it| News::Warning(it.to_owned())));
            self.warned = warning.map(str::to_owned);
        }
        let unknown = seen.agent.iter().flatten().flat_map(|it| it.unknown.clone());
        let unknown: Vec<String> = unknown.collect();
        if !unknown.is_empty() && !self.has_heard_nonsense {
            self.has_heard_nonsense = true;
            news.push(News::UnknownWords(unknown));
        }
        news.into_iter()
    }
}

impl Watch {
    fn take(&mut self, index: usize, standing: Standing) {
        if let Some(it) = self.standings.iter_mut().find(|it| it.0 == index) {
            it.1 = standing;
        }
    }

    /// What is to be told of what an agent says.
    fn report(&self, watch: u64, says: &AgentSays) -> Option<Told> {
        let Subject::Server(key) = self.subject else { return None };
        Some(Told::Agent(Box::new(AgentReport { key, watch, says: says.clone() })))
    }

    /// What is to be told of where it stands now, if that is new. What is unknown is not. Of
    /// checks that stand alike, the one that `changed` is named: the others did before.
    fn verdict(
        &mut self,
        watch: u64,
        changed: Option<usize>,
        streams: &BTreeMap<StreamId, Stream>,
    ) -> Option<Told> {
        let standings: Vec<Standing> = self.standings.iter().map(|it| it.1.clone()).collect();
        let decides = standing::together(&standings, self.needed)?;
        let changed = self.standings.iter().position(|it| Some(it.0) == changed);
        let is_alike = |it: &usize| !standings[*it].differs(&standings[decides]);
        let decides = changed.filter(is_alike).unwrap_or(decides);
        let percent = standing::percent(&standings, self.needed);
        let now = Standing { percent, ..standings[decides].clone() };
        if now.state == State::Unknown || !now.differs(&self.told) {
            return None;
        }
        let stream = streams.get(&self.streams[self.standings[decides].0]);
        let detail = match stream.filter(|_| standings.len() > 1) {
            Some(it) => format!("{}: {}", it.ask.check.kind, now.detail),
            None => now.detail.clone(),
        };
        let verdict = Verdict {
            subject: self.subject,
            watch,
            state: now.state,
            evidence: now.evidence,
            percent,
            detail,
        };
        self.told = now;
        Some(Told::Verdict(verdict))
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.check.kind, self.place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        if let Some(mark) = self.mark {
            write!(f, " marked {mark}")?;
        }
        Ok(())
    }
}
