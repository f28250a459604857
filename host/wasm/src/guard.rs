//! Guards: what they are asked, and what they answer.
//!
//! Plain data, and the handle of a plugin. Which changes are judged, and what becomes of
//! those that are denied, is the manager's matter.

use weir_ipvs::{Change, RealServer, Service};

use crate::{
    Failure, PolicyGrant, View,
    call::guarded,
    maker::Maker,
    release::{Judges, Start},
    state::PolicyState,
};

/// Who wants a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A plugin, by its name.
    Plugin(String),
    /// Someone through weir's commands.
    Operator,
}

/// A change to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Who wants it.
    pub origin: Origin,
    /// Why, for people.
    pub reason: String,
    /// What will be done, in order.
    pub changes: Vec<Change>,
    /// Every service that it touches and that will exist afterwards, with its claimed real
    /// servers.
    pub outcome: Vec<(Service, Vec<RealServer>)>,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Go on.
    Allow,
    /// Go on, and tell people.
    Warn(String),
    /// Nothing of it is done; why.
    Deny(String),
}

/// A guard: a function, called in a fresh instance each time.
pub struct Guard {
    start: Start<PolicyState, dyn Judges>,
    maker: Maker,
}

impl Guard {
    pub(crate) fn new(start: Start<PolicyState, dyn Judges>, maker: Maker) -> Self {
        Self { start, maker }
    }

    /// Judges one change, with what `grant` shows of `view` to look at. Fails if the guest
    /// traps.
    pub fn judge(
        &self,
        grant: PolicyGrant,
        review: Review,
        view: View,
    ) -> Result<Judgement, Failure> {
        let mut store = self.maker.store(view);
        store.data_mut().grant = grant;
        let guest = guarded(&mut store, "start", |store| (self.start)(store))?;
        guarded(&mut store, "judge", |store| guest.judge(store, review))
    }
}
