//! Plugins in other modes, and other code in the place of theirs.
//!
//! What a plugin said is the host's, and stays. New code is on probation: if it fails, what
//! was there before comes back, with what that had said. A mode that an operator ordered is kept
//! as everything that must survive is, see [`super::memory`]: a plugin that somebody switched off
//! must not come back with a crash.

use std::{collections::BTreeMap, mem, time::Duration};

use weir_ipvs::{RealServerKey, ServiceKey};
use weir_wasm::World;

use super::{Code, Manager, Now, idle, plugin::Past, statements::Voice};
use crate::{
    config::{self, Fallback, Mode},
    formula,
    plan::Claim,
    report::Line,
    store::Changes,
};

/// Before the records of modes.
pub(super) const RECORD: &str = "mode";

/// Modes that operators ordered, by plugin, each with the one that the configuration stated then.
pub(super) type Modes = BTreeMap<String, (Mode, Mode)>;

/// How a plugin stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginStanding {
    /// In the configuration.
    pub(crate) name: String,
    /// The roles it plays.
    pub(crate) worlds: Vec<World>,
    pub(crate) mode: Mode,
    /// `running`, `probation`, `waiting`, `quarantined` or `off`.
    pub(crate) state: &'static str,
    /// Until it is started again, or its probation ends.
    pub(crate) left: Option<Duration>,
    /// How often it failed lately.
    pub(crate) failures: usize,
    /// Statements of it that stand.
    pub(crate) statements: usize,
}

impl Manager {
    /// Has other code take the place of a plugin's, or hears why there is none to be used.
    ///
    /// Fails if it cannot; then what was there goes on.
    pub(crate) fn replace(
        &mut self,
        now: Now,
        name: &str,
        code: Result<Code, String>,
    ) -> Result<PluginStanding, String> {
        let replaced = code.and_then(|code| self.take_code(name, code)).and_then(|index| {
            self.start_replacement(now, index)?;
            Ok(self.standing(now, index))
        });
        if let Err(report) = &replaced {
            self.log(refused(name, report));
        }
        replaced
    }

    /// How plugins stand, in the order in which they are called.
    pub(crate) fn standings(&self, now: Now) -> Vec<PluginStanding> {
        (0..self.plugins.len()).map(|it| self.standing(now, it)).collect()
    }

    fn standing(&self, now: Now, index: usize) -> PluginStanding {
        let plugin = &self.plugins[index];
        let (state, until) = plugin.standing();
        PluginStanding {
            name: plugin.name.clone(),
            worlds: plugin.worlds(),
            mode: plugin.mode,
            state,
            left: until.map(|it| it.saturating_sub(now.monotonic)),
            failures: plugin.failures(),
            statements: self.statements.count(&plugin.name),
        }
    }

    fn take_code(&mut self, name: &str, code: Code) -> Result<usize, String> {
        let index = self.plugin_called(name)?;
        let plugin = &mut self.plugins[index];
        if plugin.mode == Mode::Off {
            return Err(format!("plugin {name} is off: `weir plugin mode {name} enforce` first"));
        }
        if self.config.checks().any(|it| it.kind.plugin() == Some(name))
            && let Some(idle) = idle(&code.worlds())
        {
            return Err(idle);
        }
        plugin.replace(code);
        Ok(index)
    }

    /// Changes what becomes of what a plugin says.
    ///
    /// Fails if there is no such plugin.
    pub(crate) fn set_mode(
        &mut self,
        now: Now,
        name: &str,
        mode: Mode,
    ) -> Result<PluginStanding, String> {
        let index = self.plugin_called(name)?;
        let before = self.plugins[index].mode;
        if before == mode {
            return Ok(self.standing(now, index));
        }
        self.decide_what_it_reaches(index);
        self.plugins[index].turn(mode);
        if mode == Mode::Off {
            self.statements.drop_all(name);
        }
        self.statements.mute(name, mode == Mode::Shadow);
        self.note_scaled();
        self.note_modes();
        let line = Line::info("plugin-mode").with("plugin", name);
        self.log(line.with("before", before).with("after", mode));
        Ok(self.standing(now, index))
    }

