//! What `check` is given, and what its answer means.

use std::{cell::RefCell, net::IpAddr};

use allocative::Allocative;
use derive_more::Display;
use starlark::{
    environment::{GlobalsBuilder, Methods, MethodsBuilder},
    starlark_module, starlark_simple_value,
    values::{
        Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value,
        ValueLike,
        dict::{AllocDict, UnpackDictEntries},
        none::NoneType,
        starlark_value,
    },
};
use weir_sdk::checker::{self, Error, Outcome, Response, addresses::IpAddress, probe};

thread_local! {
    /// Why a question of the script that failed had no answer.
    static UNREACHED: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Why the last question had no answer, if it had none: a script that asks in vain ends there.
pub(crate) fn unreached() -> Option<Error> {
    UNREACHED.take()
}

fn answered<T>(asked: Result<T, Error>) -> anyhow::Result<T> {
    asked.map_err(|error| {
        let text = match &error {
            Error::Refused => "refused".to_owned(),
            Error::Unreachable => "unreachable".to_owned(),
            Error::Timeout => "timeout".to_owned(),
            Error::Broken => "connection broken".to_owned(),
            Error::Protocol(what) | Error::Local(what) | Error::Invalid(what) => what.clone(),
        };
        UNREACHED.set(Some(error));
        anyhow::anyhow!(text)
    })
}

/// A server to be checked.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("{address}:{port}")]
pub(crate) struct Target {
    #[allocative(skip)]
    address: IpAddr,
    port: u16,
    timeout_ms: u64,
}

impl From<&checker::Target> for Target {
    fn from(target: &checker::Target) -> Self {
        let address = match target.server.address {
            IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
            IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
        };
        Self { address, port: target.server.port, timeout_ms: target.timeout }
    }
}

starlark_simple_value!(Target);
starlark::methods_static!(TARGET = target_methods);

#[starlark_value(type = "target")]
impl<'v> StarlarkValue<'v> for Target {
    fn get_methods() -> Option<&'static Methods> {
        Some(TARGET.methods())
    }
}

#[starlark_module]
fn target_methods(builder: &mut MethodsBuilder) {
    /// The real server's own address.
    #[starlark(attribute)]
    fn address<'v>(this: &Target, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(this.address.to_string()))
    }

    /// The port that is asked.
    #[starlark(attribute)]
    fn port(this: &Target) -> anyhow::Result<u32> {
        Ok(this.port.into())
    }

    /// Milliseconds that the check may take, all of it.
    #[starlark(attribute)]
    fn timeout_ms(this: &Target) -> anyhow::Result<u64> {
        Ok(this.timeout_ms)
    }

    /// Asks by HTTP, over a connection of its own.
    fn http(
        #[starlark(this)] _this: &Target,
        path: &str,
        #[starlark(default = "GET")] method: &str,
        #[starlark(default = UnpackDictEntries::default())] headers: UnpackDictEntries<
            String,
            String,
        >,
        #[starlark(default = "")] body: &str,
    ) -> anyhow::Result<Answer> {
        answered(probe::http(&probe::Request {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: headers.entries,
            body: body.as_bytes().to_vec(),
        }))
        .map(Answer)
    }

    /// Sends a datagram by UDP, and waits for one.
    fn exchange<'v>(
        #[starlark(this)] _this: &Target,
        text: &str,
        heap: Heap<'v>,
    ) -> anyhow::Result<Value<'v>> {
        let datagram = answered(probe::exchange(text.as_bytes()))?;
        Ok(heap.alloc(String::from_utf8_lossy(&datagram).into_owned()))
    }

    /// Connects by TCP.
    fn connect(#[starlark(this)] _this: &Target) -> anyhow::Result<Connection> {
        answered(checker::Connection::connect()).map(Connection)
    }
}

/// An answer by HTTP.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("status {}", _0.status)]
pub(crate) struct Answer(#[allocative(skip)] Response);

starlark_simple_value!(Answer);
starlark::methods_static!(ANSWER = answer_methods);

#[starlark_value(type = "answer")]
impl<'v> StarlarkValue<'v> for Answer {
    fn get_methods() -> Option<&'static Methods> {
        Some(ANSWER.methods())
    }
}

