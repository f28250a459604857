//! Which plugins check servers, for whoever runs the checks.

use std::collections::BTreeMap;

use weir_wasm::World;

use super::{Manager, Now, Output, Plugin};
use crate::{
    config::Mode,
    health::{Checker, CheckerFailure},
};

/// What whoever runs the checks was told last: which plugins check.
pub(super) type Offered = BTreeMap<String, Checker>;

/// What is said of a plugin that a check names and that plays only these roles; none = it checks.
pub(crate) fn idle(roles: &[World]) -> Option<String> {
    (!roles.contains(&World::Checker))
        .then(|| format!("a check names it, and it is no checker: it is {}", World::list(roles)))
}

impl Manager {
    /// A checker failed in one check of many. On probation it gives way to the code before, and is
    /// given up by nothing else: it has no instance to drop, and what one server answers must not
    /// end the checks of the others. People hear of it as of any check that cannot be made.
    pub(super) fn checker_failed(&mut self, now: Now, failure: &CheckerFailure) {
        let runs = |it: &Plugin| {
            it.name == failure.plugin
                && it.checker().is_some_and(|it| it.is_code_of(&failure.checker))
        };
        let found = self.plugins.iter().position(runs);
        if let Some(index) = found.filter(|it| self.plugins[*it].is_on_probation(now)) {
            self.come_back(now, index, &failure.report);
        }
    }

    /// Tells which plugins check now, where that has changed.
    pub(super) fn offer_checkers(&mut self) {
        let offer =
            |it: &Plugin| Some((it.name.clone(), it.checker()?.shadowed(it.mode == Mode::Shadow)));
        let offered: Offered = self.plugins.iter().filter_map(offer).collect();
        let before = std::mem::replace(&mut self.offered, offered);
        for gone in before.keys().filter(|it| !self.offered.contains_key(*it)) {
            self.output.push_back(Output::Checker(gone.clone(), None));
        }
        for (name, offer) in self.offered.iter().filter(|(name, it)| before.get(*name) != Some(it))
        {
            // Before the checks that it makes.
            self.output.push_front(Output::Checker(name.clone(), Some(offer.clone())));
        }
    }
}
