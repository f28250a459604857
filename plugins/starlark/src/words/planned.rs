//! What `judge` is given, and what its answer means.

use std::net::IpAddr;

use allocative::Allocative;
use derive_more::Display;
use starlark::{
    environment::{GlobalsBuilder, Methods, MethodsBuilder},
    starlark_module, starlark_simple_value,
    values::{
        Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value,
        ValueLike, list::AllocList, starlark_value,
    },
};
use weir_sdk::{
    guard::{self, Operation, Origin, PlannedService, RealServerConfig, Review, Verdict},
    policy,
};

use super::service::Service;

/// A change to be judged.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("a change of {} services", review.outcome.len())]
pub(crate) struct Planned {
    #[allocative(skip)]
    review: Review,
}

impl From<&Review> for Planned {
    fn from(review: &Review) -> Self {
        Self { review: review.clone() }
    }
}

starlark_simple_value!(Planned);
starlark::methods_static!(PLANNED = planned_methods);

#[starlark_value(type = "planned_change")]
impl<'v> StarlarkValue<'v> for Planned {
    fn get_methods() -> Option<&'static Methods> {
        Some(PLANNED.methods())
    }
}

#[starlark_module]
fn planned_methods(builder: &mut MethodsBuilder) {
    /// The plugin that wants it; None = an operator.
    #[starlark(attribute)]
    fn plugin<'v>(this: &Planned, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(match &this.review.origin {
            Origin::Plugin(name) => heap.alloc(name.as_str()),
            Origin::Operator => Value::new_none(),
        })
    }

    /// Why it is wanted, for people.
    #[starlark(attribute)]
    fn reason<'v>(this: &Planned, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(this.review.reason.as_str()))
    }

    /// What will be done, in order, in a word each.
    #[starlark(attribute)]
    fn operations<'v>(this: &Planned, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(AllocList(this.review.operations.iter().map(operation))))
    }

    /// Every service that it touches and that will exist afterwards, as it would be.
    #[starlark(attribute)]
    fn services(this: &Planned) -> anyhow::Result<Vec<Outcome>> {
        Ok(this.review.outcome.iter().cloned().map(Outcome).collect())
    }
}

fn operation(operation: &Operation) -> &'static str {
    match operation {
        Operation::AddService(_) => "add-service",
        Operation::EditService(_) => "edit-service",
        Operation::DeleteService(_) => "delete-service",
        Operation::AddServer(_) => "add-server",
        Operation::EditServer(_) => "edit-server",
        Operation::DeleteServer(_) => "delete-server",
        Operation::Zero(_) => "zero",
        Operation::Flush => "flush",
        Operation::SetTimeouts(_) => "set-timeouts",
        Operation::StartDaemon(_) => "start-daemon",
        Operation::StopDaemon(_) => "stop-daemon",
    }
}

/// A service as it would be.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("{}", _0.config.key)]
pub(crate) struct Outcome(#[allocative(skip)] PlannedService);

starlark_simple_value!(Outcome);
starlark::methods_static!(OUTCOME = outcome_methods);

#[starlark_value(type = "planned_service")]
impl<'v> StarlarkValue<'v> for Outcome {
    fn get_methods() -> Option<&'static Methods> {
        Some(OUTCOME.methods())
    }
}

#[starlark_module]
fn outcome_methods(builder: &mut MethodsBuilder) {
    /// The service as it is.
    #[starlark(attribute)]
    fn now(this: &Outcome) -> anyhow::Result<Service> {
        Ok(Service::new(key(this.0.config.key)))
    }

    /// The kernel's name of its scheduler.
    #[starlark(attribute)]
    fn scheduler<'v>(this: &Outcome, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(this.0.config.scheduler.as_str()))
    }

    /// Its real servers, as they would be.
    #[starlark(attribute)]
    fn servers(this: &Outcome) -> anyhow::Result<Vec<OutcomeServer>> {
        Ok(this.0.real_servers.iter().copied().map(OutcomeServer).collect())
    }
}

