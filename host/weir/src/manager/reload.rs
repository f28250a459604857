//! Another configuration, taken over as one: all of it, or nothing.
//!
//! What stays the same keeps its state: verdicts, counters of checks, slow starts, what
//! policies said, what others edited and was taken over or left. What the new configuration does
//! not have is drained, and then removed.

use std::{collections::BTreeSet, fmt, mem, sync::Arc, time::Duration};

use weir_ipvs::{RealServerKey, ServiceKey};

use super::{Code, Manager, Now, Output, Plugin};
use crate::{
    config::{Checks, Config, Difference, Mode, NamedService},
    plan::{self, Claim, Heard, Role, Server},
    problems::Problems,
    report::Line,
};

/// How long a refused configuration waits to be confirmed.
const CONFIRM_WITHIN: Duration = Duration::from_secs(60);

/// Another configuration, with the code of its plugins, in their order.
pub(crate) struct Reload {
    pub(crate) config: Config,
    pub(crate) codes: Vec<Code>,
    /// Plugins whose code is another than before, by name.
    pub(crate) replaced: BTreeSet<String>,
    /// Whether someone said that it may remove as much as it does.
    pub(crate) is_confirmed: bool,
}

/// Why a configuration was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It says another backend, or other settings of it.
    Backend,
    /// It says another socket for commands.
    Socket,
    /// It would remove so many of so many entries: more than half.
    RemovesMost(usize, usize),
    /// It would remove so many of so many entries, and this file of it has no end.
    Unfinished(Arc<str>, usize, usize),
}

/// A configuration that would remove too much to be believed at once.
pub(super) struct Refused {
    config: Config,
    until: Duration,
}

impl Refusal {
    /// Whether it would be taken over if it was confirmed.
    pub(crate) fn can_be_confirmed(&self) -> bool {
        !matches!(self, Self::Backend | Self::Socket)
    }

    fn line(&self) -> Line {
        let then = match self {
            Self::Backend => "nothing is changed; to change them, start weir again",
            Self::Socket => "nothing is changed; to change it, start weir again",
            _ => "nothing is changed; to confirm, reload again within 60 s",
        };
        Line::error("reload-refused").with("reason", self).with("then", then)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend => {
                f.write_str("backend, or its settings, are others than weir runs with")
            }
            Self::Socket => f.write_str("[control] socket is another than weir runs with"),
            Self::RemovesMost(going, owned) => {
                write!(f, "it would remove {going} of {owned} entries")
            }
            Self::Unfinished(file, going, owned) => write!(
                f,
                "the last line of {file} has no end, so it may be cut off, and it would remove \
                 {going} of {owned} entries"
            ),
        }
    }
}

/// What is told of a configuration with mistakes.
pub(crate) fn failed(problems: &Problems) -> Line {
    Line::error("reload-failed").with("then", "nothing is changed").with("report", problems)
}

