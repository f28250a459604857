//! When policies are called, and what becomes of what plugins say.

use std::{collections::BTreeSet, time::Duration};

use weir_ipvs::{Fields, Ipvs, ServiceKey};
use weir_wasm::{
    Effect, Event as PolicyEvent, HttpAnswer, HttpCall, HttpFailure, Refusal, Statement, World,
};

use super::{Manager, Now, Output, Plugin, plugin::Remedy, statements::Voice};
use crate::{
    config::{Backend, Mode},
    report::Line,
};

/// How long a policy is told it has when weir stops.
const STOPPING: Duration = Duration::from_secs(1);

impl Manager {
    pub(super) fn stop(&mut self, now: Now) {
        self.tell_policies(now, &PolicyEvent::Stopping(STOPPING));
        for index in 0..self.plugins.len() {
            if let Some(Err(report)) = self.deliver_one(now, index) {
                let line = Line::warn("plugin-failed").with("plugin", &self.plugins[index].name);
                self.log(line.with("report", report));
            }
        }
        self.stopped = true;
        let table = match self.config.backend {
            Backend::Kernel => "left as it is",
            Backend::Embedded(_) => "ends with weir",
        };
        self.log(Line::info("stopped").with("table", table));
    }

    /// Queues an event for every policy that wants it.
    pub(super) fn tell_policies(&mut self, now: Now, event: &PolicyEvent) {
        for (policy, granted) in self.plugins.iter_mut().filter_map(Plugin::policy) {
            policy.queue(granted, now.wall_ns(), event.clone());
        }
    }

    pub(super) fn start_plugins(&mut self, now: Now) {
        let mut has_started = false;
        for index in 0..self.plugins.len() {
            if self.plugins[index].start_at().is_none_or(|it| it > now.monotonic) {
                continue;
            }
            let granted = self.plugins[index].grant.resolve(self.world.names(&self.claims));
            let view = self.view(now, index);
            let plugin = &mut self.plugins[index];
            match plugin.start(granted, view) {
                Ok(()) => {
                    let (name, worlds) = (plugin.name.clone(), World::words(&plugin.worlds()));
                    self.statements.end_leases(&name);
                    self.decide_what_it_reaches(index);
                    self.hush(index);
                    has_started = true;
                    let line = Line::info("plugin-started").with("plugin", name);
                    self.log(line.with("world", worlds));
                }
                Err(report) => self.plugin_failed(now, index, &report),
            }
        }
        if has_started {
            self.plan_weighings(now);
        }
        self.start_replacements(now);
    }

    /// Reads what policies want fresh stats of, if it is time, and queues the event.
    pub(super) fn gather_stats(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        let is_due = |it: &Plugin| {
            let due = it.running_policy().and_then(|it| it.stats_due());
            due.is_some_and(|it| it <= now.monotonic)
        };
        let due: Vec<usize> =
            (0..self.plugins.len()).filter(|it| is_due(&self.plugins[*it])).collect();
        if due.is_empty() {
            return;
        }
        let granted = due.iter().filter_map(|it| self.plugins[*it].granted());
        let granted: Vec<_> = granted.map(|it| &it.services).collect();
        let is_seen = |key: &&ServiceKey| granted.iter().any(|it| it.contains(key));
        let seen: BTreeSet<ServiceKey> = self.claims.keys().filter(is_seen).copied().collect();
        // What cannot be read stays as it was.
        let _ = self.look_at_all(now, ipvs, &seen, Fields::ALL);
        for index in due {
            if let Some((policy, granted)) = self.plugins[index].policy() {
                policy.queue_stats(granted, now.wall_ns(), now.monotonic);
            }
        }
    }

    /// Calls the policies that have something to hear. What they say takes effect only if
    /// the call succeeds.
    pub(super) fn deliver(&mut self, now: Now) {
        for index in 0..self.plugins.len() {
            match self.deliver_one(now, index) {
                Some(Ok(effects)) => {
                    self.plugins[index].succeeded();
                    for effect in effects {
                        self.take_effect(now, index, effect);
                    }
                }
                Some(Err(report)) => self.plugin_failed(now, index, &report),
                None => {}
            }
        }
    }

    /// None = there is nothing that it waits to hear.
    fn deliver_one(&mut self, now: Now, index: usize) -> Option<Result<Vec<Effect>, String>> {
        self.plugins[index].running_policy().filter(|it| it.is_waiting_to_hear())?;
        let view = self.view(now, index);
        let (policy, _) = self.plugins[index].policy()?;
        let result = policy.deliver(view);
        for refusal in policy.take_refusals() {
            self.note_refusal(now, index, refusal);
        }
        Some(result)
    }