    /// The mode that an operator ordered for a plugin, while the configuration states of it what it
    /// did then.
    pub(super) fn ordered_mode(&self, plugin: &config::Plugin) -> Option<Mode> {
        let (ordered, stated) = self.memory.modes.get(&plugin.name)?;
        (*stated == plugin.mode).then_some(*ordered)
    }

    /// Takes note of the modes that are other than stated. Those of plugins that are gone are
    /// forgotten, but not where the configuration looks cut off: the rest may name them.
    pub(super) fn note_modes(&mut self) {
        let mut modes = Modes::new();
        for stated in &self.config.plugins {
            let plugin = self.plugins.iter().find(|it| it.name == stated.name);
            if let Some(plugin) = plugin.filter(|it| it.mode != stated.mode) {
                modes.insert(stated.name.clone(), (plugin.mode, stated.mode));
            }
        }
        let is_named = |name: &str| self.config.plugins.iter().any(|it| it.name == name);
        let is_cut_off = self.config.unfinished.is_some();
        let kept = self.memory.modes.iter().filter(|(name, _)| is_cut_off && !is_named(name));
        modes.extend(kept.map(|(name, mode)| (name.clone(), *mode)));
        let before = mem::replace(&mut self.memory.modes, modes);
        let mut changes = Changes::new();
        for name in before.keys().filter(|it| !self.memory.modes.contains_key(*it)) {
            changes.insert(record_key(name), None);
        }
        let new = self.memory.modes.iter().filter(|(name, it)| before.get(*name) != Some(*it));
        for (name, (ordered, stated)) in new {
            changes.insert(record_key(name), Some(format!("{ordered} {stated}")));
        }
        self.memory.pending.extend(changes);
    }

    /// A mode that an earlier run kept; none = it is not understood.
    pub(super) fn recall_mode(&mut self, plugin: &str, record: &str) -> Option<()> {
        let (ordered, stated) = record.split_once(' ')?;
        let mode: (Mode, Mode) = (ordered.parse().ok()?, stated.parse().ok()?);
        self.memory.modes.insert(plugin.to_owned(), mode);
        Some(())
    }

    /// Plugins have the modes that an earlier run kept.
    pub(super) fn take_up_modes(&mut self) {
        let plugins = self.config.plugins.iter();
        let ordered = plugins.filter_map(|it| Some((it.name.clone(), self.ordered_mode(it)?)));
        for (name, mode) in ordered.collect::<Vec<_>>() {
            if let Some(plugin) = self.plugins.iter_mut().find(|it| it.name == name) {
                plugin.turn(mode);
                self.statements.mute(&name, mode == Mode::Shadow);
            }
        }
        self.note_modes();
    }

