//! The releases of `wit/` that are served, each by one module beneath: `since_0_1` serves 0.1.0
//! and every later 0.1.
//!
//! What guests are told, and what they want, are the plain types of this crate, which belong to no
//! release. A module turns those of its release to them and back, and implements the host's
//! functions of that release by what `crate::host` does with ours. All of the crate beside it
//! knows a guest by the role it plays, as one of the traits here.

mod since_0_1;
#[cfg(test)]
mod since_0_2;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use wasmtime::{
    Engine, Store,
    component::{Component, InstancePre, Linker},
};
use wasmtime_wasi::WasiView;

use crate::{
    Birth, Checked, Checking, Envelope, Judgement, Review, Subscription, Weighed, Weighing, World,
    command::Invocation,
    state::{CommandState, PolicyState, State},
    wasi,
};

/// All that are served. The first is what `wit/` says now.
pub(crate) const RELEASES: &[Release] = &[
    since_0_1::RELEASE,
    #[cfg(test)]
    since_0_2::RELEASE,
];

/// An incompatible release, patches and all.
#[derive(Debug)]
pub(crate) struct Release {
    /// Our packages, and what their versions begin with. One that does not change goes from
    /// release to release as it is.
    packages: [(&'static str, &'static str); 3],
    /// Links a plugin to what its worlds may import.
    pub(crate) roles: fn(&Linking<'_>) -> wasmtime::Result<Roles>,
    /// Links a command.
    pub(crate) command: fn(&Linking<'_>) -> wasmtime::Result<Start<CommandState, dyn Runs>>,
}

impl Release {
    /// Whether `name` is the interface `interface` of this release.
    pub(crate) fn has(&self, name: &str, interface: &str) -> bool {
        let (name, version) = name.split_once('@').unwrap_or_default();
        name == interface && self.version(interface).is_some_and(|it| version.starts_with(it))
    }

    /// What the version of this interface begins with.
    fn version(&self, interface: &str) -> Option<&'static str> {
        let (package, _) = interface.split_once('/')?;
        self.packages.iter().find(|it| it.0 == package).map(|it| it.1)
    }

    /// The interface with the first version of it: `weir:plugin/reactor@0.1.0`.
    pub(crate) fn name(&self, interface: &str) -> String {
        format!("{interface}@{}0", self.version(interface).unwrap_or_default())
    }
}

/// As people say it: `weir:plugin 0.1`.
impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (package, version) = self.packages[0];
        write!(f, "{package} {}", version.trim_end_matches('.'))
    }
}

/// A component that is to be linked.
pub(crate) struct Linking<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) component: &'a Component,
    pub(crate) worlds: &'a [World],
    pub(crate) uses_wasi: bool,
    /// Whether it says which roles it plays.
    pub(crate) chooses: bool,
}

impl Linking<'_> {
    fn link<S: State + WasiView>(
        &self,
        link_world: impl FnOnce(&mut Linker<S>) -> wasmtime::Result<()>,
    ) -> wasmtime::Result<InstancePre<S>> {
        let mut linker = Linker::new(self.engine);
        link_world(&mut linker)?;
        if self.uses_wasi {
            wasi::link(&mut linker)?;
        }
        linker.instantiate_pre(self.component)
    }
}

/// The roles of a plugin that is no command.
#[derive(Default)]
pub(crate) struct Roles {
    pub(crate) policy: Option<Start<PolicyState, dyn Reacts>>,
    pub(crate) weigher: Option<Start<PolicyState, dyn Weighs>>,
    pub(crate) guard: Option<Start<PolicyState, dyn Judges>>,
    pub(crate) checker: Option<Start<PolicyState, dyn Checks>>,
    /// Says which of these it plays; none = all.
    pub(crate) chooser: Option<Start<PolicyState, dyn Chooses>>,
}

/// Makes an instance of a guest in the store, for one role.
pub(crate) type Start<S, G> = Arc<dyn Fn(&mut Store<S>) -> wasmtime::Result<Box<G>> + Send + Sync>;

/// What a guest answers, or says where it fails on purpose.
pub(crate) type Answer<T, E = Failed> = wasmtime::Result<Result<T, E>>;

/// A failure that a guest reports on purpose.
pub(crate) struct Failed {
    pub(crate) message: String,
    pub(crate) retryable: bool,
}

/// A policy, a controller too.
pub(crate) trait Reacts: Send {
    fn init(&self, store: &mut Store<PolicyState>, birth: Birth) -> Answer<Subscription>;

    fn handle(&self, store: &mut Store<PolicyState>, batch: &[Envelope]) -> Answer<()>;
}

/// A weigher.
pub(crate) trait Weighs {
    fn weigh(&self, store: &mut Store<PolicyState>, weighing: &Weighing)
    -> Answer<Weighed, String>;
}

/// A guard.
pub(crate) trait Judges {
    fn judge(&self, store: &mut Store<PolicyState>, review: Review) -> wasmtime::Result<Judgement>;
}

/// A checker.
pub(crate) trait Checks {
    fn check(
        &self,
        store: &mut Store<PolicyState>,
        checking: Checking,
    ) -> wasmtime::Result<Checked>;
}

/// What says which roles it plays with the settings of its store.
pub(crate) trait Chooses {
    fn choose(&self, store: &mut Store<PolicyState>) -> Answer<Vec<World>, String>;
}

/// A command.
pub(crate) trait Runs {
    fn run(&self, store: &mut Store<CommandState>, invocation: Invocation) -> wasmtime::Result<u8>;
}
