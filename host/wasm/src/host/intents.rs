//! `weir:plugin/intents`: what a policy wants, staged until its handler returns ok.
//!
//! Grant: `services` for where, `weights` for what. Verdicts are reached here, when a
//! statement is made, so that what is staged is what the grant allows.

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::RealServerKey;

use crate::{
    Intent, PolicyGrant, Refusal, Statement,
    bindings::{errors, intents, real_servers},
    host::denied,
    limits::{REASON_BYTES, STATEMENTS_HELD, STATEMENTS_PER_CALL},
    log::printable,
    state::PolicyState,
};

impl intents::Host for PolicyState {
    fn publish(
        &mut self,
        statements: Vec<intents::Statement>,
    ) -> wasmtime::Result<Vec<intents::Verdict>> {
        let wishes = statements.into_iter().map(Into::into);
        Ok(self.publish_each(wishes).map(Into::into).collect())
    }

    fn withdraw(&mut self, keys: Vec<real_servers::RealServerKey>) -> wasmtime::Result<()> {
        keys.into_iter().for_each(|key| self.withdraw_one(key.into()));
        Ok(())
    }

    fn held(&mut self) -> wasmtime::Result<Vec<intents::Statement>> {
        Ok(self.all_held().into_values().map(Into::into).collect())
    }
}

/// A statement as a plugin makes it.
pub(crate) struct Wish {
    pub(crate) key: RealServerKey,
    pub(crate) intent: Intent,
    /// None = the longest that the grant allows.
    pub(crate) lease: Option<Duration>,
    pub(crate) reason: String,
}

/// What became of it: taken, with the number in force if that is not the one it named.
pub(crate) type Verdict = Result<Option<u32>, errors::Error>;

impl PolicyState {
    pub(crate) fn publish_each(
        &mut self,
        wishes: impl Iterator<Item = Wish>,
    ) -> impl Iterator<Item = Verdict> {
        wishes.enumerate().map(move |(number, wish)| {
            if number >= STATEMENTS_PER_CALL {
                let message = format!("more than {STATEMENTS_PER_CALL} statements in one call");
                return Err(denied("too-many-statements", message));
            }
            self.stage(wish)
        })
    }

    pub(crate) fn withdraw_one(&mut self, key: RealServerKey) {
        self.refused.remove(&key);
        if self.held_before().contains_key(&key) {
            self.staged.insert(key, None);
        } else {
            self.staged.remove(&key);
        }
    }

    pub(crate) fn stage(&mut self, wish: Wish) -> Verdict {
        if !self.handling {
            return Err(denied("outside-handler", "statements are made in handle, not in init"));
        }
        let Wish { key, intent: wanted, lease, reason } = wish;
        let reason = shortened(&reason);
        let (intent, clamped) = allowed(&self.grant, key, wanted).map_err(|denial| {
            let (why, reason) = (denial.message.clone(), reason.clone());
            if self.refused.len() < STATEMENTS_HELD {
                self.refused.insert(key, Refusal { key, intent: wanted, reason, why });
            }
            errors::Error::Denied(denial)
        })?;
        if !self.is_there(&key) {
            return Err(errors::Error::NoSuchServer);
        }
        if !self.is_held(&key) && self.count_held() >= STATEMENTS_HELD {
            let message = format!("more than {STATEMENTS_HELD} statements held");
            return Err(denied("too-many-statements", message));
        }
        if let Some(left) = self.view.changes_left
            && self.says_anew(&key, intent)
        {
            let rate_limited = || denied("rate-limited", "too many changes for grant.changes");
            self.view.changes_left = Some(left.checked_sub(1).ok_or_else(rate_limited)?);
        }
        let longest = self.grant.lease;
        let lease = lease.map_or(longest, |lease| longest.min(lease));
        self.refused.remove(&key);
        self.staged.insert(key, Some(Statement { key, intent, lease, reason }));
        Ok(clamped)
    }

    /// Whether the host knows it: it is in the table, or checked to be there again. What is said
    /// of one that is out of the table counts when it comes back.
    fn is_there(&self, key: &RealServerKey) -> bool {
        let entry = self.view.table.get(&key.service);
        let mut servers = entry.into_iter().flat_map(|it| &it.servers);
        // Most are checked, and those are found at once.
        self.view.health.contains_key(key) || servers.any(|it| it.config.endpoint == key.server)
    }

    /// Whether it says another thing than what it holds.
    fn says_anew(&mut self, key: &RealServerKey, intent: Intent) -> bool {
        let held = self.held_before().get(key).copied();
        let staged = self.staged.get(key).map(|it| it.as_ref().map(|it| it.intent));
        staged.unwrap_or(held) != Some(intent)
    }

    fn held_before(&mut self) -> &BTreeMap<RealServerKey, Intent> {
        let held = &self.view.held;
        self.held.get_or_insert_with(|| held.iter().map(|it| (it.key, it.intent)).collect())
    }

    fn is_held(&mut self, key: &RealServerKey) -> bool {
        match self.staged.get(key) {
            Some(Some(_)) => true,
            Some(None) => false,
            None => self.held_before().contains_key(key),
        }
    }

    /// Counted, and not kept as a number: only who holds very many pays for it.
    fn count_held(&mut self) -> usize {
        let upper_bound = self.view.held.len() + self.staged.len();
        if upper_bound < STATEMENTS_HELD { upper_bound } else { self.all_held().len() }
    }
}

/// What the grant leaves of `intent`, and the number in force if that is not the one that
/// was asked for.
fn allowed(
    grant: &PolicyGrant,
    key: RealServerKey,
    intent: Intent,
) -> Result<(Intent, Option<u32>), errors::Denial> {
    let denied = |code: &str, message: String| errors::Denial { code: code.to_owned(), message };
    if !grant.services.contains(&key.service) {
        let message = format!("service {} is outside the plugin's grant.services", key.service);
        return Err(denied("service-outside-grant", message));
    }
    let outside = |name: &str| {
        let message = format!("{name} needs the plugin's grant.weights.{name}");
        denied("intent-outside-grant", message)
    };
    let clamped = |asked: u32, given: u32| (given != asked).then_some(given);
    match intent {
        Intent::Base(0) => Err(denied("zero-base", "a base of 0: say drain".to_owned())),
        Intent::Base(asked) => {
            let range = grant.base.as_ref().ok_or_else(|| outside("base"))?;
            let given = asked.min(*range.end()).max(*range.start()).max(1);
            Ok((Intent::Base(given), clamped(asked, given)))
        }
        Intent::Scale(0) => Err(denied("zero-scale", "a scale of 0: say drain".to_owned())),
        Intent::Scale(asked) => {
            let given = grant.scaled(asked).ok_or_else(|| outside("scale"))?;
            Ok((Intent::Scale(given), clamped(asked, given)))
        }
        Intent::Floor(asked) => {
            let given = asked.min(grant.floor.ok_or_else(|| outside("floor"))?);
            Ok((Intent::Floor(given), clamped(asked, given)))
        }
        Intent::Cap(0) => Err(denied("zero-cap", "a cap of 0: say drain".to_owned())),
        Intent::Cap(_) if grant.cap => Ok((intent, None)),
        Intent::Cap(_) => Err(outside("cap")),
        Intent::Drain if grant.drain => Ok((intent, None)),
        Intent::Drain => Err(outside("drain")),
    }
}

fn shortened(reason: &str) -> String {
    let mut reason = printable(reason);
    reason.truncate(reason.floor_char_boundary(REASON_BYTES));
    reason
}
