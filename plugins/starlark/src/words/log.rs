//! `log`: lines for people.

use starlark::{environment::GlobalsBuilder, starlark_module, values::none::NoneType};
use weir_sdk::policy::log::{self, Level};

/// Functions for telling people.
#[starlark_module]
pub(super) fn globals(builder: &mut GlobalsBuilder) {
    /// Writes a line to the log.
    fn log(text: &str, #[starlark(default = "info")] level: &str) -> anyhow::Result<NoneType> {
        let level = match level {
            "trace" => Level::Trace,
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warn" => Level::Warn,
            "error" => Level::Error,
            other => {
                anyhow::bail!("level is \"{other}\": expected trace, debug, info, warn or error")
            }
        };
        log::write(level, text, &[]);
        Ok(NoneType)
    }
}
