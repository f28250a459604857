//! Plugins in other modes, and other code in the place of theirs.
//!
//! What a plugin said is the host's, and stays. New code is on probation: if it fails, what
//! was there before comes back, with what that had said.

use weir_ipvs::{RealServerKey, ServiceKey};

use super::{Code, Manager, Now, plugin::Replaced};
use crate::{
    config::{Fallback, Mode},
    formula,
    plan::Claim,
    report::Line,
};

impl Manager {
    /// Has other code take the place of a plugin's, or hears why there is none to be used.
    /// It starts in [`Manager::settle`].
    pub(crate) fn replace(&mut self, name: &str, code: Result<Code, String>) {
        if let Err(report) = code.and_then(|code| self.take_code(name, code)) {
            self.log(refused(name, &report));
        }
    }

    fn take_code(&mut self, name: &str, code: Code) -> Result<(), String> {
        let index = self.plugin_called(name)?;
        let plugin = &mut self.plugins[index];
        if plugin.world() != code.world() {
            return Err(format!(
                "plugin {name} is {}, and what is in its place {}: change its name, too",
                plugin.world(),
                code.world()
            ));
        }
        plugin.replace(code);
        Ok(())
    }

    /// Changes what becomes of what a plugin says.
    ///
    /// Fails if there is no such plugin.
    pub(crate) fn set_mode(&mut self, name: &str, mode: Mode) -> Result<(), String> {
        let index = self.plugin_called(name)?;
        let before = self.plugins[index].mode;
        if before == mode {
            return Ok(());
        }
        self.decide_what_it_reaches(index);
        self.plugins[index].turn(mode);
        if mode == Mode::Off {
            self.statements.drop_all(name);
        }
        self.statements.mute(name, mode == Mode::Shadow);
        self.note_scaled();
        let line = Line::info("plugin-mode").with("plugin", name);
        self.log(line.with("before", before).with("after", mode));
        Ok(())
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
            if !self.plugins[index].is_to_be_replaced() {
                continue;
            }
            let name = self.plugins[index].name.clone();
            let granted = self.plugins[index].grant.resolve(self.world.names(&self.claims));
            let (view, said) = (self.view(now, index), self.statements.said(&name));
            let line = match self.plugins[index].start_next(now, granted, view, said) {
                Some(Replaced::Runs) => {
                    self.statements.end_leases(&name);
                    self.decide_what_it_reaches(index);
                    let then = "if it fails within 60 s, the one before comes back";
                    Line::info("plugin-replaced").with("plugin", name).with("then", then)
                }
                Some(Replaced::Refused(report)) => refused(&name, &report),
                None => continue,
            };
            self.log(line);
        }
    }

    /// The code that was there before comes back.
    pub(super) fn come_back(&mut self, index: usize, report: &str) {
        let plugin = &mut self.plugins[index];
        let name = plugin.name.clone();
        let Some(said) = plugin.come_back(report) else { return };
        self.decide_what_it_reaches(index);
        self.statements.restore(&name, said);
        self.log(
            Line::error("plugin-returned")
                .with("plugin", name)
                .with("applied", "nothing of that call")
                .with("then", "the one before comes back, with what it had said")
                .with("report", report),
        );
    }

    /// Services about which a plugin may have said something are decided anew.
    pub(super) fn decide_what_it_reaches(&mut self, index: usize) {
        let grant = &self.plugins[index].grant;
        let reached = self.claims.iter().filter(|(_, it)| grant.reaches(&it.name));
        self.dirty.extend(reached.map(|(key, _)| *key));
    }

    /// Which services a plugin may scale now.
    pub(super) fn note_scaled(&mut self) {
        for claim in self.claims.values_mut() {
            let scales =
                |it: &super::Plugin| it.mode == Mode::Enforce && it.grant.may_scale(&claim.name);
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
    pub(super) fn tell_shadow(&mut self, name: &str, key: &RealServerKey) {
        let Some(claim) = self.claims.get(&key.service) else { return };
        let Some(server) = claim.servers.get(&key.server) else { return };
        let Some(word) = self.statements.word_of(name, key) else { return };
        let mut words = server.decision.words.clone();
        let (says, reason) = (word.says, word.reason.clone());
        words.push(word);
        let would = formula::weight(&claim.terms(), server.decision.base, &words);
        let shown = |it: Option<u32>| it.map_or_else(|| "absent".to_owned(), |it| it.to_string());
        let line = Line::info("shadow")
            .with("service", key.service)
            .with("server", key.server)
            .with("plugin", name)
            .with("says", says)
            .with("reason", reason)
            .with("weight", shown(server.decision.goal))
            .with("would_be", shown(would));
        self.log(line);
    }
}

/// What is in the place of a plugin's file cannot be used.
fn refused(plugin: &str, report: &str) -> Line {
    Line::error("plugin-refused")
        .with("plugin", plugin)
        .with("then", "the one before goes on")
        .with("report", report)
}
