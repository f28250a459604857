//! What plugins say: bounded, cleaned, and handed to whoever keeps logs.

use std::{collections::VecDeque, sync::Arc};

use crate::Limits;

/// How grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the plugin's author, in detail.
    Trace,
    /// For the plugin's author.
    Debug,
    /// Normal and worth knowing.
    Info,
    /// Someone should look.
    Warn,
    /// Something did not work.
    Error,
}

/// One line of a plugin. Free of control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The instance.
    pub plugin: String,
    /// How grave.
    pub level: Level,
    /// The text.
    pub message: String,
    /// Further (key, value) pairs.
    pub fields: Vec<(String, String)>,
}

/// Where lines go. Called in the middle of a guest's call: it must not wait.
pub type LogSink = Arc<dyn Fn(LogLine) + Send + Sync>;
