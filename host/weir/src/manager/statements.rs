//! What plugins said, and how long it stands.
//!
//! A statement stands while its plugin runs, and until it is withdrawn; when the plugin
//! stops running, until its lease ends. Pure.

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::RealServerKey;
use weir_wasm::{Intent, Statement};

/// Statements by plugin and real server: each plugin has one on each.
#[derive(Debug, Default)]
pub(super) struct Statements {
    by_plugin: BTreeMap<String, BTreeMap<RealServerKey, Standing>>,
}

#[derive(Debug)]
struct Standing {
    statement: Statement,
    /// When its lease ends; none while its plugin runs.
    until: Option<Duration>,
}

impl Statements {
    /// Takes a statement in the place of the one before, and says whether the intent is
    /// another.
    pub(super) fn publish(&mut self, plugin: &str, statement: Statement) -> bool {
        let intent = statement.intent;
        let standing = Standing { statement, until: None };
        let before = self.of(plugin).insert(standing.statement.key, standing);
        before.is_none_or(|it| it.statement.intent != intent)
    }

    /// Takes a statement back.
    pub(super) fn withdraw(&mut self, plugin: &str, key: &RealServerKey) -> Option<Statement> {
        self.of(plugin).remove(key).map(|it| it.statement)
    }

    /// What is said about one real server.
    pub(super) fn intents(&self, key: &RealServerKey) -> Vec<Intent> {
        let standing = self.by_plugin.values().filter_map(|it| it.get(key));
        standing.map(|it| it.statement.intent).collect()
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

    /// Removes what has no lease left at `now`, and returns it with its plugin.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<(String, Statement)> {
        let mut expired = Vec::new();
        for (plugin, standing) in &mut self.by_plugin {
            let over = standing.extract_if(.., |_, it| it.until.is_some_and(|until| until <= now));
            expired.extend(over.map(|(_, it)| (plugin.clone(), it.statement)));
        }
        expired
    }

    /// When the next lease ends.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.by_plugin.values().flat_map(BTreeMap::values).filter_map(|it| it.until).min()
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

    #[test]
    fn a_new_statement_replaces_the_old_one_of_the_same_plugin_alone() {
        let mut statements = Statements::default();
        let key = key("10.0.0.1:80");
        assert!(statements.publish("a", statement(Intent::Scale(500), 1)));
        assert!(!statements.publish("a", statement(Intent::Scale(500), 2)));
        assert!(statements.publish("a", statement(Intent::Drain, 1)));
        assert!(statements.publish("b", statement(Intent::Cap(3), 1)));
        assert_eq!(statements.intents(&key), [Intent::Drain, Intent::Cap(3)]);
        assert!(statements.withdraw("a", &key).is_some());
        assert!(statements.withdraw("a", &key).is_none());
        assert_eq!(statements.intents(&key), [Intent::Cap(3)]);
    }

    #[test]
    fn a_lease_counts_only_while_the_plugin_does_not_run() {
        let at = Duration::from_secs;
        let mut statements = Statements::default();
        statements.publish("a", statement(Intent::Drain, 10));
        assert_eq!(statements.expire(at(1000)), []);
        statements.begin_leases("a", at(1000));
        assert_eq!(statements.next_expiry(), Some(at(1010)));
        statements.end_leases("a");
        assert_eq!((statements.next_expiry(), statements.expire(at(1010))), (None, vec![]));
        statements.begin_leases("a", at(1010));
        assert_eq!(statements.expire(at(1019)), []);
        assert_eq!(statements.expire(at(1020)), [("a".to_owned(), statement(Intent::Drain, 10))]);
        assert_eq!(statements.intents(&key("10.0.0.1:80")), []);
    }
}