    /// Takes note of what a plugin wanted in vain, and tells it once.
    fn note_refusal(&mut self, now: Now, index: usize, refusal: Refusal) {
        if self.server(&refusal.key).is_none() {
            return;
        }
        let name = self.plugins[index].name.clone();
        let line = Line::warn("refused")
            .with("service", refusal.key.service)
            .with("server", refusal.key.server)
            .with("plugin", &name)
            .with("reason", &refusal.why);
        if self.statements.refuse(&name, refusal, now.monotonic) {
            self.log(line);
        }
    }

    fn take_effect(&mut self, now: Now, index: usize, effect: Effect) {
        match effect {
            Effect::Publish(statement) => self.publish(now, index, Voice::Policy, statement),
            Effect::Withdraw(key) => {
                if self.statements.withdraw(&self.plugins[index].name, &key) {
                    self.undecided.insert(key.service);
                }
            }
            Effect::Own(key, owned) => self.take_owned(now, index, key, owned),
            Effect::Call(call) => self.call(now, index, call),
            Effect::Note(key, value) => {
                let name = self.plugins[index].name.clone();
                self.note_entry(&name, key, value);
            }
        }
    }

    /// Has a plugin's request asked. One in shadow may look, and no more.
    fn call(&mut self, now: Now, index: usize, call: HttpCall) {
        let plugin = &mut self.plugins[index];
        if plugin.mode == Mode::Shadow && !call.method.is_safe() {
            let why = format!("{} is not asked while the plugin is in shadow", call.method);
            let answer = HttpAnswer { tag: call.tag, outcome: Err(HttpFailure::Denied(why)) };
            if let Some((policy, granted)) = plugin.policy() {
                policy.queue(granted, now.wall_ns(), PolicyEvent::Answered(answer));
            }
            return;
        }
        plugin.calls_under_way += 1;
        let name = plugin.name.clone();
        self.output.push_back(Output::Call(name, call));
    }

    /// Tells a plugin what became of its request.
    pub(super) fn pass_answer(&mut self, now: Now, name: &str, answer: HttpAnswer) {
        let Some(plugin) = self.plugins.iter_mut().find(|it| it.name == name) else { return };
        plugin.calls_under_way = plugin.calls_under_way.saturating_sub(1);
        match plugin.policy() {
            Some((policy, granted)) => {
                policy.queue(granted, now.wall_ns(), PolicyEvent::Answered(answer));
            }
            // Whoever comes next is told.
            None => plugin.answers.push(answer),
        }
    }

    /// Takes a statement of a plugin, if what it is about is claimed.
    pub(super) fn publish(&mut self, now: Now, index: usize, voice: Voice, statement: Statement) {
        let Plugin { name, grant, .. } = &self.plugins[index];
        let key = statement.key;
        let Some(server) = self.server(&key) else { return };
        let limit = grant.max_step.map(|it| (it, server.found_scale()));
        let name = name.clone();
        if !self.statements.publish(&name, voice, statement, limit, now.monotonic) {
            return;
        }
        self.plugins[index].credit.spend();
        match self.plugins[index].mode {
            Mode::Shadow => self.tell_shadow(&name, &key, voice),
            _ => {
                self.undecided.insert(key.service);
            }
        }
    }

    pub(super) fn plugin_failed(&mut self, now: Now, index: usize, report: &str) {
        let plugin = &mut self.plugins[index];
        let remedy = plugin.fail(now, report);
        let name = plugin.name.clone();
        if remedy == Remedy::Return {
            return self.come_back(now, index, report);
        }
        self.statements.begin_leases(&name, now.monotonic);
        self.decide_what_it_reaches(index);
        self.log(match remedy {
            Remedy::Restart(delay) => Line::warn("plugin-failed")
                .with("plugin", name)
                .with("applied", "nothing of that call")
                .with("restart_in_s", delay.as_secs())
                .with("report", report),
            Remedy::Quarantine => Line::error("plugin-quarantined")
                .with("plugin", name)
                .with("applied", "nothing of that call")
                .with("until", "its file or settings are replaced, or `weir plugin reload`")
                .with("then", "its statements end with their leases")
                .with("report", report),
            Remedy::Return => return,
        });
    }

    pub(super) fn advance_statements(&mut self, now: Now) {
        let expired = self.statements.expire(now.monotonic);
        let moved = self.statements.step(now.monotonic);
        let asked = self.statements.ask_again(now.monotonic);
        let all = expired.into_iter().chain(moved).chain(asked);
        self.undecided.extend(all.map(|it| it.service));
    }
}
