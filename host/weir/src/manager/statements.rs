//! What plugins said, and how long it stands.
//!
//! A statement stands while its plugin runs, and until it is withdrawn; when the plugin
//! stops running, until its lease ends. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_ipvs::RealServerKey;
use weir_wasm::{Intent, Refusal, Statement};

use crate::{
    config::StepLimit,
    formula::{Says, Word},
};

/// Statements by plugin, real server and voice: each plugin has one of each voice on each.
#[derive(Debug, Clone, Default)]
pub(super) struct Statements {
    by_plugin: BTreeMap<String, Said>,
    /// What grants did not allow, and since when that is so: the last on each real server.
    refused: BTreeMap<(RealServerKey, String), (Refusal, Duration)>,
    /// Plugins whose words have no effect.
    muted: BTreeSet<String>,
}

/// What one plugin said.
pub(super) type Said = BTreeMap<(RealServerKey, Voice), Standing>;

/// As what a plugin speaks, which may be both: its scales as a weigher must not replace what
/// it drained as a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Voice {
    Policy,
    Weigher,
}

impl Voice {
    const ALL: [Self; 2] = [Self::Policy, Self::Weigher];
}

/// One statement, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    statement: Statement,
    /// When this intent was first stated.
    since: Duration,
    /// When its lease ends; none while its plugin runs.
    until: Option<Duration>,
    /// A scale on its way to what was asked for.
    moving: Option<Moving>,
    /// What a guard said to it last.
    denial: Option<Denial>,
    /// What counts while it is denied: what was said before.
    before: Option<Content>,
}

/// What a word says, apart from who says it and until when.
#[derive(Debug, Clone)]
struct Content {
    says: Says,
    reason: String,
    since: Duration,
}

/// Why something counts as unsaid.
#[derive(Debug, Clone)]
struct Denial {
    reason: String,
    /// When the guard is asked again; none = it is being asked.
    again_at: Option<Duration>,
}

/// A scale that its grant lets move by steps only.
#[derive(Debug, Clone, Copy)]
struct Moving {
    /// In force, in thousandths.
    scale: u32,
    moved_at: Option<Duration>,
    limit: StepLimit,
}

impl Moving {
    /// Takes a step towards `asked`, if it is time for one.
    fn step(&mut self, asked: u32, now: Duration) -> bool {
        if self.scale == asked || self.next().is_some_and(|it| it > now) {
            return false;
        }
        let most = self.limit.percent * 10;
        let (least, most) = (self.scale.saturating_sub(most), self.scale.saturating_add(most));
        self.scale = asked.clamp(least, most);
        self.moved_at = Some(now);
        true
    }

    fn next(&self) -> Option<Duration> {
        Some(self.moved_at?.saturating_add(self.limit.per))
    }
}

impl Standing {
    fn is_set_aside(&self) -> bool {
        self.denial.as_ref().is_some_and(|it| it.again_at.is_some())
    }

    /// What it says, guards aside.
    fn said(&self) -> Content {
        let says = match (self.statement.intent, self.moving) {
            (Intent::Scale(_), Some(moving)) => Says::Scale(moving.scale),
            (intent, _) => intent.into(),
        };
        Content { says, reason: self.statement.reason.clone(), since: self.since }
    }

    /// What counts of it.
    fn in_force(&self) -> Option<Content> {
        if self.is_set_aside() { self.before.clone() } else { Some(self.said()) }
    }

    /// The word of the plugin `who` that this is, if it counts.
    fn word(&self, who: &str) -> Option<Word> {
        let Content { says, reason, since } = self.in_force()?;
        Some(Word { who: who.to_owned(), says, reason, since, until: self.until })
    }

    fn step(&mut self, now: Duration) -> bool {
        if self.is_set_aside() {
            return false;
        }
        let in_force = self.in_force();
        let (Intent::Scale(asked), Some(moving)) = (self.statement.intent, &mut self.moving) else {
            return false;
        };
        let is_moved = moving.step(asked, now);
        if is_moved {
            self.before = in_force;
        }
        is_moved
    }

