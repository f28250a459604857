//! Services of a script's own.

use std::net::SocketAddr;

use allocative::Allocative;
use derive_more::Display;
use starlark::{
    collections::StarlarkHasher,
    environment::{GlobalsBuilder, Methods, MethodsBuilder},
    starlark_module, starlark_simple_value,
    values::{
        Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value,
        ValueLike, list_or_tuple::UnpackListOrTuple, none::NoneType, starlark_value,
    },
};
use weir_sdk::policy::{
    self, OwnedService, ServiceKey,
    addresses::Endpoint,
    services::{Protocol, VirtualEndpoint},
};

/// Functions for owning services.
#[starlark_module]
pub(super) fn globals(builder: &mut GlobalsBuilder) {
    /// A service to own: its real servers are pairs of an address and a base weight. Nothing is
    /// done yet.
    fn service(
        name: &str,
        address: &str,
        servers: UnpackListOrTuple<(String, u32)>,
        #[starlark(default = "wlc")] scheduler: &str,
        #[starlark(default = "tcp")] protocol: &str,
    ) -> anyhow::Result<Owned> {
        let servers = servers.items.iter();
        let servers = servers.map(|(at, weight)| Ok(policy::real_server(parsed(at)?, *weight)));
        Ok(Owned(OwnedService {
            real_servers: servers.collect::<anyhow::Result<_>>()?,
            ..policy::service(name, key(address, protocol)?, scheduler)
        }))
    }

    /// Has weir make and keep it, in the place of what was owned at its address.
    fn own(service: &Owned) -> anyhow::Result<NoneType> {
        let ensured = policy::ensure(service.0.clone());
        ensured.map(|()| NoneType).map_err(|failure| anyhow::anyhow!(failure.message))
    }

    /// Gives a service up: its real servers are drained, and then it goes.
    fn give_up(service: &Owned) -> anyhow::Result<NoneType> {
        policy::give_up(&service.0.config.key);
        Ok(NoneType)
    }

    /// All that this plugin owns, in the order of the table.
    fn owned() -> anyhow::Result<Vec<Owned>> {
        Ok(policy::owned().into_iter().map(Owned).collect())
    }
}

fn key(address: &str, protocol: &str) -> anyhow::Result<ServiceKey> {
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        other => anyhow::bail!("protocol is \"{other}\": expected tcp, udp or sctp"),
    };
    let endpoint = Endpoint::from(parsed(address)?);
    Ok(ServiceKey::Vip(VirtualEndpoint { protocol, endpoint }))
}

fn parsed(address: &str) -> anyhow::Result<SocketAddr> {
    address.parse().map_err(|_| {
        anyhow::anyhow!("expected an address and a port, \"10.0.0.1:80\", found \"{address}\"")
    })
}

/// A service to own: the same as another one if both have protocol, address and port in common, as
/// it is in the table.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("{}", _0.config.key)]
pub(crate) struct Owned(#[allocative(skip)] OwnedService);

impl Owned {
    /// None of a firewall mark, which nobody can own.
    fn at(&self) -> Option<VirtualEndpoint> {
        match self.0.config.key {
            ServiceKey::Vip(it) => Some(it),
            ServiceKey::Fwmark(_) => None,
        }
    }
}

starlark_simple_value!(Owned);
starlark::methods_static!(METHODS = methods);

#[starlark_value(type = "owned_service")]
impl<'v> StarlarkValue<'v> for Owned {
    fn get_methods() -> Option<&'static Methods> {
        Some(METHODS.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(other.downcast_ref::<Self>().is_some_and(|it| it.0.config.key == self.0.config.key))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        std::hash::Hash::hash(&self.0.config.key, hasher);
        Ok(())
    }
}

/// What it was made of.
#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// For logs and grants.
    #[starlark(attribute)]
    fn name<'v>(this: &Owned, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(this.0.name.as_str()))
    }

    /// The virtual address and its port.
    #[starlark(attribute)]
    fn address<'v>(this: &Owned, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let address = this.at().map(|it| SocketAddr::from(it.endpoint).to_string());
        Ok(address.map_or_else(Value::new_none, |it| heap.alloc(it)))
    }

    /// Its real servers and their base weights.
    #[starlark(attribute)]
    fn servers<'v>(this: &Owned, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let servers = this.0.real_servers.iter();
        let pairs = servers.map(|it| (SocketAddr::from(it.server).to_string(), it.weight));
        Ok(heap.alloc(pairs.collect::<Vec<_>>()))
    }

    /// The kernel's name of its scheduler.
    #[starlark(attribute)]
    fn scheduler<'v>(this: &Owned, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(this.0.config.scheduler.as_str()))
    }

    /// "tcp", "udp" or "sctp".
    #[starlark(attribute)]
    fn protocol<'v>(this: &Owned, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let protocol = this.at().map(|it| it.protocol.to_string());
        Ok(protocol.map_or_else(Value::new_none, |it| heap.alloc(it)))
    }
}
