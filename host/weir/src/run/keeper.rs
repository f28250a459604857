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
    store::{Changes, Found, Records, Store},
};

/// What an earlier run left, and the way to keep more.
pub(super) struct Keeper {
    store: Store,
    /// The clock that goes on from the last run's.
    pub(super) clock: Clock,
    /// Why what was kept is lost, if it is.
    pub(super) lost: Option<String>,
}

/// Waits for the last commit.
pub(super) struct Ending(Receiver<()>);

impl Keeper {
    /// Opens the file of the daemon at `socket`. Fails if another daemon has it; otherwise
    /// weir runs, with what could be read.
    pub(super) fn open(config: &Config, socket: &Path) -> anyhow::Result<Self> {
        let path = place(config, socket, "state.redb");
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
        if let Some(why) = &lost {
            print(
                &Line::error("state-lost")
                    .with("at", path.display())
                    .with("reason", why)
                    .with("then", "weir starts from the table; operators' drains may be lost"),
            );
        }
        let clock = store.records().get(clock::RECORD);
        let clock = clock.map_or_else(Clock::new, |it| Clock::from_record(it));
        Ok(Self { store, clock, lost })
    }

    /// What is kept.
    pub(super) fn records(&self) -> Records {
        self.store.records().clone()
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