    /// It had no effect until now: a scale with a limit moves from none, and of what was said
    /// before there is nothing that a guard let pass.
    fn begin_to_count(&mut self) {
        self.before = None;
        if let Some(moving) = &mut self.moving {
            (moving.scale, moving.moved_at) = (1000, Some(Duration::ZERO));
        }
    }

    /// When it steps on; none = it is where it was asked to be.
    fn next_step(&self) -> Option<Duration> {
        let moving = self.moving.filter(|_| !self.is_set_aside())?;
        (self.statement.intent != Intent::Scale(moving.scale)).then(|| moving.next()).flatten()
    }
}

impl From<Intent> for Says {
    fn from(intent: Intent) -> Self {
        match intent {
            Intent::Base(weight) => Self::Base(weight),
            Intent::Scale(scale) => Self::Scale(scale),
            Intent::Floor(least) => Self::Floor(least),
            Intent::Cap(most) => Self::Cap(most),
            Intent::Drain => Self::Drain,
        }
    }
}

impl Statements {
    /// Takes a statement in the place of the one before in this voice, and says whether the
    /// intent is another. With a `limit` a scale moves from the one before, or from no effect; or
    /// from the one beside the limit, as which the weight was found, where that lies between: weir
    /// was started again.
    pub(super) fn publish(
        &mut self,
        plugin: &str,
        voice: Voice,
        statement: Statement,
        limit: Option<(StepLimit, u32)>,
        now: Duration,
    ) -> bool {
        self.refused.remove(&(statement.key, plugin.to_owned()));
        let place = (statement.key, voice);
        let before = self.of(plugin).remove(&place);
        let from = before.as_ref().and_then(|it| it.moving);
        let moving = limit.map(|(limit, found)| {
            let scale = match statement.intent {
                Intent::Scale(asked) => found.clamp(asked.min(1000), asked.max(1000)),
                _ => 1000,
            };
            let from = from.unwrap_or(Moving { scale, moved_at: None, limit });
            Moving { limit, ..from }
        });
        let is_same = before.as_ref().is_some_and(|it| it.statement.intent == statement.intent);
        let mut standing = match before {
            Some(before) if is_same => Standing { statement, until: None, moving, ..before },
            before => {
                let before = before.and_then(|it| it.in_force());
                Standing { statement, since: now, until: None, moving, denial: None, before }
            }
        };
        standing.step(now);
        self.of(plugin).insert(place, standing);
        !is_same
    }

    /// Takes note of a statement that the plugin's grant did not allow, and says whether it is
    /// another than before. What was said earlier stands.
    pub(super) fn refuse(&mut self, plugin: &str, refusal: Refusal, now: Duration) -> bool {
        let place = (refusal.key, plugin.to_owned());
        let before = self.refused.get(&place);
        let kind = |it: &Refusal| std::mem::discriminant(&it.intent);
        let is_same = |it: &Refusal| kind(it) == kind(&refusal) && it.why == refusal.why;
        let since = before.filter(|it| is_same(&it.0)).map(|it| it.1);
        self.refused.insert(place, (refusal, since.unwrap_or(now)));
        since.is_none()
    }

    /// Moves the scales whose time has come, and says of which real servers.
    pub(super) fn step(&mut self, now: Duration) -> Vec<RealServerKey> {
        let standing = self.by_plugin.values_mut().flat_map(BTreeMap::iter_mut);
        standing.filter_map(|((key, _), it)| it.step(now).then_some(*key)).collect()
    }

    /// When the next scale moves.
    pub(super) fn next_step(&self) -> Option<Duration> {
        let standing = self.by_plugin.values().flat_map(BTreeMap::values);
        standing.filter_map(Standing::next_step).min()
    }

