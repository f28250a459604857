//! What the daemon tells people: one line for each thing that happened.
//!
//! `TIME LEVEL EVENT key=value ..`, on stderr, where a service manager collects it. Values
//! with anything but plain characters are quoted, so that a line stays a line.

#[cfg(test)]
mod events;

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    time::Duration,
};

use weir_wasm::{Level, is_unsafe_to_print};

/// Fields of a line, and bytes of their values, for which there is room at once: most have fewer.
const ROOM: (usize, usize) = (6, 128);

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    level: Level,
    event: &'static str,
    /// Keys, and where in `values` the value of each ends. Tens of thousands of lines are told
    /// at once when a big table is filled: what is apart costs an allocation each.
    keys: Vec<(Cow<'static, str>, usize)>,
    values: String,
}

impl Line {
    /// Normal and worth knowing.
    pub(crate) fn info(event: &'static str) -> Self {
        Self::new(Level::Info, event)
    }

    /// Someone should look.
    pub(crate) fn warn(event: &'static str) -> Self {
        Self::new(Level::Warn, event)
    }

    /// Something did not work.
    pub(crate) fn error(event: &'static str) -> Self {
        Self::new(Level::Error, event)
    }

    /// What happened.
    pub(crate) fn event(&self) -> &'static str {
        self.event
    }

    /// About what: keys and their values, in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let starts = [0].into_iter().chain(self.keys.iter().map(|it| it.1));
        let values = starts.zip(&self.keys).map(|(start, it)| &self.values[start..it.1]);
        self.keys.iter().map(|it| &*it.0).zip(values)
    }

    /// The same, to be kept.
    pub(crate) fn fields_owned(&self) -> Vec<(String, String)> {
        self.fields().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// The value of one field.
    pub(crate) fn field(&self, key: &str) -> Option<&str> {
        self.fields().find(|it| it.0 == key).map(|it| it.1)
    }

    pub(crate) fn new(level: Level, event: &'static str) -> Self {
        let (keys, values) = (Vec::with_capacity(ROOM.0), String::with_capacity(ROOM.1));
        Self { level, event, keys, values }
    }

    /// With one more field.
    pub(crate) fn with(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl fmt::Display,
    ) -> Self {
        write!(self.values, "{value}").expect("a string takes all that is written");
        self.keys.push((key.into(), self.values.len()));
        self
    }

    /// How much it matters, as a word.
    pub(crate) fn level(&self) -> &'static str {
        match self.level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }

    /// The line as systemd's journal takes it: its level as a number of syslog(3) in angle
    /// brackets, and no time.
    pub(crate) fn for_journal(&self) -> String {
        let priority = match self.level {
            Level::Trace | Level::Debug => 7,
            Level::Info => 6,
            Level::Warn => 4,
            Level::Error => 3,
        };
        format!("<{priority}>{self}")
    }

    /// The line as it is written at this time, by RFC 3339.
    pub(crate) fn at(&self, time: &str) -> String {
        format!("{time} {:5} {self}", self.level())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.event)?;
        for (key, value) in self.fields() {
            write!(f, " {}=", Quoted(key))?;
            write!(f, "{}", Quoted(value))?;
        }
        Ok(())
    }
}

/// A value as it stands in a line: bare, if nothing in it could be mistaken.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |it: char| it.is_ascii_graphic() && !matches!(it, '"' | '=' | '\\');
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\n' => f.write_str("\\n")?,
                it if is_unsafe_to_print(it) => write!(f, "{}", it.escape_default())?,
                it => f.write_char(it)?,
            }
        }
        f.write_char('"')
    }
}

/// `2026-11-22T16:00:00.123Z`, of a time since the Unix epoch.
pub(crate) fn rfc3339(wall: Duration) -> String {
    let seconds = wall.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let ms = wall.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Year, month and day of a number of days since 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: u64, expected: &str) {
        assert_eq!(rfc3339(Duration::from_secs(seconds)), expected);
    }

    #[test]
    fn times_are_written_as_calendars_have_them() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400, "2000-02-29T00:00:00.000Z");
        check(1_767_225_599, "2025-12-31T23:59:59.000Z");
        check(4_107_542_400, "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn the_journal_is_told_the_level_and_knows_the_time() {
        assert_eq!(Line::warn("panic").with("a", 1).for_journal(), "<4>panic a=1");
    }

    #[test]
    fn a_line_stays_a_line() {
        let line = Line::warn("plugin-failed")
            .with("plugin", "x")
            .with("report", "a \"b\"\n\u{1b}[2J\u{202e}c")
            .with("empty", "");
        assert_eq!(
            line.at(&rfc3339(Duration::from_millis(1))),
            "1970-01-01T00:00:00.001Z warn  plugin-failed plugin=x \
             report=\"a \\\"b\\\"\\n\\u{1b}[2J\\u{202e}c\" empty=\"\""
        );
    }
}
