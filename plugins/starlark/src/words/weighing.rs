//! What `weigh` is given, and what its answer means.

use std::{cell::Cell, sync::Arc};

use allocative::Allocative;
use derive_more::Display;
use starlark::{
    environment::{GlobalsBuilder, Methods, MethodsBuilder},
    starlark_module, starlark_simple_value,
    values::{
        Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value,
        ValueLike,
        dict::{AllocDict, DictRef},
        float::UnpackFloat,
        list::ListRef,
        starlark_value,
        tuple::TupleRef,
    },
};
use weir_sdk::weigher::{self, Candidate, HealthStatus, Input, Output};

use super::kept::to_json;

/// The scale of a real server that is left out: no effect.
const NO_EFFECT: u32 = 1000;

/// A service to be weighed.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("{}", input.service.key)]
pub(crate) struct Weighed {
    #[allocative(skip)]
    input: Arc<Input>,
}

impl From<&Input> for Weighed {
    fn from(input: &Input) -> Self {
        Self { input: Arc::new(input.clone()) }
    }
}

starlark_simple_value!(Weighed);
starlark::methods_static!(WEIGHED = weighed_methods);

#[starlark_value(type = "weighed_service")]
impl<'v> StarlarkValue<'v> for Weighed {
    fn get_methods() -> Option<&'static Methods> {
        Some(WEIGHED.methods())
    }
}

#[starlark_module]
fn weighed_methods(builder: &mut MethodsBuilder) {
    /// What the configuration calls it.
    #[starlark(attribute)]
    fn name<'v>(this: &Weighed, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(this.input.name.as_str()))
    }

    /// The kernel's name of its scheduler.
    #[starlark(attribute)]
    fn scheduler<'v>(this: &Weighed, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(this.input.service.scheduler.as_str()))
    }

    /// Its labels there, a dictionary.
    #[starlark(attribute)]
    fn labels<'v>(this: &Weighed, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(AllocDict(this.input.labels.iter().map(|(name, value)| (name, value)))))
    }

    /// Its real servers, in the order of their addresses.
    #[starlark(attribute)]
    fn servers(this: &Weighed) -> anyhow::Result<Vec<Server>> {
        let server = |index| Server { index, input: Arc::clone(&this.input) };
        Ok((0..this.input.candidates.len()).map(server).collect())
    }

    /// Milliseconds since it was weighed before; 0 = this is the first time.
    #[starlark(attribute)]
    fn period_ms(this: &Weighed) -> anyhow::Result<u64> {
        Ok(this.input.period)
    }

    /// Seconds since the Unix epoch.
    #[starlark(attribute)]
    fn unix_s(this: &Weighed) -> anyhow::Result<u64> {
        Ok(this.input.at / 1_000_000_000)
    }

    /// Seconds that local time is ahead of UTC.
    #[starlark(attribute)]
    fn utc_offset_s(this: &Weighed) -> anyhow::Result<i32> {
        Ok(this.input.utc_offset)
    }

    /// What the call before returned to be remembered; None = nothing.
    #[starlark(attribute)]
    fn memo<'v>(this: &Weighed, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        if this.input.memo.is_empty() {
            return Ok(Value::new_none());
        }
        let memo: serde_json::Value = serde_json::from_slice(&this.input.memo)
            .map_err(|error| anyhow::anyhow!("what was remembered cannot be read: {error}"))?;
        Ok(heap.alloc(memo))
    }
}

/// A real server to be weighed.
#[derive(
    Debug, Display, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative,
)]
#[display("{}", self.candidate().server.config.server)]
pub(crate) struct Server {
    #[allocative(skip)]
    input: Arc<Input>,
    /// Its place among the candidates.
    index: usize,
}

impl Server {
    fn candidate(&self) -> &Candidate {
        &self.input.candidates[self.index]
    }
}

starlark_simple_value!(Server);
starlark::methods_static!(SERVER = server_methods);

#[starlark_value(type = "weighed_server")]
impl<'v> StarlarkValue<'v> for Server {
    fn get_methods() -> Option<&'static Methods> {
        Some(SERVER.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(other.downcast_ref::<Self>().is_some_and(|it| it.index == self.index))
    }

    fn write_hash(
        &self,
        hasher: &mut starlark::collections::StarlarkHasher,
    ) -> starlark::Result<()> {
        std::hash::Hash::hash(&self.index, hasher);
        Ok(())
    }
}

