//! Services of a script's own.

use std::net::SocketAddr;

use starlark::{
    environment::GlobalsBuilder,
    starlark_module,
    values::{Heap, Value, dict::UnpackDictEntries, none::NoneType},
};
use weir_sdk::policy::{
    self, OwnedService, ServiceKey,
    addresses::Endpoint,
    services::{Protocol, VirtualEndpoint},
};

/// Functions for owning services.
#[starlark_module]
pub(super) fn globals(builder: &mut GlobalsBuilder) {
    /// Has weir make and keep a service: its real servers are addresses with their base weights.
    fn own(
        name: &str,
        address: &str,
        servers: UnpackDictEntries<String, u32>,
        #[starlark(default = "wlc")] scheduler: &str,
        #[starlark(default = "tcp")] protocol: &str,
    ) -> anyhow::Result<NoneType> {
        let servers = servers.entries.into_iter();
        let servers = servers.map(|(at, weight)| Ok(policy::real_server(parsed(&at)?, weight)));
        let owned = OwnedService {
            real_servers: servers.collect::<anyhow::Result<_>>()?,
            ..policy::service(name, key(address, protocol)?, scheduler)
        };
        let ensured = policy::ensure(owned);
        ensured.map(|()| NoneType).map_err(|failure| anyhow::anyhow!(failure.message))
    }

    /// Gives a service up: its real servers are drained, and then it goes.
    fn give_up(
        address: &str,
        #[starlark(default = "tcp")] protocol: &str,
    ) -> anyhow::Result<NoneType> {
        policy::give_up(&key(address, protocol)?);
        Ok(NoneType)
    }

    /// The addresses of what this plugin owns, in the order of the table.
    fn owned<'v>(heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let owned = policy::owned().into_iter();
        let addresses = owned.filter_map(|it| match it.config.key {
            ServiceKey::Vip(it) => Some(SocketAddr::from(it.endpoint).to_string()),
            ServiceKey::Fwmark(_) => None,
        });
        Ok(heap.alloc(addresses.collect::<Vec<_>>()))
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
