//! The thread that commits what must survive: the manager never waits for a disk.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Duration,
};

use anyhow::Context as _;

use super::{
    clock::{self, Clock},
    print,
};
use crate::{
    config::Config,
    control,
    events::Events,
    manager::{Event, Keep},
    report::Line,
    store::{self, Changes, Found, Records, Store},
};

/// What an earlier run left.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) records: Records,
    /// Why there is less than there should be, if it is so.
    pub(crate) lost: Option<String>,
    /// Goes on from that run's.
    pub(crate) clock: Clock,
}

/// The way to keep more.
pub(super) struct Keeper {
    store: Store,
    clock: Clock,
}

/// The name of the file.
const FILE: &str = "state.redb";

/// Waits for the last commit.
pub(super) struct Ending(Receiver<()>);

impl Keeper {
    /// Opens the file of the daemon at `socket`, for what was left and what is to come. Fails
    /// if another daemon has it; otherwise weir runs, with what could be read.
    pub(super) fn open(config: &Config, socket: &Path) -> anyhow::Result<(Self, Left)> {
        let path = place(config, socket, FILE);
        let (store, found) = Store::open(path.clone())?;
        let line = Line::info("state").with("at", path.display());
        let lost = match found {
            Found::Nothing => {
                print(&line.with("found", "nothing: no operator's order is known"));
                None
            }
            Found::Records => {
                print(&line.with("found", format!("{} records", store.records().len())));
                None
            }
            Found::SetAside { to, why } => Some(format!("{why}; set aside as {}", to.display())),
            Found::Unreachable(why) => Some(why),
        };
        let left = Left::new(store.records().clone(), lost);
        if let Some(line) = left.told(&path) {
            print(&line);
        }
        Ok((Self { store, clock: left.clock }, left))
    }

    /// Commits what comes, until nobody sends any more.
    pub(super) fn start(self, events: Events) -> anyhow::Result<(Sender<Keep>, Ending)> {
        let (sender, keeps) = mpsc::channel();
        let (done, ended) = mpsc::channel();
        let run = move || {
            // Dropped when this thread ends, however it ends.
            let _done = done;
            self.run(&keeps, &events);
        };
        thread::Builder::new()
            .name("keeper".into())
            .spawn(run)
            .context("failed to start a thread")?;
        Ok((sender, Ending(ended)))
    }

    fn run(mut self, keeps: &Receiver<Keep>, events: &Events) {
        while let Ok(Keep { mut number, mut changes }) = keeps.recv() {
            for keep in keeps.try_iter() {
                number = keep.number;
                changes.extend(keep.changes);
            }
            let stand = Some(self.clock.to_record());
            changes.extend(Changes::from([(clock::RECORD.to_owned(), stand)]));
            events.send_blocking(Event::Kept(number, self.store.commit(&changes)));
        }
    }
}

impl Left {
    fn new(records: Records, lost: Option<String>) -> Self {
        let clock = records.get(clock::RECORD);
        let clock = clock.map_or_else(Clock::new, |it| Clock::from_record(it));
        Self { records, lost, clock }
    }

    /// Nothing: as before the first run.
    pub(crate) fn nothing() -> Self {
        Self::new(Records::new(), None)
    }

    /// What a daemon at `socket` would begin with, and what it would say of that. Its file is
    /// looked at, and stays as it is.
    pub(crate) fn peek(config: &Config, socket: &Path) -> (Self, Option<Line>) {
        let path = place(config, socket, FILE);
        let left = match store::peek(&path) {
            Ok(records) => Self::new(records, None),
            Err(why) => Self::new(Records::new(), Some(why)),
        };
        let told = left.told(&path);
        (left, told)
    }

    /// What is to be told if something of it is lost.
    fn told(&self, path: &Path) -> Option<Line> {
        let line = Line::error("state-lost").with("at", path.display());
        let line = line.with("reason", self.lost.as_ref()?);
        Some(line.with("then", "weir starts from the table; operators' drains may be lost"))
    }
}

impl Ending {
    /// Returns once all is committed, or after `patience`.
    pub(super) fn wait(&self, patience: Duration) {
        let _ = self.0.recv_timeout(patience);
    }
}

/// Where a `file` of the daemon at `socket` is: where the configuration says; otherwise in the
/// system's or the user's directory for state, and beside the socket if that was chosen, too.
pub(super) fn place(config: &Config, socket: &Path, file: &str) -> PathBuf {
    if let Some(directory) = &config.state {
        return directory.join(file);
    }
    let is_default = control::default_socket().is_some_and(|it| it == socket);
    if let Some(directory) = default_directory().filter(|_| is_default) {
        return directory.join(file);
    }
    let mut path = socket.as_os_str().to_owned();
    path.push(".");
    path.push(file);
    path.into()
}

fn default_directory() -> Option<PathBuf> {
    if control::user() == 0 {
        return Some("/var/lib/weir".into());
    }
    let of = |name| std::env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
    let state = of("XDG_STATE_HOME").or_else(|| Some(of("HOME")?.join(".local/state")));
    Some(state?.join("weir"))
}