    /// Takes back what a policy stated, and says whether there was something.
    pub(super) fn withdraw(&mut self, plugin: &str, key: &RealServerKey) -> bool {
        self.refused.remove(&(*key, plugin.to_owned()));
        self.of(plugin).remove(&(*key, Voice::Policy)).is_some()
    }

    /// All that a plugin says of a real server counts as unsaid, for `reason` and until
    /// [`Statements::ask_again`] at `again_at`. Says whether that is new.
    pub(super) fn set_aside(
        &mut self,
        plugin: &str,
        key: &RealServerKey,
        reason: &str,
        again_at: Duration,
    ) -> bool {
        let mut is_new = false;
        for voice in Voice::ALL {
            let Some(standing) = self.of(plugin).get_mut(&(*key, voice)) else { continue };
            // What counts in its place is denied, too. Then nothing does, so that there is an end.
            if standing.is_set_aside() {
                standing.before = None;
            }
            let denial = Denial { reason: reason.to_owned(), again_at: Some(again_at) };
            let before = standing.denial.replace(denial);
            is_new |= before.is_none_or(|it| it.reason != reason);
        }
        is_new
    }

    /// Has what was set aside count again, so that guards are asked, and says of which real
    /// servers.
    pub(super) fn ask_again(&mut self, now: Duration) -> Vec<RealServerKey> {
        let standing = self.by_plugin.values_mut().flat_map(BTreeMap::iter_mut);
        let denied = standing.filter_map(|((key, _), it)| Some((key, it.denial.as_mut()?)));
        let due = denied.filter(|(_, it)| it.again_at.is_some_and(|at| at <= now));
        due.map(|(key, it)| {
            it.again_at = None;
            *key
        })
        .collect()
    }

    /// When guards are asked next.
    pub(super) fn next_asking(&self) -> Option<Duration> {
        let standing = self.by_plugin.values().flat_map(BTreeMap::values);
        standing.filter_map(|it| it.denial.as_ref()?.again_at).min()
    }

    /// What is said about one real server.
    pub(super) fn words(&self, key: &RealServerKey) -> Vec<Word> {
        self.standing(key).filter_map(|(plugin, it)| it.word(plugin)).collect()
    }

    /// What stands of one real server, by which plugins.
    fn standing(&self, key: &RealServerKey) -> impl Iterator<Item = (&String, &Standing)> {
        let plugins = self.by_plugin.iter().filter(move |(it, _)| !self.muted.contains(*it));
        plugins.flat_map(move |(plugin, said)| {
            Voice::ALL.into_iter().filter_map(move |it| Some((plugin, said.get(&(*key, it))?)))
        })
    }

    /// What one plugin says about one real server, whether or not it has an effect.
    pub(super) fn words_of(&self, plugin: &str, key: &RealServerKey) -> impl Iterator<Item = Word> {
        Voice::ALL.into_iter().filter_map(|voice| self.word_of(plugin, key, voice))
    }

    /// What is said about one real server and counts as unsaid, why, and when guards are asked
    /// again; none = never, for it is the grant that does not allow it.
    pub(super) fn denied(&self, key: &RealServerKey) -> Vec<(Word, String, Option<Duration>)> {
        let denied = self.standing(key).filter_map(|(plugin, standing)| {
            let denial = standing.denial.as_ref()?;
            let Content { says, reason, since } = standing.said();
            let word = Word { who: plugin.clone(), says, reason, since, until: standing.until };
            Some((word, denial.reason.clone(), Some(denial.again_at?)))
        });
        let refused = self.refused.range((*key, String::new())..);
        let refused = refused.take_while(|((it, _), _)| it == key);
        let refused = refused.filter(|((_, plugin), _)| !self.muted.contains(plugin));
        let refused = refused.map(|((_, plugin), (refusal, since))| {
            let (reason, since) = (refusal.reason.clone(), *since);
            let word = Word {
                who: plugin.clone(),
                says: refusal.intent.into(),
                reason,
                since,
                until: None,
            };
            (word, refusal.why.clone(), None)
        });
        denied.chain(refused).collect()
    }

