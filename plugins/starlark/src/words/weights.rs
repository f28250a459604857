//! `weights`: what a script says of weights.

use allocative::Allocative;
use derive_more::Display;
use starlark::{
    environment::{Methods, MethodsBuilder},
    starlark_module, starlark_simple_value,
    values::{
        NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, none::NoneType,
        starlark_value,
    },
};
use weir_sdk::policy::{self, Failure};

use super::service::Server;

/// The one value that a script is given to change anything with.
#[derive(
    Debug, Display, Clone, Copy, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative,
)]
#[display("weights")]
pub(crate) struct Weights;

starlark_simple_value!(Weights);
starlark::methods_static!(METHODS = methods);

#[starlark_value(type = "weights")]
impl<'v> StarlarkValue<'v> for Weights {
    fn get_methods() -> Option<&'static Methods> {
        Some(METHODS.methods())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// No new connections until `clear`, whatever others say.
    fn drain(
        #[starlark(this)] _this: &Weights,
        server: &Server,
        #[starlark(default = "")] reason: &str,
    ) -> anyhow::Result<NoneType> {
        said(policy::drain(server.key(), reason))
    }

    /// Multiplies the base weight, in thousandths.
    fn scale(
        #[starlark(this)] _this: &Weights,
        server: &Server,
        thousandths: i64,
        #[starlark(default = "")] reason: &str,
    ) -> anyhow::Result<NoneType> {
        said(policy::scale(server.key(), number("thousandths", thousandths)?, reason))
    }

    /// At least this weight; never lifts a drain.
    fn floor(
        #[starlark(this)] _this: &Weights,
        server: &Server,
        weight: i64,
        #[starlark(default = "")] reason: &str,
    ) -> anyhow::Result<NoneType> {
        said(policy::floor(server.key(), number("weight", weight)?, reason))
    }

    /// At most this weight.
    fn cap(
        #[starlark(this)] _this: &Weights,
        server: &Server,
        weight: i64,
        #[starlark(default = "")] reason: &str,
    ) -> anyhow::Result<NoneType> {
        said(policy::cap(server.key(), number("weight", weight)?, reason))
    }

    /// Takes back what this policy says of the real server.
    fn clear(#[starlark(this)] _this: &Weights, server: &Server) -> anyhow::Result<NoneType> {
        policy::withdraw(server.key());
        Ok(NoneType)
    }
}

fn said(outcome: Result<(), Failure>) -> anyhow::Result<NoneType> {
    outcome.map(|()| NoneType).map_err(|failure| anyhow::anyhow!(failure.message))
}

fn number(name: &str, value: i64) -> anyhow::Result<u32> {
    u32::try_from(value)
        .map_err(|_| anyhow::anyhow!("{name} is {value}: expected 0 to {}", u32::MAX))
}