/// A real server as it would be.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("{}", _0.server)]
pub(crate) struct OutcomeServer(#[allocative(skip)] RealServerConfig);

starlark_simple_value!(OutcomeServer);
starlark::methods_static!(OUTCOME_SERVER = outcome_server_methods);

#[starlark_value(type = "planned_server")]
impl<'v> StarlarkValue<'v> for OutcomeServer {
    fn get_methods() -> Option<&'static Methods> {
        Some(OUTCOME_SERVER.methods())
    }
}

#[starlark_module]
fn outcome_server_methods(builder: &mut MethodsBuilder) {
    /// Its own address.
    #[starlark(attribute)]
    fn address<'v>(this: &OutcomeServer, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(IpAddr::from(this.0.server.address).to_string()))
    }

    /// Its own port.
    #[starlark(attribute)]
    fn port(this: &OutcomeServer) -> anyhow::Result<u32> {
        Ok(this.0.server.port.into())
    }

    /// As the merge of all statements has it.
    #[starlark(attribute)]
    fn weight(this: &OutcomeServer) -> anyhow::Result<u32> {
        Ok(this.0.weight)
    }
}

/// What a script says to a change, if it does not just allow it.
#[derive(
    Debug, Display, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative,
)]
pub(crate) enum Judged {
    #[display("deny({_0:?})")]
    Deny(String),
    #[display("warn({_0:?})")]
    Warn(String),
}

starlark_simple_value!(Judged);

#[starlark_value(type = "verdict")]
impl<'v> StarlarkValue<'v> for Judged {}

/// Functions for judging.
#[starlark_module]
pub(super) fn globals(builder: &mut GlobalsBuilder) {
    /// Nothing of it is done, and whoever wanted it is told why.
    fn deny(reason: &str) -> anyhow::Result<Judged> {
        Ok(Judged::Deny(reason.to_owned()))
    }

    /// It goes on, and people are told.
    fn warn(reason: &str) -> anyhow::Result<Judged> {
        Ok(Judged::Warn(reason.to_owned()))
    }
}

/// The verdict that a script gave.
pub(crate) fn verdict(value: Value<'_>) -> Result<Verdict, String> {
    if value.is_none() {
        return Ok(Verdict::Allow);
    }
    match value.downcast_ref::<Judged>() {
        Some(Judged::Deny(reason)) => Ok(guard::deny("denied", reason.clone())),
        Some(Judged::Warn(reason)) => Ok(Verdict::Warn(reason.clone())),
        None => {
            Err(format!("expected None, deny(reason) or warn(reason), found {}", value.get_type()))
        }
    }
}

/// The same key, as policies have it.
fn key(key: guard::ServiceKey) -> policy::ServiceKey {
    use policy::services as theirs;
    use weir_sdk::guard::services as ours;

    match key {
        ours::ServiceKey::Vip(it) => theirs::ServiceKey::Vip(theirs::VirtualEndpoint {
            protocol: match it.protocol {
                ours::Protocol::Tcp => theirs::Protocol::Tcp,
                ours::Protocol::Udp => theirs::Protocol::Udp,
                ours::Protocol::Sctp => theirs::Protocol::Sctp,
                ours::Protocol::Other(number) => theirs::Protocol::Other(number),
            },
            endpoint: policy::addresses::Endpoint {
                address: match it.endpoint.address {
                    guard::addresses::IpAddress::Ipv4(it) => policy::addresses::IpAddress::Ipv4(it),
                    guard::addresses::IpAddress::Ipv6(it) => policy::addresses::IpAddress::Ipv6(it),
                },
                port: it.endpoint.port,
            },
        }),
        ours::ServiceKey::Fwmark(it) => theirs::ServiceKey::Fwmark(theirs::Fwmark {
            mark: it.mark,
            family: match it.family {
                guard::addresses::AddressFamily::Ipv4 => policy::addresses::AddressFamily::Ipv4,
                guard::addresses::AddressFamily::Ipv6 => policy::addresses::AddressFamily::Ipv6,
            },
        }),
    }
}
