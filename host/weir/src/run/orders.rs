//! Orders about configurations: each is read beside everything else, for compiling plugins
//! takes its time, and carried out by the manager's thread.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::SyncSender},
};

use tokio::task::spawn_blocking;
use weir_ipvs::Ipvs;
use weir_wasm::{LogSink, Runtime};

use super::{
    plugins::{self, Code, Loaded},
    print,
    pulse::Pulse,
};
use crate::{
    config::{self, Config},
    control::{Declined, Order},
    events::Events,
    manager::{self, Event, Manager, Now, Reload, Starter},
    problems::Problems,
};

/// Orders on their way to be read; more wait.
pub(super) const ORDERS_WAITING: usize = 16;

/// An order whose configuration was read, with its plugins.
pub(super) struct Ordered {
    order: Order,
    config: Config,
    loaded: Vec<Loaded>,
}

/// Reads configurations.
pub(super) struct Reader {
    /// The daemon's own.
    pub(super) path: PathBuf,
    pub(super) runtime: Arc<Runtime>,
    pub(super) read: SyncSender<Ordered>,
}

/// Reads what `order` is about, passes it on, and wakes the manager.
pub(super) async fn read(reader: Arc<Reader>, order: Order, events: Events) {
    // Should it panic, the order is dropped, and whoever gave it is told so.
    let _ = spawn_blocking(move || reader.read(order)).await;
    events.send(Event::Due).await;
}

impl Reader {
    /// Everything that can be wrong is found before anything is changed.
    fn read(&self, order: Order) {
        let path = match &order {
            Order::Plan(Some(path), _) => path,
            _ => &self.path,
        };
        match self.read_at(path) {
            // Fails only once the manager ended.
            Ok((config, loaded)) => drop(self.read.send(Ordered { order, config, loaded })),
            Err(problems) => decline(order, problems),
        }
    }

    fn read_at(&self, path: &Path) -> Result<(Config, Vec<Loaded>), Problems> {
        let config = config::read(path)?;
        let loaded = plugins::load(&self.runtime, &config, print)?;
        Ok((config, loaded))
    }
}

fn decline(order: Order, problems: Problems) {
    match order {
        Order::Reload(_, reply) => {
            print(&manager::reload_failed(&problems));
            reply.send(Err(Declined::Mistakes(problems)));
        }
        Order::Plan(_, reply) => reply.send(Err(Declined::Mistakes(problems))),
    }
}

/// What the manager's thread makes plugins with.
pub(super) struct Workshop {
    runtime: Arc<Runtime>,
    pulse: Arc<Pulse>,
    log: LogSink,
    /// The code of each plugin that runs, by its name.
    codes: BTreeMap<String, Code>,
}

impl Workshop {
    pub(super) fn new(runtime: Arc<Runtime>, pulse: Arc<Pulse>, log: LogSink) -> Self {
        Self { runtime, pulse, log, codes: BTreeMap::new() }
    }

    /// What makes the first plugins.
    pub(super) fn first(&mut self, loaded: Vec<Loaded>) -> Vec<Starter> {
        self.codes = plugins::codes(&loaded);
        self.starters(loaded)
    }

    fn starters(&self, loaded: Vec<Loaded>) -> Vec<Starter> {
        let start = |it| plugins::starter(it, &self.runtime, &self.pulse, Arc::clone(&self.log));
        loaded.into_iter().map(start).collect()
    }

    /// Does what was ordered, and answers.
    pub(super) fn carry_out(
        &mut self,
        Ordered { order, config, loaded }: Ordered,
        now: Now,
        manager: &mut Manager,
        ipvs: &mut dyn Ipvs,
    ) {
        match order {
            Order::Reload(is_confirmed, reply) => {
                let codes = plugins::codes(&loaded);
                let is_other = |name: &&String| self.codes.get(*name) != codes.get(*name);
                let replaced = codes.keys().filter(is_other).cloned().collect();
                let starters = self.starters(loaded);
                let reload = Reload { config, starters, replaced, is_confirmed };
                let reloaded = manager.reload(now, reload);
                if reloaded.is_ok() {
                    self.codes = codes;
                }
                reply.send(reloaded.map_err(Declined::Refused));
            }
            Order::Plan(_, reply) => {
                let rehearsed = manager.rehearse(now, &config, ipvs);
                reply.send(rehearsed.map_err(Declined::Table));
            }
        }
    }
}