impl Manager {
    /// Takes over another configuration, and says in what it differs from the one before.
    /// What follows from it happens in [`Manager::settle`].
    ///
    /// One that would remove more than half of what is owned, or anything if it looks cut
    /// off, is refused unless it is confirmed, or comes again within 60 s: it is more likely
    /// a mistake than a wish.
    pub(crate) fn reload(
        &mut self,
        now: Now,
        mut reload: Reload,
    ) -> Result<Vec<Difference>, Refusal> {
        let released = self.join_owned(&mut reload.config);
        let (going, owned) = self.going(&reload.config, &released);
        let refused = self.refused.take();
        let is_confirmed = reload.is_confirmed
            || refused.is_some_and(|it| it.config == reload.config && now.monotonic <= it.until);
        let refusal = self.refusal(&reload.config, going, owned);
        if let Some(refusal) = refusal.filter(|it| !(is_confirmed && it.can_be_confirmed())) {
            if refusal.can_be_confirmed() {
                let until = now.monotonic.saturating_add(CONFIRM_WITHIN);
                self.refused = Some(Refused { config: reload.config, until });
            }
            self.log(refusal.line());
            return Err(refusal);
        }
        let before = mem::replace(&mut self.config, reload.config);
        self.world.label(&self.config.services);
        let differences = self.config.differences_from(&before);
        let roles = |it: &Config| it.globals.sync.iter().map(|it| it.role).collect::<Vec<_>>();
        let stated = roles(&self.config);
        self.ending.extend(roles(&before));
        self.ending.retain(|it| !stated.contains(it));
        self.release_owned(now, released);
        for key in self.claims.keys().copied().collect::<Vec<_>>() {
            self.reclaim(now, key, plan::named(&before, &key));
        }
        self.reload_plugins(&before, reload.codes, &reload.replaced);
        self.undecided.extend(self.claims.keys());
        self.probe_itself_anew(now, &before.self_probes);
        // What is new in the configuration is claimed when the table is read.
        self.next_poll = now.monotonic;
        let services = self.config.services.len() + self.config.matches.len();
        self.log(
            Line::info("reloaded")
                .with("services", services)
                .with("plugins", self.plugins.len())
                .with("changes", differences.len())
                .with("removed", going),
        );
        Ok(differences)
    }

    fn refusal(&self, config: &Config, going: usize, owned: usize) -> Option<Refusal> {
        if config.backend != self.config.backend {
            return Some(Refusal::Backend);
        }
        if config.socket != self.config.socket {
            return Some(Refusal::Socket);
        }
        if going * 2 > owned {
            return Some(Refusal::RemovesMost(going, owned));
        }
        let file = config.unfinished.as_ref().filter(|_| going > 0)?;
        Some(Refusal::Unfinished(Arc::clone(file), going, owned))
    }

    /// Entries of the table that `config` does not have, and all that are owned; those that are
    /// `released` stay.
    fn going(&self, config: &Config, released: &[(String, ServiceKey)]) -> (usize, usize) {
        let (mut going, mut owned) = (0, 0);
        let is_released = |key: &ServiceKey| released.iter().any(|it| it.1 == *key);
        let stated = self.claims.iter().filter(|(_, it)| it.stated.is_some());
        for (key, claim) in stated.filter(|(key, _)| !is_released(key)) {
            let servers = claim.servers.iter().filter(|(_, it)| it.role == Role::Real);
            let all = 1 + servers.clone().count();
            owned += all;
            going += match plan::named(config, key) {
                Some(named) => servers.filter(|(it, _)| !named.servers.contains_key(it)).count(),
                None if plan::matched(config, key).is_some() => 0,
                None => all,
            };
        }
        (going, owned)
    }

    /// Brings a claim in line with the configuration, where the one `before` stated that.
    pub(super) fn reclaim(&mut self, now: Now, key: ServiceKey, before: Option<&NamedService>) {
        let Some(mut claim) = self.claims.remove(&key) else { return };
        self.world.touch(key);
        let check = claim.check.take();
        let is_new_check = match plan::claim(&self.config, &key) {
            Some(new) => {
                claim.take_rules(new, before);
                claim.check != check
            }
            None if claim.stated.is_none() => {
                return self.unclaim(now, key, claim, "no longer in the configuration");
            }
            None => {
                claim.is_leaving = true;
                true
            }
        };
        for (endpoint, mut server) in mem::take(&mut claim.servers) {
            let key = RealServerKey { service: key, server: endpoint };
            let role = server.role;
            if !self.restate(&claim, key, &mut server, before) {
                self.release(key, &server, "no longer in the configuration");
                continue;
            }
            if server.role == Role::Leaving && role != Role::Leaving {
                server.leaving_since = now.monotonic;
            }
            let via = plan::named(&self.config, &key.service).and_then(|it| it.vias.get(&endpoint));
            let had_via = before.and_then(|it| it.vias.get(&endpoint));
            let was_checked = server.watch.is_some();
            if server.role != Role::Real || is_new_check || had_via != via {
                self.unwatch(&mut server);
            }
            if server.role == Role::Real && server.watch.is_none() {
                self.watch(key, &claim, &mut server);
                if !claim.check.as_ref().is_some_and(Checks::has_agent) {
                    server.agent = Heard::default();
                }
                if was_checked && server.watch.is_none() {
                    self.take_for_up(now, key, &server.health);
                }
                if role == Role::Leaving {
                    server.come_back(now.monotonic);
                } else {
                    server.know_anew(now.monotonic);
                }
            }
            claim.servers.insert(endpoint, server);
        }
        self.claims.insert(key, claim);
    }

