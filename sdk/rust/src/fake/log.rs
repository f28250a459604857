//! The log, as a fake host keeps it.

pub use super::super::weir::host::log::*;
use super::look;

pub fn write(level: Level, message: &str, fields: &[(String, String)]) {
    let level = match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let fields: String = fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
    look(|it| it.log.push(format!("{level}: {message}{fields}")));
}
