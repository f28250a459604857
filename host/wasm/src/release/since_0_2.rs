//! The artificial 0.2 of `tests/compat`, of which there are policies alone: what another release
//! costs, and that it is served beside 0.1.

use std::sync::Arc;

use wasmtime::{
    Store,
    component::{HasSelf, Linker},
};
use weir_ipvs::RealServerKey;

use self::bindings::{
    Policy, PolicyPre,
    exports::weir::plugin::reactor,
    weir::plugin::{
        events,
        intents::{self, Intent},
    },
};
use super::{Answer, Failed, Linking, Reacts, Release, Roles};
use crate::{
    Birth, Envelope, Event, HealthChange, HealthStatus, Subscription, Table,
    bindings::{errors, real_servers},
    host::{self, intents::Wish},
    state::PolicyState,
};

mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/ipvs", "../../wit/deps/host", "../../tests/compat/0.2"],
        world: "weir:plugin/policy",
        imports: { default: trappable },
        with: {
            "weir:ipvs/addresses": crate::bindings::command::weir::ipvs::addresses,
            "weir:ipvs/services": crate::bindings::command::weir::ipvs::services,
            "weir:ipvs/real-servers": crate::bindings::command::weir::ipvs::real_servers,
            "weir:ipvs/schedulers": crate::bindings::command::weir::ipvs::schedulers,
            "weir:ipvs/snapshots": crate::bindings::command::weir::ipvs::snapshots,
            "weir:ipvs/stats": crate::bindings::command::weir::ipvs::stats,
            "weir:ipvs/timeouts": crate::bindings::command::weir::ipvs::timeouts,
            "weir:ipvs/sync": crate::bindings::command::weir::ipvs::sync,
            "weir:ipvs/errors": crate::bindings::command::weir::ipvs::errors,
            "weir:ipvs/table": crate::bindings::policy::weir::ipvs::table,
            "weir:host/log": crate::bindings::command::weir::host::log,
        },
    });
}

pub(super) const RELEASE: Release = Release {
    packages: [("weir:plugin", "0.2."), ("weir:host", "0.1."), ("weir:ipvs", "0.1.")],
    roles,
    command: |_| Err(wasmtime::Error::msg("0.2 has no commands")),
};

fn roles(it: &Linking<'_>) -> wasmtime::Result<Roles> {
    let instance = it.link(|linker: &mut Linker<PolicyState>| {
        host::link_policy(linker)?;
        intents::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    })?;
    let pre = PolicyPre::new(instance)?;
    let policy = Arc::new(move |store: &mut Store<_>| Ok(Box::new(pre.instantiate(store)?) as _));
    Ok(Roles { policy: Some(policy), ..Roles::default() })
}

impl Reacts for Policy {
    fn init(&self, store: &mut Store<PolicyState>, _: Birth) -> Answer<Subscription> {
        let instance = store.data().common.plugin.clone();
        let answer = self.weir_plugin_reactor().call_init(store, &instance)?;
        let subscription = Subscription { health: true, ..Subscription::default() };
        Ok(answer.map(|()| subscription).map_err(failed))
    }

    fn handle(&self, store: &mut Store<PolicyState>, batch: &[Envelope]) -> Answer<()> {
        for envelope in batch {
            let event = event(&envelope.event, &store.data().view.table);
            if let Err(message) = self.weir_plugin_reactor().call_handle(&mut *store, &event)? {
                return Ok(Err(failed(message)));
            }
        }
        Ok(Ok(()))
    }
}

fn failed(message: String) -> Failed {
    Failed { message, retryable: false }
}

fn event(event: &Event, table: &Table) -> reactor::Event {
    let change = |it: &HealthChange| events::HealthChange {
        server: it.server.into(),
        service: table.names.get(&it.server.service).cloned(),
        detail: it.detail.clone(),
    };
    match event {
        Event::Started => reactor::Event::Started,
        Event::Health(it) if it.after == HealthStatus::Down => reactor::Event::Failed(change(it)),
        Event::Health(it) if it.after == HealthStatus::Up => reactor::Event::Recovered(change(it)),
        _ => reactor::Event::Other,
    }
}

impl intents::Host for PolicyState {
    fn publish(
        &mut self,
        key: real_servers::RealServerKey,
        intent: Intent,
        reason: String,
    ) -> wasmtime::Result<Result<Option<u32>, errors::Error>> {
        let intent = match intent {
            Intent::Percent(percent) => crate::Intent::Scale(percent.saturating_mul(10)),
            Intent::Drain => crate::Intent::Drain,
        };
        let wish = Wish { key: key.into(), intent, lease: None, reason };
        Ok(self.stage(wish).map(|clamped| clamped.map(|it| it / 10)))
    }

    fn withdraw(&mut self, key: real_servers::RealServerKey) -> wasmtime::Result<()> {
        self.withdraw_one(RealServerKey::from(key));
        Ok(())
    }
}