    /// Gives a claimed server what the configuration states of it now. Whether it stays
    /// claimed, if only until it is drained.
    fn restate(
        &mut self,
        claim: &Claim,
        key: RealServerKey,
        server: &mut Server,
        before: Option<&NamedService>,
    ) -> bool {
        let drift = claim.rules.drift;
        if let Some(named) = plan::named(&self.config, &key.service) {
            let real = named.servers.get(&key.server);
            let sorry = named.sorry.filter(|it| it.endpoint == key.server);
            server.role = match (real, sorry) {
                (Some(_), _) => Role::Real,
                (None, Some(_)) => Role::Sorry,
                // It was only matched: whoever put it there keeps it.
                (None, None) if server.stated.is_none() => return false,
                (None, None) => Role::Leaving,
            };
            if let Some(stated) = real.copied().or(sorry) {
                let before = before.and_then(|it| it.server(&key.server)).copied();
                server.restate(stated, before, drift);
            }
        } else if let Some(matched) = plan::matched(&self.config, &key.service) {
            (server.stated, server.is_given_up) = (None, false);
            server.base = matched.weight.unwrap_or(server.base);
            server.owns_base = matched.weight.is_some();
            server.tolerate(drift, server.tolerated);
            return server.role == Role::Real && matched.claims_server(&key.server);
        } else if claim.is_leaving {
            server.role = Role::Leaving;
        }
        if server.role == Role::Leaving {
            self.statements.forget(&key);
            // If it comes back, it is as the configuration has it then.
            (server.tolerated, server.owns_base) = (None, true);
        }
        server.role != Role::Leaving || server.seen.is_some()
    }

    /// Replaces the plugins. Those with the same code, settings and grant run on, unless
    /// they were given up; what a plugin said stays while it is there.
    fn reload_plugins(&mut self, before: &Config, codes: Vec<Code>, replaced: &BTreeSet<String>) {
        let mut running = mem::take(&mut self.plugins);
        for (plugin, code) in self.config.plugins.iter().zip(codes) {
            let same = running.iter().position(|it| it.name == plugin.name);
            let is_same = before.plugins.contains(plugin);
            let plugin = match same.map(|it| running.swap_remove(it)) {
                Some(mut it) if is_same && replaced.contains(&plugin.name) => {
                    it.replace(code);
                    it
                }
                Some(it) if is_same && !it.is_quarantined() => it,
                _ => {
                    self.statements.forget_refused(&plugin.name);
                    let mut new = Plugin::new(plugin, code);
                    if let Some(mode) = self.ordered_mode(plugin) {
                        new.turn(mode);
                    }
                    new
                }
            };
            self.statements.mute(&plugin.name, plugin.mode == Mode::Shadow);
            self.plugins.push(plugin);
        }
        self.note_scaled();
        self.note_modes();
        for gone in running {
            self.statements.drop_all(&gone.name);
            self.log(Line::info("plugin-removed").with("plugin", &gone.name));
        }
        self.forget_unnamed();
    }

    /// Ends the checks of a real server.
    pub(super) fn unwatch(&mut self, server: &mut Server) {
        if let Some(watch) = server.watch.take() {
            self.output.push_back(Output::Unwatch(watch));
            self.checked -= 1;
        }
    }
}