    fn plugin_called(&self, name: &str) -> Result<usize, String> {
        let found = self.plugins.iter().position(|it| it.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.plugins.iter().map(|it| it.name.as_str()).collect();
            match names[..] {
                [] => format!("there is no plugin {name}, nor any other"),
                _ => format!("there is no plugin {name}, but {}", names.join(", ")),
            }
        })
    }

    /// Starts code that is to take the place of other.
    pub(super) fn start_replacements(&mut self, now: Now) {
        for index in 0..self.plugins.len() {
            if let Err(report) = self.start_replacement(now, index) {
                self.log(refused(&self.plugins[index].name, &report));
            }
        }
    }

    /// Fails if it does not start.
    fn start_replacement(&mut self, now: Now, index: usize) -> Result<(), String> {
        if !self.plugins[index].is_to_be_replaced() {
            return Ok(());
        }
        let name = self.plugins[index].name.clone();
        let granted = self.plugins[index].grant.resolve(self.world.names(&self.claims));
        let view = self.view(now, index);
        let past = Past {
            said: self.statements.said(&name),
            entries: self.entries_of(&name),
            owned: self.owned_by(&name),
        };
        self.plugins[index].start_next(now, granted, view, past)?;
        self.statements.end_leases(&name);
        self.statements.forget_refused(&name);
        self.decide_what_it_reaches(index);
        self.hush(index);
        self.plan_weighings(now);
        let then = match self.plugins[index].is_on_probation(now) {
            true => "if it fails within 60 s, the one before comes back",
            false => "the one before does not come back, for it did not run",
        };
        self.log(Line::info("plugin-replaced").with("plugin", name).with("then", then));
        Ok(())
    }

    /// The code that was there before comes back.
    pub(super) fn come_back(&mut self, now: Now, index: usize, report: &str) {
        let plugin = &mut self.plugins[index];
        let name = plugin.name.clone();
        let Some(past) = plugin.come_back(report) else { return };
        self.decide_what_it_reaches(index);
        self.statements.restore(&name, past.said);
        self.statements.forget_refused(&name);
        self.restore_entries(&name, &past.entries);
        self.restore_owned(now, index, &past.owned);
        self.log(
            Line::error("plugin-returned")
                .with("plugin", name)
                .with("applied", "nothing of that call")
                .with("then", "the one before comes back, with what it had said")
                .with("report", report),
        );
    }

    /// Drops what a plugin that runs said as what it is no more.
    pub(super) fn hush(&mut self, index: usize) {
        let plugin = &self.plugins[index];
        self.statements.hush(&plugin.name, |voice| match voice {
            Voice::Policy => plugin.running_policy().is_some(),
            Voice::Weigher => plugin.weigher().is_some(),
        });
    }

    /// Services about which a plugin may have said something are decided anew.
    pub(super) fn decide_what_it_reaches(&mut self, index: usize) {
        let grant = &self.plugins[index].grant;
        let reached = self.claims.iter().filter(|(_, it)| grant.reaches(&it.name));
        self.undecided.extend(reached.map(|(key, _)| *key));
    }

    /// Which services a plugin may scale now.
    pub(super) fn note_scaled(&mut self) {
        for claim in self.claims.values_mut() {
            let scales =
                |it: &super::Plugin| it.mode == Mode::Enforce && it.grant.may_steer(&claim.name);
            claim.is_scaled = self.plugins.iter().any(scales);
        }
    }

    /// The plugin that was given up, and for which weir drains what is down in this service.
    pub(super) fn stood_in_for(&self, key: &ServiceKey) -> Option<String> {
        let claim: &Claim = self.claims.get(key)?;
        let given_up = self.plugins.iter().find(|it| {
            it.is_quarantined()
                && it.fallback == Fallback::BuiltinHealth
                && it.grant.reaches(&claim.name)
        });
        given_up.map(|it| it.name.clone())
    }

    /// Tells what a word that has no effect would do.
    pub(super) fn tell_shadow(&mut self, name: &str, key: &RealServerKey, voice: Voice) {
        let Some(claim) = self.claims.get(&key.service) else { return };
        let Some(server) = claim.servers.get(&key.server) else { return };
        let Some(word) = self.statements.word_of(name, key, voice) else { return };
        let mut words = server.decision.words.clone();
        words.extend(self.statements.words_of(name, key));
        let would = formula::weight(&claim.terms(), server.decision.base, &words);
        let shown = |it: Option<u32>| it.map_or_else(|| "absent".to_owned(), |it| it.to_string());
        let line = Line::info("shadow")
            .with("service", key.service)
            .with("server", key.server)
            .with("plugin", name)
            .with("says", word.says)
            .with("reason", word.reason)
            .with("weight", shown(server.decision.goal))
            .with("would_be", shown(would));
        self.log(line);
    }
}

/// The names of plugins have no spaces.
fn record_key(plugin: &str) -> String {
    format!("{RECORD} {plugin}")
}

/// What is in the place of a plugin's file cannot be used.
fn refused(plugin: &str, report: &str) -> Line {
    Line::error("plugin-refused")
        .with("plugin", plugin)
        .with("then", "the one before goes on")
        .with("report", report)
}
