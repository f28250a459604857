//! Services and their real servers, as scripts see them.

use std::net::IpAddr;

use allocative::Allocative;
use derive_more::Display;
use starlark::{
    collections::StarlarkHasher,
    environment::{Methods, MethodsBuilder},
    starlark_module, starlark_simple_value,
    values::{
        Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value,
        ValueLike, dict::AllocDict, starlark_value,
    },
};
use weir_sdk::policy::{
    HealthStatus, RealServerKey, ServiceKey, health, labels, real_servers::RealServer, table,
};

use super::word;

/// A service.
#[derive(
    Debug, Display, Clone, Copy, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative,
)]
pub(crate) struct Service(#[allocative(skip)] ServiceKey);

impl Service {
    pub(super) fn new(key: ServiceKey) -> Self {
        Self(key)
    }

    fn real_servers(self) -> Vec<RealServer> {
        let snapshot = table::current();
        snapshot.find(self.0).map_or_else(Vec::new, |number| snapshot.real_servers(number))
    }
}

starlark_simple_value!(Service);
starlark::methods_static!(SERVICE = service_methods);

#[starlark_value(type = "service")]
impl<'v> StarlarkValue<'v> for Service {
    fn get_methods() -> Option<&'static Methods> {
        Some(SERVICE.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(other.downcast_ref::<Self>().is_some_and(|it| it.0 == self.0))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        std::hash::Hash::hash(&self.0, hasher);
        Ok(())
    }
}

#[starlark_module]
fn service_methods(builder: &mut MethodsBuilder) {
    /// What the configuration calls it; None = nothing.
    #[starlark(attribute)]
    fn name<'v>(this: &Service, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(table::name(this.0).map_or_else(Value::new_none, |name| heap.alloc(name)))
    }

    /// Its labels in the configuration, a dictionary.
    #[starlark(attribute)]
    fn labels<'v>(this: &Service, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(AllocDict(labels::of_services(&[this.0]).pop().unwrap_or_default())))
    }

    /// "tcp", "udp" or "sctp"; None of a firewall mark.
    #[starlark(attribute)]
    fn protocol<'v>(this: &Service, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(match this.0 {
            ServiceKey::Vip(it) => heap.alloc(it.protocol.to_string()),
            ServiceKey::Fwmark(_) => Value::new_none(),
        })
    }

    /// The virtual address; None of a firewall mark.
    #[starlark(attribute)]
    fn address<'v>(this: &Service, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(match this.0 {
            ServiceKey::Vip(it) => heap.alloc(IpAddr::from(it.endpoint.address).to_string()),
            ServiceKey::Fwmark(_) => Value::new_none(),
        })
    }

    /// The virtual port; None of a firewall mark.
    #[starlark(attribute)]
    fn port<'v>(this: &Service, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(match this.0 {
            ServiceKey::Vip(it) => heap.alloc(u32::from(it.endpoint.port)),
            ServiceKey::Fwmark(_) => Value::new_none(),
        })
    }

    /// The firewall mark; None of a service with an address.
    #[starlark(attribute)]
    fn fwmark<'v>(this: &Service, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(match this.0 {
            ServiceKey::Vip(_) => Value::new_none(),
            ServiceKey::Fwmark(it) => heap.alloc(it.mark),
        })
    }

    /// Its real servers, in the order of the table.
    #[starlark(attribute)]
    fn servers(this: &Service) -> anyhow::Result<Vec<Server>> {
        let servers = this.real_servers();
        let key = |it: &RealServer| RealServerKey { service: this.0, server: it.config.server };
        let reports = health::current(&Vec::from_iter(servers.iter().map(key)));
        let seen = servers.iter().zip(reports).map(|(server, report)| Server {
            key: report.key,
            seen: Some(Seen::new(Some(server), report.status)),
        });
        Ok(seen.collect())
    }
}

/// A real server.
#[derive(
    Debug, Display, Clone, Copy, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative,
)]
#[display("{key}")]
pub(crate) struct Server {
    #[allocative(skip)]
    key: RealServerKey,
    /// How it is, where that was looked up already.
    seen: Option<Seen>,
}

/// How a real server is now.
#[derive(Debug, Clone, Copy, Allocative)]
struct Seen {
    weight: u32,
    active: u32,
    inactive: u32,
    #[allocative(skip)]
    health: HealthStatus,
}

impl Server {
    /// One that is looked up when it is asked for more than its name: most never are.
    pub(super) fn new(key: RealServerKey) -> Self {
        Self { key, seen: None }
    }

    pub(super) fn key(&self) -> &RealServerKey {
        &self.key
    }

    fn seen(&self) -> Seen {
        self.seen.unwrap_or_else(|| {
            let servers = Service(self.key.service).real_servers();
            let server = servers.iter().find(|it| it.config.server == self.key.server);
            let report = health::current(&[self.key]).pop();
            Seen::new(server, report.map_or(HealthStatus::Unknown, |it| it.status))
        })
    }
}

impl Seen {
    /// All zero for one that the table has no longer.
    fn new(server: Option<&RealServer>, health: HealthStatus) -> Self {
        Self {
            weight: server.map_or(0, |it| it.config.weight),
            active: server.map_or(0, |it| it.active),
            inactive: server.map_or(0, |it| it.inactive),
            health,
        }
    }
}

starlark_simple_value!(Server);
starlark::methods_static!(SERVER = server_methods);

#[starlark_value(type = "server")]
impl<'v> StarlarkValue<'v> for Server {
    fn get_methods() -> Option<&'static Methods> {
        Some(SERVER.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(other.downcast_ref::<Self>().is_some_and(|it| it.key == self.key))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        std::hash::Hash::hash(&self.key, hasher);
        Ok(())
    }
}

#[starlark_module]
fn server_methods(builder: &mut MethodsBuilder) {
    /// Its own address.
    #[starlark(attribute)]
    fn address<'v>(this: &Server, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(IpAddr::from(this.key.server.address).to_string()))
    }

    /// Its own port.
    #[starlark(attribute)]
    fn port(this: &Server) -> anyhow::Result<u32> {
        Ok(this.key.server.port.into())
    }

    /// Whose it is.
    #[starlark(attribute)]
    fn service(this: &Server) -> anyhow::Result<Service> {
        Ok(Service(this.key.service))
    }

    /// Its own labels in the configuration, a dictionary.
    #[starlark(attribute)]
    fn labels<'v>(this: &Server, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(AllocDict(labels::of_real_servers(&[this.key]).pop().unwrap_or_default())))
    }

    /// As the table has it: what all policies together made of it.
    #[starlark(attribute)]
    fn weight(this: &Server) -> anyhow::Result<u32> {
        Ok(this.seen().weight)
    }

    /// Active connections.
    #[starlark(attribute)]
    fn active(this: &Server) -> anyhow::Result<u32> {
        Ok(this.seen().active)
    }

    /// Inactive connections.
    #[starlark(attribute)]
    fn inactive(this: &Server) -> anyhow::Result<u32> {
        Ok(this.seen().inactive)
    }

    /// "unknown", "up" or "down".
    #[starlark(attribute)]
    fn health(this: &Server) -> anyhow::Result<&'static str> {
        Ok(word(this.seen().health))
    }
}
