//! Edits by others: what they changed of ours, and what becomes of it.
//!
//! The configuration says whose word counts, field by field (`drift`). Every finding is
//! told once, whatever becomes of it.

use weir_ipvs::{RealServer, RealServerKey, Service, ServiceKey};

use super::Manager;
use crate::{
    config::{Drift, NamedService, Whose},
    plan::{self, Claim, Role, Server, Tolerated},
    report::Line,
};

impl Manager {
    /// Someone else changed, removed or added a service that the configuration states.
    pub(super) fn service_edited(
        &mut self,
        key: ServiceKey,
        claim: &mut Claim,
        found: Option<&Service>,
    ) {
        let whose = claim.rules.drift.service;
        claim.is_given_up = found.is_none() && whose != Whose::Restore;
        if let (Some(found), Whose::Adopt | Whose::Alert) = (found, whose) {
            claim.stated = Some(found.clone());
        }
        self.log(
            Line::warn("foreign-edit")
                .with("service", key)
                .with("expected", show_service(claim.seen.as_ref()))
                .with("found", show_service(found))
                .with("then", consequence(whose)),
        );
    }

    /// Someone else changed, removed or added a claimed real server.
    pub(super) fn server_edited(
        &mut self,
        key: RealServerKey,
        drift: Drift,
        server: &mut Server,
        found: Option<RealServer>,
    ) {
        let expected = server.seen;
        // What leaves is stated no more: nobody can keep it by an edit.
        let drift = if server.role == Role::Leaving { Drift::RESTORE } else { drift };
        let then = match found {
            None => server.take_removal(drift),
            Some(found) => server.take_edit(drift, found),
        };
        let Some(then) = then else { return };
        self.log(
            Line::warn("foreign-edit")
                .with("service", key.service)
                .with("server", key.server)
                .with("expected", plan::show(expected))
                .with("found", plan::show(found))
                .with("then", then),
        );
    }
}

impl Server {
    fn take_removal(&mut self, drift: Drift) -> Option<&'static str> {
        self.is_given_up = drift.servers != Whose::Restore;
        Some(consequence(drift.servers))
    }

    /// What becomes of it; none = nothing of it is weir's.
    fn take_edit(&mut self, drift: Drift, found: RealServer) -> Option<&'static str> {
        self.is_given_up = false;
        let mut then = None;
        if let Some(stated) = self.stated_now()
            && (RealServer { weight: found.weight, ..stated }) != found
        {
            then = Some(consequence(drift.servers));
            if drift.servers != Whose::Restore {
                self.take_over(found);
            }
        }
        if self.seen.map(|it| it.weight) == Some(found.weight) {
            return then;
        }
        if !self.owns_base {
            self.take_base(found.weight);
            return Some("taken as its base weight");
        }
        if drift.weight == Whose::Alert {
            let (weight, goal, base) = (found.weight, self.decision.goal, self.base);
            let tolerated = Tolerated { weight, goal, base };
            (self.weight, self.tolerated) = (Some(found.weight), Some(tolerated));
            if tolerated.takes_out() {
                return Some("left out until `weir ready`");
            }
        }
        Some(match drift.weight {
            // Nobody else sets a base that is weir's.
            Whose::Adopt => consequence(Whose::Restore),
            it => consequence(it),
        })
    }

    /// It is to be as it was found, its weight apart.
    pub(super) fn take_over(&mut self, found: RealServer) {
        if let Some(stated) = &mut self.stated {
            *stated = RealServer { weight: stated.weight, ..found };
        }
    }

    /// Whether it is to be otherwise than the configuration has it, its weight apart.
    pub(super) fn is_taken_over(&self, named: &NamedService) -> bool {
        let Some(stated) = &self.stated else { return false };
        named.server(&stated.endpoint).is_some_and(|it| it != stated)
    }
}

fn consequence(whose: Whose) -> &'static str {
    match whose {
        Whose::Restore => "restored",
        Whose::Adopt => "taken over",
        Whose::Alert => "left until weir has something of its own to write",
    }
}

fn show_service(service: Option<&Service>) -> String {
    let Some(service) = service else { return "absent".to_owned() };
    let mut words = format!("scheduler {}", service.scheduler);
    if let Some(seconds) = service.persistence {
        words += &format!(", persistence {seconds}s");
    }
    if service.flags.bits() != 0 {
        words += &format!(", flags {:#x}", service.flags.bits());
    }
    words
}
