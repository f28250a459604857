//! Where lines of the log go: to stderr as whoever reads it understands them, to those who
//! follow, and to the decision log.

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    slice,
    sync::{
        LazyLock,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;

use super::{clock::wall, keeper};
use crate::{
    config::{Config, LogPlace},
    decisions::{Bounds, Decisions},
    events::Events,
    journal::{Incoming, JOURNAL, Lines},
    manager::Event,
    report::{Line, rfc3339},
};

/// Lines on their way to the decision log; what comes when there are more is lost to it,
/// which it is told.
const WAITING: usize = 8192;

/// Lines that are told at a time: some 64 KiB of the log.
const AT_ONCE: usize = 512;

/// What could not be done, where it is the decision log.
const WRITING: &str = "write the decision log";

/// Whether stderr is the journal of systemd, which has its own times, and takes the level from
/// the line's beginning (systemd.exec(5), `JOURNAL_STREAM`; sd-daemon(3)).
static IS_JOURNAL: LazyLock<bool> = LazyLock::new(|| {
    let named = env::var("JOURNAL_STREAM").ok();
    let stderr = nix::sys::stat::fstat(io::stderr()).ok();
    let stderr = stderr.map(|it| format!("{}:{}", it.st_dev, it.st_ino));
    named.is_some() && named == stderr
});

/// Writes one line of the log, and tells whoever follows.
pub(super) fn print(line: &Line) {
    tell(slice::from_ref(line));
}

/// Lines of the log that are told together, at the latest when it is dropped: what happens at
/// once is one system call and wakes whoever follows once, however much it is.
#[derive(Default)]
pub(super) struct Page(Vec<Line>);

impl Page {
    /// Adds a line.
    pub(super) fn add(&mut self, line: Line) {
        self.0.push(line);
        if self.0.len() >= AT_ONCE {
            self.tell();
        }
    }

    /// Tells what was added.
    pub(super) fn tell(&mut self) {
        tell(&self.0);
        self.0.clear();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.tell();
    }
}

fn tell(lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    let at = rfc3339(wall());
    JOURNAL.tell(lines, &at);
    let mut text = String::new();
    for line in lines {
        text += &if *IS_JOURNAL { line.for_journal() } else { line.at(&at) };
        text.push('\n');
    }
    // Nobody can be told if even this cannot be written.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Where the decision log of the daemon at `socket` is; none = there is none.
pub(super) fn decisions(config: &Config, socket: &std::path::Path) -> Option<PathBuf> {
    match &config.log.decisions {
        LogPlace::Off => None,
        LogPlace::At(path) => Some(path.clone()),
        LogPlace::Usual => Some(keeper::place(config, socket, "decisions.jsonl")),
    }
}

/// Writes every line from now on to the decision log at `path`, until [`Writing::end`].
pub(super) fn write_decisions(
    path: PathBuf,
    bounds: Bounds,
    events: Events,
) -> anyhow::Result<Writing> {
    let (sender, lines) = Lines::queue(WAITING);
    let (done, ended) = mpsc::channel();
    let write = move || {
        // Dropped when this thread ends, however it ends.
        let _done: mpsc::Sender<()> = done;
        write(&lines, &mut Decisions::new(path, bounds), &events);
    };
    thread::Builder::new()
        .name("decisions".into())
        .spawn(write)
        .context("failed to start a thread")?;
    JOURNAL.write_to(Some(sender));
    Ok(Writing(ended))
}

/// The decision log's thread at work.
pub(super) struct Writing(Receiver<()>);

impl Writing {
    /// Writes what is on its way, for at most `patience`.
    pub(super) fn end(&self, patience: Duration) {
        JOURNAL.write_to(None);
        let _ = self.0.recv_timeout(patience);
    }
}

fn write(lines: &Incoming, decisions: &mut Decisions, events: &Events) {
    let mut is_failing = false;
    while let Some(mut told) = lines.wait() {
        while told.len() < AT_ONCE
            && let Some(more) = lines.next()
        {
            told.extend(more);
        }
        let error = decisions.write(&told.concat(), wall()).err().map(|it| it.to_string());
        if error.is_some() || is_failing {
            is_failing = error.is_some();
            events.send_blocking(Event::Trouble(WRITING, error));
        }
    }
}
