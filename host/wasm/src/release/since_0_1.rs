//! 0.1, which `wit/` says now: `crate::bindings` has its types, `crate::convert` turns them, and
//! `crate::host` implements its functions.

use std::sync::Arc;

use wasmtime::{Store, component::Linker};

use super::{
    Answer, Checks, Chooses, Failed, Judges, Linking, Reacts, Release, Roles, Runs, Start, Weighs,
};
use crate::{
    Birth, Checked, Checking, Envelope, Judgement, Review, Subscription, Weighed, Weighing, World,
    bindings::{
        checker::{Checker, CheckerPre},
        command::{Command, CommandPre},
        failures,
        guard::{Guard, GuardPre},
        policy::{Controller, ControllerPre},
        reactor,
        roles::Played,
        runner::{Runner, RunnerPre},
        weigher::{Weigher, WeigherPre},
    },
    command::Invocation,
    convert, host,
    state::{CommandState, PolicyState},
};

pub(super) const RELEASE: Release = Release {
    packages: [("weir:plugin", "0.1."), ("weir:host", "0.1."), ("weir:ipvs", "0.1.")],
    roles,
    command,
};

/// What starts it in the role of one world.
macro_rules! start {
    ($pre:ident, $instance:expr) => {{
        let pre = $pre::new($instance.clone())?;
        Some(Arc::new(move |store: &mut Store<_>| Ok(Box::new(pre.instantiate(store)?) as Box<_>)))
    }};
}

fn roles(it: &Linking<'_>) -> wasmtime::Result<Roles> {
    let is = |world| it.worlds.contains(&world);
    // What may be imported was looked at before; a policy may what weighers and guards may.
    let instance = it.link(|linker: &mut Linker<PolicyState>| {
        if is(World::Checker) {
            host::link_checker(linker)?;
        }
        if is(World::Controller) {
            host::link_controller(linker)?;
        }
        match it.worlds {
            [World::Weigher | World::Checker] => host::link_common(linker),
            [World::Guard] => host::link_guard(linker),
            _ => host::link_policy(linker),
        }
    })?;
    let mut roles = Roles::default();
    if is(World::Policy) || is(World::Controller) {
        roles.policy = start!(ControllerPre, instance);
    }
    if is(World::Weigher) {
        roles.weigher = start!(WeigherPre, instance);
    }
    if is(World::Guard) {
        roles.guard = start!(GuardPre, instance);
    }
    if is(World::Checker) {
        roles.checker = start!(CheckerPre, instance);
    }
    if it.chooses {
        roles.chooser = start!(RunnerPre, instance);
    }
    Ok(roles)
}

fn command(it: &Linking<'_>) -> wasmtime::Result<Start<CommandState, dyn Runs>> {
    let pre = CommandPre::new(it.link(host::link_command)?)?;
    Ok(Arc::new(move |store| Ok(Box::new(pre.instantiate(store)?))))
}

impl Reacts for Controller {
    fn init(&self, store: &mut Store<PolicyState>, birth: Birth) -> Answer<Subscription> {
        let context = reactor::Context {
            instance: store.data().common.plugin.clone(),
            birth: birth.into(),
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let answer = self.weir_plugin_reactor().call_init(store, &context)?;
        Ok(answer.map(Into::into).map_err(Into::into))
    }

    fn handle(&self, store: &mut Store<PolicyState>, batch: &[Envelope]) -> Answer<()> {
        let batch: Vec<_> = batch.iter().map(Into::into).collect();
        Ok(self.weir_plugin_reactor().call_handle(store, &batch)?.map_err(Into::into))
    }
}

impl From<failures::Failure> for Failed {
    fn from(failure: failures::Failure) -> Self {
        let failures::Failure { message, retryable } = failure;
        Self { message, retryable }
    }
}

impl Weighs for Weigher {
    fn weigh(
        &self,
        store: &mut Store<PolicyState>,
        weighing: &Weighing,
    ) -> Answer<Weighed, String> {
        let state = store.data();
        let utc_offset = state.common.clock.utc_offset(weighing.at_ns);
        let input = convert::weighing_input(weighing, state.config_json.clone(), utc_offset);
        Ok(self.weir_plugin_weighing().call_weigh(store, &input)?.map(Into::into))
    }
}

impl Judges for Guard {
    fn judge(&self, store: &mut Store<PolicyState>, review: Review) -> wasmtime::Result<Judgement> {
        Ok(self.weir_plugin_guarding().call_judge(store, &review.into())?.into())
    }
}

impl Checks for Checker {
    fn check(
        &self,
        store: &mut Store<PolicyState>,
        checking: Checking,
    ) -> wasmtime::Result<Checked> {
        let target = convert::target(checking);
        Ok(self.weir_plugin_checking().call_check(store, &target)?.into())
    }
}

impl Chooses for Runner {
    fn choose(&self, store: &mut Store<PolicyState>) -> Answer<Vec<World>, String> {
        let settings = store.data().config_json.clone();
        let played = self.weir_plugin_roles().call_choose(store, &settings)?;
        Ok(played.map(|played| {
            let all = [
                (Played::POLICY, World::Policy),
                (Played::WEIGHER, World::Weigher),
                (Played::GUARD, World::Guard),
                (Played::CHECKER, World::Checker),
            ];
            all.into_iter().filter(|it| played.contains(it.0)).map(|it| it.1).collect()
        }))
    }
}

impl Runs for Command {
    fn run(&self, store: &mut Store<CommandState>, invocation: Invocation) -> wasmtime::Result<u8> {
        self.weir_plugin_cli().call_run(store, &invocation.into())
    }
}