    /// What one plugin says, in one voice.
    pub(super) fn word_of(&self, plugin: &str, key: &RealServerKey, voice: Voice) -> Option<Word> {
        self.by_plugin.get(plugin)?.get(&(*key, voice))?.word(plugin)
    }

    /// All that one plugin stated as a policy.
    pub(super) fn held(&self, plugin: &str) -> Vec<Statement> {
        let standing = self.by_plugin.get(plugin).into_iter().flatten();
        let stated = standing.filter(|((_, voice), _)| *voice == Voice::Policy);
        stated.map(|(_, it)| it.statement.clone()).collect()
    }

    /// How many statements of one plugin stand.
    pub(super) fn count(&self, plugin: &str) -> usize {
        self.by_plugin.get(plugin).map_or(0, BTreeMap::len)
    }

    /// Leases of `plugin` begin: it stopped running at `now`. Those that count already go
    /// on.
    pub(super) fn begin_leases(&mut self, plugin: &str, now: Duration) {
        for standing in self.of(plugin).values_mut() {
            standing.until.get_or_insert(now.saturating_add(standing.statement.lease));
        }
    }

    /// Leases of `plugin` end without effect: it runs again.
    pub(super) fn end_leases(&mut self, plugin: &str) {
        for standing in self.of(plugin).values_mut() {
            standing.until = None;
        }
    }

    /// Removes what has no lease left at `now`, and says of which real servers.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<RealServerKey> {
        let mut expired = Vec::new();
        for standing in self.by_plugin.values_mut() {
            let over = standing.extract_if(.., |_, it| it.until.is_some_and(|until| until <= now));
            expired.extend(over.map(|((key, _), _)| key));
        }
        expired
    }

    /// When the next lease ends.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.by_plugin.values().flat_map(BTreeMap::values).filter_map(|it| it.until).min()
    }

    /// Drops what a plugin said in voices that it has no more: nobody would take it back.
    pub(super) fn hush(&mut self, plugin: &str, has: impl Fn(Voice) -> bool) {
        self.of(plugin).retain(|(_, voice), _| has(*voice));
    }

    /// Drops what a plugin said that is no more.
    pub(super) fn drop_all(&mut self, plugin: &str) {
        self.by_plugin.remove(plugin);
        self.forget_refused(plugin);
    }

    /// Drops what is said about a real server that is claimed no more.
    pub(super) fn forget(&mut self, key: &RealServerKey) {
        for said in self.by_plugin.values_mut() {
            for voice in Voice::ALL {
                said.remove(&(*key, voice));
            }
        }
        let refused = self.refused.range((*key, String::new())..).map(|it| it.0);
        let refused: Vec<_> = refused.take_while(|it| it.0 == *key).cloned().collect();
        for place in refused {
            self.refused.remove(&place);
        }
    }

    /// Drops what a plugin was refused: another grant, or other code, begins anew.
    pub(super) fn forget_refused(&mut self, plugin: &str) {
        self.refused.retain(|(_, it), _| it != plugin);
    }

    /// Whether what a plugin says has no effect.
    pub(super) fn mute(&mut self, plugin: &str, is_muted: bool) {
        if is_muted {
            self.muted.insert(plugin.to_owned());
        } else if self.muted.remove(plugin) {
            self.of(plugin).values_mut().for_each(Standing::begin_to_count);
        }
    }

    /// All that a plugin said, to be kept.
    pub(super) fn said(&self, plugin: &str) -> Said {
        self.by_plugin.get(plugin).cloned().unwrap_or_default()
    }

    /// Has a plugin have said what was kept, and nothing else.
    pub(super) fn restore(&mut self, plugin: &str, said: Said) {
        self.by_plugin.insert(plugin.to_owned(), said);
    }

    fn of(&mut self, plugin: &str) -> &mut Said {
        if !self.by_plugin.contains_key(plugin) {
            self.by_plugin.insert(plugin.to_owned(), BTreeMap::new());
        }
        self.by_plugin.get_mut(plugin).expect("it was just put there")
    }
}

