//! What plugins say: bounded, cleaned, and handed to whoever keeps logs.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

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

/// Lines kept for the report of a trap.
const LAST_WORDS: usize = 5;

/// The log of one instance: limits, cleans and passes on.
///
/// Its words are behind a lock, because the streams of WASI write to it too; they do so within
/// calls of the same guest, so that nobody ever waits for it.
pub(crate) struct Log {
    outlet: Arc<Outlet>,
    last_words: Mutex<VecDeque<String>>,
    /// Where the guest is, if it says so.
    place: Mutex<Option<String>>,
}

/// Where the lines of all instances of one plugin go, and what limits them.
struct Outlet {
    sink: LogSink,
    plugin: String,
    lines_per_second: u32,
    line_bytes: usize,
    flow: Mutex<Flow>,
}

struct Flow {
    /// Lines that may pass now, in thousandths.
    credit: u64,
    credited_at: Duration,
    dropped: u64,
}

impl Log {
    pub(crate) fn new(plugin: &str, limits: &Limits, sink: LogSink) -> Self {
        let outlet = Arc::new(Outlet {
            sink,
            plugin: plugin.to_owned(),
            lines_per_second: limits.log_lines_per_second,
            line_bytes: limits.log_line_bytes,
            flow: Mutex::new(Flow {
                credit: u64::from(limits.log_lines_per_second) * 1000,
                credited_at: Duration::ZERO,
                dropped: 0,
            }),
        });
        Self { outlet, last_words: Mutex::default(), place: Mutex::default() }
    }

    /// That of another instance of the plugin, which has said nothing yet: what limits them is
    /// one, and each has last words of its own, for several may run at a time.
    pub(crate) fn of_another(&self) -> Self {
        let outlet = Arc::clone(&self.outlet);
        Self { outlet, last_words: Mutex::default(), place: Mutex::default() }
    }

    /// Writes one line, or drops and counts it. `now` is a monotonic time.
    pub(crate) fn write(
        &self,
        now: Duration,
        level: Level,
        message: &str,
        fields: &[(String, String)],
    ) {
        let outlet = &*self.outlet;
        let mut room = outlet.line_bytes;
        let message = clean(message, &mut room);
        let fields = fields
            .iter()
            .map_while(|(key, value)| {
                (room > 0).then(|| (clean(key, &mut room), clean(value, &mut room)))
            })
            .collect();
        self.remember(level, &message);
        let admitted = {
            let mut flow = outlet.flow.lock().unwrap_or_else(PoisonError::into_inner);
            flow.admit(now, outlet.lines_per_second)
        };
        let Some(dropped) = admitted else { return };
        if dropped > 0 {
            let message =
                format!("{dropped} lines dropped: more than {} a second", outlet.lines_per_second);
            outlet.pass(Level::Warn, message, Vec::new());
        }
        outlet.pass(level, message, fields);
    }

