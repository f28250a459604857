//! When plugins are called, and what becomes of what they say.

use std::time::Duration;

use weir_wasm::{Effect, Event as PolicyEvent};

use super::{Manager, Now, Policy, Statements, policy::Remedy};
use crate::report::Line;

/// How long a policy is told it has when weir stops.
const STOPPING: Duration = Duration::from_secs(1);

impl Manager {
    pub(super) fn stop(&mut self, now: Now) {
        for policy in &mut self.policies {
            policy.queue(now.wall_ns(), PolicyEvent::Stopping(STOPPING));
        }
        for index in 0..self.policies.len() {
            let view = self.view(now, index);
            let policy = &mut self.policies[index];
            if let Err(report) = policy.deliver(view) {
                let line = Line::warn("plugin-failed").with("plugin", &policy.name);
                self.log(line.with("report", report));
            }
        }
        self.stopped = true;
        self.log(Line::info("stopped").with("table", "left as it is"));
    }

    pub(super) fn start_policies(&mut self, now: Now) {
        for index in 0..self.policies.len() {
            if self.policies[index].start_at().is_none_or(|it| it > now.monotonic) {
                continue;
            }
            let granted = self.policies[index].grant.resolve(self.world.names(&self.claims));
            let view = self.view(now, index);
            let policy = &mut self.policies[index];
            match policy.start(granted, view) {
                Ok(()) => {
                    let name = policy.name.clone();
                    self.statements.end_leases(&name);
                    self.log(Line::info("plugin-started").with("plugin", name));
                }
                Err(report) => self.policy_failed(now, index, &report),
            }
        }
    }

    /// Calls the policies that have something to hear. What they say takes effect only if
    /// the call succeeds.
    pub(super) fn deliver(&mut self, now: Now) {
        for index in 0..self.policies.len() {
            if !self.policies[index].is_waiting_to_hear() {
                continue;
            }
            let view = self.view(now, index);
            match self.policies[index].deliver(view) {
                Ok(effects) => {
                    for effect in effects {
                        self.take_effect(now, index, effect);
                    }
                }
                Err(report) => self.policy_failed(now, index, &report),
            }
        }
    }

    fn take_effect(&mut self, now: Now, index: usize, effect: Effect) {
        let Policy { name, grant, .. } = &self.policies[index];
        let (key, is_new) = match effect {
            Effect::Publish(statement) => {
                let key = statement.key;
                let is_ours = self.server(&key).is_some();
                let publish = |it: &mut Statements| {
                    it.publish(name, statement, grant.max_step, now.monotonic)
                };
                (key, is_ours && publish(&mut self.statements))
            }
            Effect::Withdraw(key) => (key, self.statements.withdraw(name, &key)),
        };
        if is_new {
            self.dirty.insert(key.service);
        }
    }

    fn policy_failed(&mut self, now: Now, index: usize, report: &str) {
        let policy = &mut self.policies[index];
        let remedy = policy.fail(now, report);
        let name = policy.name.clone();
        self.statements.begin_leases(&name, now.monotonic);
        self.dirty.extend(self.statements.held(&name).iter().map(|it| it.key.service));
        self.log(match remedy {
            Remedy::Restart(delay) => Line::warn("plugin-failed")
                .with("plugin", name)
                .with("applied", "nothing of that call")
                .with("restart_in_s", delay.as_secs())
                .with("report", report),
            Remedy::Quarantine => Line::error("plugin-quarantined")
                .with("plugin", name)
                .with("applied", "nothing of that call")
                .with("until", "its file or settings are replaced and weir reloads; its statements end with their leases")
                .with("report", report),
        });
    }

    pub(super) fn advance_statements(&mut self, now: Now) {
        let expired = self.statements.expire(now.monotonic);
        let moved = self.statements.step(now.monotonic);
        self.dirty.extend(expired.into_iter().chain(moved).map(|it| it.service));
    }
}