#[cfg(test)]
mod tests {
    use weir_ipvs::{Protocol, ServiceKey};

    use super::{
        Voice::{Policy, Weigher},
        *,
    };

    fn key(server: &str) -> RealServerKey {
        let service = ServiceKey::from((Protocol::Tcp, "192.0.2.1:80".parse().unwrap()));
        RealServerKey { service, server: server.parse().unwrap() }
    }

    fn statement(intent: Intent, lease: u64) -> Statement {
        let lease = Duration::from_secs(lease);
        Statement { key: key("10.0.0.1:80"), intent, lease, reason: "test".into() }
    }

    fn says(statements: &Statements) -> Vec<Says> {
        statements.words(&key("10.0.0.1:80")).into_iter().map(|it| it.says).collect()
    }

    #[test]
    fn a_new_statement_replaces_the_old_one_of_the_same_plugin_alone() {
        let at = Duration::from_secs;
        let mut statements = Statements::default();
        let key = key("10.0.0.1:80");
        assert!(statements.publish("a", Policy, statement(Intent::Scale(500), 1), None, at(1)));
        assert!(!statements.publish("a", Policy, statement(Intent::Scale(500), 2), None, at(2)));
        assert_eq!(statements.words(&key)[0].since, at(1));
        assert!(statements.publish("a", Policy, statement(Intent::Drain, 1), None, at(3)));
        assert!(statements.publish("b", Policy, statement(Intent::Cap(3), 1), None, at(4)));
        assert_eq!(says(&statements), [Says::Drain, Says::Cap(3)]);
        assert_eq!(statements.words(&key)[0].since, at(3));
        assert!(statements.withdraw("a", &key));
        assert!(!statements.withdraw("a", &key));
        assert_eq!(says(&statements), [Says::Cap(3)]);
    }

    #[test]
    fn what_a_plugin_weighs_stands_beside_what_it_states() {
        let at = Duration::from_secs;
        let mut statements = Statements::default();
        let key = key("10.0.0.1:80");
        let scale = |it| statement(Intent::Scale(it), 60);
        statements.publish("a", Policy, statement(Intent::Drain, 60), None, at(1));
        assert!(statements.publish("a", Weigher, scale(500), None, at(2)));
        assert!(statements.publish("a", Weigher, scale(700), None, at(3)));
        assert_eq!(says(&statements), [Says::Drain, Says::Scale(700)]);
        assert_eq!(statements.held("a"), [statement(Intent::Drain, 60)]);
        assert_eq!(statements.count("a"), 2);
        assert!(statements.set_aside("a", &key, "no", at(14)));
        assert_eq!(says(&statements), [Says::Scale(500)]);
        assert_eq!(statements.ask_again(at(14)), [key, key]);
        assert!(statements.withdraw("a", &key));
        assert!(!statements.withdraw("a", &key), "a policy takes back what it stated alone");
        assert_eq!(says(&statements), [Says::Scale(700)]);
        statements.hush("a", |it| it == Weigher);
        assert_eq!(statements.count("a"), 1);
        statements.hush("a", |it| it == Policy);
        assert_eq!(says(&statements), []);
    }

