//! What plugins said, and how long it stands.
//!
//! A statement stands while its plugin runs, and until it is withdrawn; when the plugin
//! stops running, until its lease ends. Pure.

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::RealServerKey;
use weir_wasm::{Intent, Statement};

use crate::{
    config::StepLimit,
    formula::{Says, Word},
};

/// Statements by plugin and real server: each plugin has one on each.
#[derive(Debug, Clone, Default)]
pub(super) struct Statements {
    by_plugin: BTreeMap<String, BTreeMap<RealServerKey, Standing>>,
}

#[derive(Debug, Clone)]
struct Standing {
    statement: Statement,
    /// When this intent was first stated.
    since: Duration,
    /// When its lease ends; none while its plugin runs.
    until: Option<Duration>,
    /// A scale on its way to what was asked for.
    moving: Option<Moving>,
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
    fn step(&mut self, now: Duration) -> bool {
        let (Intent::Scale(asked), Some(moving)) = (self.statement.intent, &mut self.moving) else {
            return false;
        };
        moving.step(asked, now)
    }

    /// When it steps on; none = it is where it was asked to be.
    fn next_step(&self) -> Option<Duration> {
        let moving = self.moving?;
        (self.statement.intent != Intent::Scale(moving.scale)).then(|| moving.next()).flatten()
    }
}

impl Statements {
    /// Takes a statement in the place of the one before, and says whether the intent is
    /// another. With a `limit` a scale moves from the one before, or from no effect.
    pub(super) fn publish(
        &mut self,
        plugin: &str,
        statement: Statement,
        limit: Option<StepLimit>,
        now: Duration,
    ) -> bool {
        let before = self.of(plugin).remove(&statement.key);
        let same = before.as_ref().filter(|it| it.statement.intent == statement.intent);
        let same_since = same.map(|it| it.since);
        let moving = limit.map(|limit| {
            let from = Moving { scale: 1000, moved_at: None, limit };
            Moving { limit, ..before.and_then(|it| it.moving).unwrap_or(from) }
        });
        let since = same_since.unwrap_or(now);
        let mut standing = Standing { since, until: None, statement, moving };
        standing.step(now);
        self.of(plugin).insert(standing.statement.key, standing);
        same_since.is_none()
    }

    /// Moves the scales whose time has come, and says of which real servers.
    pub(super) fn step(&mut self, now: Duration) -> Vec<RealServerKey> {
        let standing = self.by_plugin.values_mut().flat_map(BTreeMap::iter_mut);
        standing.filter_map(|(key, it)| it.step(now).then_some(*key)).collect()
    }

    /// When the next scale moves.
    pub(super) fn next_step(&self) -> Option<Duration> {
        let standing = self.by_plugin.values().flat_map(BTreeMap::values);
        standing.filter_map(Standing::next_step).min()
    }

    /// Takes a statement back, and says whether there was one.
    pub(super) fn withdraw(&mut self, plugin: &str, key: &RealServerKey) -> bool {
        self.of(plugin).remove(key).is_some()
    }

    /// What is said about one real server.
    pub(super) fn words(&self, key: &RealServerKey) -> Vec<Word> {
        let standing =
            self.by_plugin.iter().filter_map(|(plugin, it)| Some((plugin, it.get(key)?)));
        let word = |(plugin, it): (&String, &Standing)| Word {
            who: plugin.clone(),
            says: match it.statement.intent {
                Intent::Scale(asked) => Says::Scale(it.moving.map_or(asked, |it| it.scale)),
                Intent::Floor(least) => Says::Floor(least),
                Intent::Cap(most) => Says::Cap(most),
                Intent::Drain => Says::Drain,
            },
            reason: it.statement.reason.clone(),
            since: it.since,
            until: it.until,
        };
        standing.map(word).collect()
    }

    /// All that one plugin said.
    pub(super) fn held(&self, plugin: &str) -> Vec<Statement> {
        let standing = self.by_plugin.get(plugin).into_iter().flat_map(BTreeMap::values);
        standing.map(|it| it.statement.clone()).collect()
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
            expired.extend(over.map(|(key, _)| key));
        }
        expired
    }

    /// When the next lease ends.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.by_plugin.values().flat_map(BTreeMap::values).filter_map(|it| it.until).min()
    }

    /// Drops what a plugin said that is no more.
    pub(super) fn drop_all(&mut self, plugin: &str) {
        self.by_plugin.remove(plugin);
    }

    /// Drops what is said about a real server that is claimed no more.
    pub(super) fn forget(&mut self, key: &RealServerKey) {
        for standing in self.by_plugin.values_mut() {
            standing.remove(key);
        }
    }

    fn of(&mut self, plugin: &str) -> &mut BTreeMap<RealServerKey, Standing> {
        if !self.by_plugin.contains_key(plugin) {
            self.by_plugin.insert(plugin.to_owned(), BTreeMap::new());
        }
        self.by_plugin.get_mut(plugin).expect("it was just put there")
    }
}

#[cfg(test)]
mod tests {
    use weir_ipvs::{Protocol, ServiceKey};

    use super::*;

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
        assert!(statements.publish("a", statement(Intent::Scale(500), 1), None, at(1)));
        assert!(!statements.publish("a", statement(Intent::Scale(500), 2), None, at(2)));
        assert_eq!(statements.words(&key)[0].since, at(1));
        assert!(statements.publish("a", statement(Intent::Drain, 1), None, at(3)));
        assert!(statements.publish("b", statement(Intent::Cap(3), 1), None, at(4)));
        assert_eq!(says(&statements), [Says::Drain, Says::Cap(3)]);
        assert_eq!(statements.words(&key)[0].since, at(3));
        assert!(statements.withdraw("a", &key));
        assert!(!statements.withdraw("a", &key));
        assert_eq!(says(&statements), [Says::Cap(3)]);
    }

    #[test]
    fn a_lease_counts_only_while_the_plugin_does_not_run() {
        let at = Duration::from_secs;
        let mut statements = Statements::default();
        statements.publish("a", statement(Intent::Drain, 10), None, at(0));
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
    fn a_limited_scale_moves_by_steps() {
        let at = Duration::from_secs;
        let limit = Some(StepLimit { percent: 10, per: at(5) });
        let mut statements = Statements::default();
        let publish = |statements: &mut Statements, scale, second| {
            statements.publish("a", statement(Intent::Scale(scale), 60), limit, at(second));
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
