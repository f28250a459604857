//! `change`: a real server changed health.

use allocative::Allocative;
use derive_more::Display;
use starlark::{
    environment::{Methods, MethodsBuilder},
    starlark_module, starlark_simple_value,
    values::{
        Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value,
        starlark_value,
    },
};
use weir_sdk::policy::{HealthChange, HealthStatus, RealServerKey};

use super::{
    service::{Server, Service},
    word,
};

/// What happened to a real server.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("{server} is {}", word(*after))]
pub(crate) struct Change {
    #[allocative(skip)]
    server: RealServerKey,
    detail: String,
    #[allocative(skip)]
    before: HealthStatus,
    #[allocative(skip)]
    after: HealthStatus,
    lasted_ms: u64,
}

impl From<&HealthChange> for Change {
    fn from(change: &HealthChange) -> Self {
        Self {
            server: change.server,
            detail: change.detail.clone(),
            before: change.before,
            after: change.after,
            lasted_ms: change.lasted,
        }
    }
}

starlark_simple_value!(Change);
starlark::methods_static!(METHODS = methods);

#[starlark_value(type = "change")]
impl<'v> StarlarkValue<'v> for Change {
    fn get_methods() -> Option<&'static Methods> {
        Some(METHODS.methods())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Which.
    #[starlark(attribute)]
    fn server(this: &Change) -> anyhow::Result<Server> {
        Ok(Server::new(this.server))
    }

    /// Whose.
    #[starlark(attribute)]
    fn service(this: &Change) -> anyhow::Result<Service> {
        Ok(Service::new(this.server.service))
    }

    /// What it was: "unknown", "up" or "down".
    #[starlark(attribute)]
    fn before(this: &Change) -> anyhow::Result<&'static str> {
        Ok(word(this.before))
    }

    /// What it is.
    #[starlark(attribute)]
    fn after(this: &Change) -> anyhow::Result<&'static str> {
        Ok(word(this.after))
    }

    /// What the check saw, for people.
    #[starlark(attribute)]
    fn detail<'v>(this: &Change, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(this.detail.as_str()))
    }

    /// Milliseconds it had been in `before`.
    #[starlark(attribute)]
    fn lasted_ms(this: &Change) -> anyhow::Result<u64> {
        Ok(this.lasted_ms)
    }
}