#[starlark_module]
fn answer_methods(builder: &mut MethodsBuilder) {
    /// 100 to 999.
    #[starlark(attribute)]
    fn status(this: &Answer) -> anyhow::Result<u32> {
        Ok(this.0.status.into())
    }

    /// By their names, in small letters.
    #[starlark(attribute)]
    fn headers<'v>(this: &Answer, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let headers = this.0.headers.iter();
        let text = headers.map(|(name, it)| (name.as_str(), String::from_utf8_lossy(it)));
        Ok(heap.alloc(AllocDict(text.map(|(name, it)| (name, it.into_owned())))))
    }

    /// At most 64 KiB of it; what is no text is replaced.
    #[starlark(attribute)]
    fn body<'v>(this: &Answer, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(String::from_utf8_lossy(&this.0.body).into_owned()))
    }
}

/// A connection by TCP.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("a connection")]
pub(crate) struct Connection(#[allocative(skip)] checker::Connection);

starlark_simple_value!(Connection);
starlark::methods_static!(CONNECTION = connection_methods);

#[starlark_value(type = "connection")]
impl<'v> StarlarkValue<'v> for Connection {
    fn get_methods() -> Option<&'static Methods> {
        Some(CONNECTION.methods())
    }
}

#[starlark_module]
fn connection_methods(builder: &mut MethodsBuilder) {
    /// Sends this text, all of it.
    fn write(this: &Connection, text: &str) -> anyhow::Result<NoneType> {
        answered(this.0.write(text.as_bytes())).map(|()| NoneType)
    }

    /// What is there, or comes, at most `max` bytes; "" is the end. What is no text is replaced.
    fn read<'v>(
        this: &Connection,
        #[starlark(default = 65536)] max: u32,
        heap: Heap<'v>,
    ) -> anyhow::Result<Value<'v>> {
        let read = answered(this.0.read(max))?;
        Ok(heap.alloc(String::from_utf8_lossy(&read).into_owned()))
    }
}

/// What a script found.
#[derive(
    Debug, Display, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative,
)]
pub(crate) enum Found {
    #[display("up()")]
    Up,
    #[display("degraded({_0}, {_1:?})")]
    Degraded(u32, String),
    #[display("down({_0:?})")]
    Down(String),
    #[display("inconclusive({_0:?})")]
    Inconclusive(String),
}

starlark_simple_value!(Found);

#[starlark_value(type = "outcome")]
impl<'v> StarlarkValue<'v> for Found {}

/// Functions for checking.
#[starlark_module]
pub(super) fn globals(builder: &mut GlobalsBuilder) {
    /// The server does what it should.
    fn up() -> anyhow::Result<Found> {
        Ok(Found::Up)
    }

    /// It does, and should get this percentage of its weight.
    fn degraded(percent: u32, #[starlark(default = "")] reason: &str) -> anyhow::Result<Found> {
        anyhow::ensure!((1..=99).contains(&percent), "percent is {percent}: expected 1 to 99");
        Ok(Found::Degraded(percent, reason.to_owned()))
    }

    /// It does not.
    fn down(reason: &str) -> anyhow::Result<Found> {
        Ok(Found::Down(reason.to_owned()))
    }

    /// The check cannot tell.
    fn inconclusive(reason: &str) -> anyhow::Result<Found> {
        Ok(Found::Inconclusive(reason.to_owned()))
    }
}

/// The outcome that a script gave.
pub(crate) fn outcome(value: Value<'_>) -> Result<Outcome, String> {
    match value.downcast_ref::<Found>() {
        Some(Found::Up) => Ok(Outcome::Pass),
        Some(Found::Degraded(percent, reason)) => Ok(checker::degraded(*percent, reason)),
        Some(Found::Down(reason)) => Ok(Outcome::Fail(reason.clone())),
        Some(Found::Inconclusive(reason)) => Ok(Outcome::Inconclusive(reason.clone())),
        None => Err(format!(
            "expected up(), degraded(percent, reason), down(reason) or inconclusive(reason), \
             found {}",
            value.get_type()
        )),
    }
}