    #[test]
    fn what_is_said_of_others_outlives_who_is_claimed_no_more() {
        let at = Duration::from_secs(1);
        let mut statements = Statements::default();
        for server in ["10.0.0.1:80", "10.0.0.2:80"] {
            let key = key(server);
            for voice in Voice::ALL {
                let said = Statement { key, ..statement(Intent::Scale(500), 60) };
                statements.publish("a", voice, said, None, at);
            }
            let (intent, reason, why) = (Intent::Drain, String::new(), "no".to_owned());
            statements.refuse("b", Refusal { key, intent, reason, why }, at);
        }
        statements.forget(&key("10.0.0.1:80"));
        let left = |server| {
            let key = key(server);
            (statements.words(&key).len(), statements.denied(&key).len())
        };
        assert_eq!((left("10.0.0.1:80"), left("10.0.0.2:80")), ((0, 0), (2, 1)));
    }

    #[test]
    fn a_lease_counts_only_while_the_plugin_does_not_run() {
        let at = Duration::from_secs;
        let mut statements = Statements::default();
        statements.publish("a", Policy, statement(Intent::Drain, 10), None, at(0));
        assert_eq!(statements.expire(at(1000)), []);
        statements.begin_leases("a", at(1000));
        assert_eq!(statements.next_expiry(), Some(at(1010)));
        statements.end_leases("a");
        assert_eq!((statements.next_expiry(), statements.expire(at(1010))), (None, vec![]));
        statements.begin_leases("a", at(1010));
        assert_eq!(statements.expire(at(1019)), []);
        assert_eq!(statements.expire(at(1020)), [key("10.0.0.1:80")]);
        assert_eq!(says(&statements), []);
    }

    #[test]
    fn while_a_statement_is_denied_the_one_before_counts() {
        let at = Duration::from_secs;
        let mut statements = Statements::default();
        let key = key("10.0.0.1:80");
        statements.publish("a", Policy, statement(Intent::Scale(500), 60), None, at(0));
        statements.publish("a", Policy, statement(Intent::Drain, 60), None, at(1));
        assert!(statements.set_aside("a", &key, "no", at(11)));
        assert_eq!(says(&statements), [Says::Scale(500)]);
        statements.publish("a", Policy, statement(Intent::Drain, 60), None, at(2));
        assert_eq!(
            (says(&statements), statements.next_asking()),
            (vec![Says::Scale(500)], Some(at(11)))
        );
        statements.publish("a", Policy, statement(Intent::Cap(7), 60), None, at(3));
        assert_eq!((says(&statements), statements.next_asking()), (vec![Says::Cap(7)], None));
        assert!(statements.set_aside("a", &key, "no", at(13)));
        assert_eq!(statements.ask_again(at(12)), []);
        assert_eq!(statements.ask_again(at(13)), [key]);
        assert_eq!(says(&statements), [Says::Cap(7)]);
        assert!(!statements.set_aside("a", &key, "no", at(23)), "it was told before");
        assert_eq!(says(&statements), [Says::Scale(500)]);
        assert!(!statements.set_aside("a", &key, "no", at(23)));
        assert_eq!(says(&statements), [], "what was said before is denied, too");
    }

    #[test]
    fn a_limited_scale_moves_by_steps() {
        let at = Duration::from_secs;
        let limit = Some((StepLimit { percent: 10, per: at(5) }, 1000));
        let mut statements = Statements::default();
        let publish = |statements: &mut Statements, scale, second| {
            statements.publish("a", Policy, statement(Intent::Scale(scale), 60), limit, at(second));
        };
        publish(&mut statements, 750, 0);
        assert_eq!(says(&statements), [Says::Scale(900)]);
        assert_eq!((statements.step(at(4)), statements.next_step()), (vec![], Some(at(5))));
        assert_eq!(statements.step(at(5)), [key("10.0.0.1:80")]);
        assert_eq!(says(&statements), [Says::Scale(800)]);
        publish(&mut statements, 2000, 6);
        assert_eq!(says(&statements), [Says::Scale(800)], "not before its time");
        statements.step(at(10));
        assert_eq!(says(&statements), [Says::Scale(900)]);
        publish(&mut statements, 900, 11);
        assert_eq!(statements.next_step(), None);
    }
}