#[starlark_module]
fn server_methods(builder: &mut MethodsBuilder) {
    /// Its own address.
    #[starlark(attribute)]
    fn address<'v>(this: &Server, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let address = std::net::IpAddr::from(this.candidate().server.config.server.address);
        Ok(heap.alloc(address.to_string()))
    }

    /// Its own port.
    #[starlark(attribute)]
    fn port(this: &Server) -> anyhow::Result<u32> {
        Ok(this.candidate().server.config.server.port.into())
    }

    /// Its own labels in the configuration, a dictionary.
    #[starlark(attribute)]
    fn labels<'v>(this: &Server, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(AllocDict(this.candidate().labels.iter().map(|(name, value)| (name, value)))))
    }

    /// What it would have if this plugin said nothing: by its agent, degraded checks, slow start and
    /// others; 0 = no new connections.
    #[starlark(attribute)]
    fn unweighed(this: &Server) -> anyhow::Result<u32> {
        Ok(this.candidate().unweighed)
    }

    /// What it has while nobody says anything: scales are thousandths of it.
    #[starlark(attribute)]
    fn base(this: &Server) -> anyhow::Result<u32> {
        Ok(this.candidate().base)
    }

    /// As the kernel has it.
    #[starlark(attribute)]
    fn weight(this: &Server) -> anyhow::Result<u32> {
        Ok(this.candidate().server.config.weight)
    }

    /// Active connections.
    #[starlark(attribute)]
    fn active(this: &Server) -> anyhow::Result<u32> {
        Ok(this.candidate().server.active)
    }

    /// Inactive connections.
    #[starlark(attribute)]
    fn inactive(this: &Server) -> anyhow::Result<u32> {
        Ok(this.candidate().server.inactive)
    }

    /// "unknown", "up" or "down".
    #[starlark(attribute)]
    fn health(this: &Server) -> anyhow::Result<&'static str> {
        Ok(match this.candidate().health {
            HealthStatus::Unknown => "unknown",
            HealthStatus::Up => "up",
            HealthStatus::Down => "down",
        })
    }

    /// Microseconds that the newest probe took; None = it failed, or there was none.
    #[starlark(attribute)]
    fn latency_us<'v>(this: &Server, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(this.candidate().latency.map_or_else(Value::new_none, |it| heap.alloc(it / 1000)))
    }

    /// Connections since the call before.
    #[starlark(attribute)]
    fn new_connections(this: &Server) -> anyhow::Result<u64> {
        Ok(this.candidate().delta.connections)
    }

    /// Bytes from clients since the call before.
    #[starlark(attribute)]
    fn bytes_in(this: &Server) -> anyhow::Result<u64> {
        Ok(this.candidate().delta.bytes_in)
    }

    /// Bytes to clients since the call before.
    #[starlark(attribute)]
    fn bytes_out(this: &Server) -> anyhow::Result<u64> {
        Ok(this.candidate().delta.bytes_out)
    }
}

/// Functions for weighing.
#[starlark_module]
pub(super) fn globals(builder: &mut GlobalsBuilder) {
    /// The stable law by which loads become scales: one number a real server, in their order;
    /// larger is more, None = nothing is known now.
    fn balance<'v>(
        service: &Weighed,
        loads: Value<'v>,
        #[starlark(default = UnpackFloat(0.5))] gain: UnpackFloat,
        heap: Heap<'v>,
    ) -> anyhow::Result<(Vec<u32>, Value<'v>)> {
        let count = service.input.candidates.len();
        let loads = ListRef::from_value(loads)
            .filter(|it| it.len() == count)
            .ok_or_else(|| anyhow::anyhow!("loads: expected a list of {count}, one a server"))?;
        let loads = loads.iter().map(load).collect::<anyhow::Result<Vec<_>>>()?;
        let next = Cell::new(0);
        let signal = |_: &Candidate| loads.get(next.replace(next.get() + 1)).copied().flatten();
        let output =
            weigher::balance(&service.input, gain.0, signal).map_err(anyhow::Error::msg)?;
        Ok((output.scales, heap.alloc(Memo(output.memo))))
    }
}

/// What `balance` is to find in the next call: bytes that go from it to the host as they are, for
/// those of a large service would be most of the work.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("memo of {} bytes", _0.len())]
struct Memo(Vec<u8>);

starlark_simple_value!(Memo);

#[starlark_value(type = "memo")]
impl<'v> StarlarkValue<'v> for Memo {}

fn load(value: Value<'_>) -> anyhow::Result<Option<f64>> {
    if value.is_none() {
        return Ok(None);
    }
    let number = value.to_json_value().ok().and_then(|it| it.as_f64());
    let number = number.filter(|it| *it > 0.0);
    number
        .map(Some)
        .ok_or_else(|| anyhow::anyhow!("loads: {value}: expected a number above 0, or None"))
}

/// The answer that a script gave: scales, as a list in the order of the servers or as a
/// dictionary by server, or a pair of these and what is to be remembered.
pub(crate) fn answer(input: &Input, value: Value<'_>) -> Result<Output, String> {
    let pair = TupleRef::from_value(value).filter(|it| it.len() == 2);
    let (scales, memo) = match pair {
        Some(pair) => (pair.content()[0], pair.content()[1]),
        None => (value, Value::new_none()),
    };
    let memo = if memo.is_none() { Vec::new() } else { remembered(memo)? };
    Ok(Output { scales: scales_of(input, scales)?, memo })
}

fn remembered(memo: Value<'_>) -> Result<Vec<u8>, String> {
    if let Some(balanced) = memo.downcast_ref::<Memo>() {
        return Ok(balanced.0.clone());
    }
    let refused = |error: &dyn std::fmt::Display| format!("cannot remember that: {error}");
    let memo = to_json(memo).map_err(|error| refused(&error))?;
    serde_json::to_vec(&memo).map_err(|error| refused(&error))
}

fn scales_of(input: &Input, value: Value<'_>) -> Result<Vec<u32>, String> {
    let count = input.candidates.len();
    if let Some(list) = ListRef::from_value(value) {
        if list.len() != count {
            return Err(format!("{} scales for {count} servers", list.len()));
        }
        return list.iter().map(scale).collect();
    }
    let Some(by_server) = DictRef::from_value(value) else {
        return Err(format!(
            "expected a list of scales, or a dictionary of them by server, found {}",
            value.get_type()
        ));
    };
    let mut scales = vec![NO_EFFECT; count];
    for (server, value) in by_server.iter() {
        let index = server.downcast_ref::<Server>().map(|it| it.index);
        let place = index.and_then(|it| scales.get_mut(it));
        *place.ok_or_else(|| format!("{server} is none of service.servers"))? = scale(value)?;
    }
    Ok(scales)
}

fn scale(value: Value<'_>) -> Result<u32, String> {
    let number = value.unpack_i32().and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0);
    number.ok_or_else(|| {
        format!("a scale of {value}: expected thousandths of the base weight, 1 or more")
    })
}