    /// Keeps where the guest is, for the report of a trap: a loop that is ended from outside
    /// has no other way to tell. Nobody else reads it, so it needs no limit but that of a line.
    pub(crate) fn place(&self, fields: &[(String, String)]) {
        let text = fields.iter().map(|(key, value)| format!("{key} {value}"));
        let text = text.collect::<Vec<_>>().join(", ");
        let mut room = self.outlet.line_bytes;
        let place = (!text.is_empty()).then(|| clean(&text, &mut room));
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    /// What was said last, oldest first, whether it passed or not; and where the guest is.
    pub(crate) fn last_words(&self) -> Vec<String> {
        let last_words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        last_words.iter().chain(place.iter()).cloned().collect()
    }

    fn remember(&self, level: Level, message: &str) {
        if level < Level::Warn {
            return;
        }
        let mut last_words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        if last_words.len() == LAST_WORDS {
            last_words.pop_front();
        }
        last_words.push_back(message.to_owned());
    }
}

impl Outlet {
    fn pass(&self, level: Level, message: String, fields: Vec<(String, String)>) {
        (self.sink)(LogLine { plugin: self.plugin.clone(), level, message, fields });
    }
}

impl Flow {
    /// The number of lines dropped before this one; none = this one is, too.
    fn admit(&mut self, now: Duration, lines_per_second: u32) -> Option<u64> {
        let rate = u64::from(lines_per_second);
        let since = now.saturating_sub(self.credited_at);
        let earned = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_mul(rate);
        if earned > 0 {
            self.credit = self.credit.saturating_add(earned).min(rate * 1000);
            self.credited_at = now;
        }
        if self.credit < 1000 {
            self.dropped += 1;
            return None;
        }
        self.credit -= 1000;
        Some(std::mem::take(&mut self.dropped))
    }
}

/// Words of others without what a terminal would obey.
pub fn printable(text: &str) -> String {
    let mut room = usize::MAX;
    clean(text, &mut room)
}

/// `text` without what a terminal would obey, and no longer than `room` bytes, which it
/// uses up.
fn clean(text: &str, room: &mut usize) -> String {
    let mut cleaned = String::with_capacity(text.len().min(*room));
    for character in text.chars() {
        let before = cleaned.len();
        if is_unsafe_to_print(character) {
            cleaned.extend(character.escape_default());
        } else {
            cleaned.push(character);
        }
        if cleaned.len() > *room {
            cleaned.truncate(before);
            cleaned.push('…');
            *room = 0;
            return cleaned;
        }
    }
    *room -= cleaned.len();
    cleaned
}

/// Control characters, and those that turn the direction of text.
pub fn is_unsafe_to_print(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_clean(text: &str, room: usize, expected: &str) {
        let mut left = room;
        assert_eq!(clean(text, &mut left), expected);
    }

    #[test]
    fn lines_are_cleaned_and_cut() {
        check_clean("plain ü", 100, "plain ü");
        check_clean("a\nb\u{1b}[2J", 100, "a\\nb\\u{1b}[2J");
        check_clean("\u{202e}abc", 100, "\\u{202e}abc");
        check_clean("abcdef", 3, "abc…");
        check_clean("abü", 3, "ab…");
        check_clean("ab\n", 3, "ab…");
    }

    fn log(lines_per_second: u32) -> (Log, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let sink: LogSink = Arc::new(move |line: LogLine| kept.lock().unwrap().push(line.message));
        let limits = Limits { log_lines_per_second: lines_per_second, ..Limits::for_policy() };
        (Log::new("test", &limits, sink), lines)
    }

    #[test]
    fn a_flood_is_dropped_and_counted() {
        let (log, lines) = log(2);
        let at = Duration::from_secs;
        for text in ["a", "b", "c", "d"] {
            log.write(at(10), Level::Info, text, &[]);
        }
        log.write(at(11), Level::Info, "e", &[]);
        assert_eq!(
            *lines.lock().unwrap(),
            ["a", "b", "2 lines dropped: more than 2 a second", "e"]
        );
    }

    #[test]
    fn no_line_passes_where_none_may() {
        let (log, lines) = log(0);
        log.write(Duration::from_secs(5), Level::Error, "a", &[]);
        assert!(lines.lock().unwrap().is_empty());
        assert_eq!(log.last_words(), ["a"], "what was dropped still explains a trap");
    }

    #[test]
    fn instances_share_a_limit_and_no_last_words() {
        let (log, lines) = log(2);
        let other = log.of_another();
        for (log, text) in [(&log, "a"), (&other, "b"), (&log, "c")] {
            log.write(Duration::ZERO, Level::Error, text, &[]);
        }
        assert_eq!(
            (log.last_words(), other.last_words()),
            (vec!["a".into(), "c".into()], vec!["b".into()])
        );
        assert_eq!(*lines.lock().unwrap(), ["a", "b"]);
    }

    #[test]
    fn the_last_words_are_the_grave_ones() {
        let (log, _) = log(20);
        log.write(Duration::ZERO, Level::Info, "chatter", &[]);
        for number in 0..7 {
            log.write(Duration::ZERO, Level::Error, &number.to_string(), &[]);
        }
        assert_eq!(log.last_words(), ["2", "3", "4", "5", "6"]);
    }

    #[test]
    fn the_newest_place_comes_last_and_is_no_line() {
        let (log, lines) = log(20);
        log.place(&[("at".into(), "a.star:1: x = 1".into())]);
        log.place(&[("at".into(), "a.star:2: y\t=".into()), ("turn".into(), "7".into())]);
        log.write(Duration::ZERO, Level::Error, "a", &[]);
        assert_eq!(log.last_words(), ["a", "at a.star:2: y\\t=, turn 7"]);
        log.place(&[]);
        assert_eq!(log.last_words(), ["a"]);
        assert_eq!(*lines.lock().unwrap(), ["a"]);
    }
}
