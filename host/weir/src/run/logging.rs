//! Where lines of the log go: to stderr as whoever reads it understands them, to those who
//! follow, and to the decision log.

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
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
    journal::{JOURNAL, Told},
    manager::Event,
    report::Line,
};

/// Lines on their way to the decision log; what comes when there are more is lost to it,
/// which it is told.
const WAITING: usize = 8192;

/// Lines that are written at a time.
const AT_ONCE: usize = 1024;

/// Bytes of the log that are written at a time.
const PAGE_BYTES: usize = 64 << 10;

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
    Page::default().add(line);
}

/// Lines of the log that are written together, at the latest when it is dropped: what happens at
/// once is one system call, however much it is.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// Adds a line, and tells whoever follows.
    pub(super) fn add(&mut self, line: &Line) {
        let wall = wall();
        JOURNAL.tell(line, wall);
        self.0 += &if *IS_JOURNAL { line.for_journal() } else { line.at(wall) };
        self.0.push('\n');
        if self.0.len() >= PAGE_BYTES {
            self.write();
        }
    }

    /// Nobody can be told if even this cannot be written.
    fn write(&mut self) {
        let _ = io::stderr().write_all(self.0.as_bytes());
        self.0.clear();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.write();
    }
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
    let (sender, lines) = mpsc::sync_channel(WAITING);
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

fn write(lines: &Receiver<Told>, decisions: &mut Decisions, events: &Events) {
    let mut is_failing = false;
    while let Ok(line) = lines.recv() {
        let mut text = line.to_string();
        for line in lines.try_iter().take(AT_ONCE) {
            text += &line;
        }
        let error = decisions.write(&text, wall()).err().map(|it| it.to_string());
        if error.is_some() || is_failing {
            is_failing = error.is_some();
            events.send_blocking(Event::Trouble(WRITING, error));
        }
    }
}
