//! Orders about configurations: each is read beside everything else, for compiling plugins
//! takes its time, and carried out by the manager's thread.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::SyncSender},
};

use anyhow::anyhow;
use tokio::task::spawn_blocking;
use weir_ipvs::Ipvs;
use weir_wasm::{LogSink, Runtime};

use super::{
    plugins::{self, Loaded, Stamp},
    print,
    pulse::Pulse,
    watch::{self, Watched},
};
use crate::{
    config::{self, Config, Mode},
    control::{ConfigurationOrder, Declined, Order, PluginOrder, Reply},
    events::Events,
    manager::{self, Code, Event, Manager, Now, PluginStanding, Reload},
    problems::Problems,
};

/// Orders on their way to be read; more wait.
pub(super) const ORDERS_WAITING: usize = 16;

/// What was read, for the manager's thread.
pub(super) enum Ordered {
    /// An order whose configuration was read, with its plugins.
    Configuration(ConfigurationOrder, Box<Config>, Vec<Loaded>),
    /// What plugins there are.
    List(Reply<Vec<PluginStanding>>),
    /// Another mode for a plugin.
    Mode(String, Mode, PluginReply),
    /// What is in the place of a plugin's files now, by the plugin's name; or why that cannot
    /// be used.
    Plugin(String, anyhow::Result<Box<Loaded>>, Option<PluginReply>),
}

type PluginReply = Reply<Result<PluginStanding, Declined>>;

/// Reads configurations.
pub(super) struct Reader {
    /// The daemon's own.
    pub(super) path: PathBuf,
    pub(super) runtime: Arc<Runtime>,
    /// Files of plugins.
    pub(super) watched: Watched,
    pub(super) read: SyncSender<Ordered>,
}

/// Reads what `order` is about, passes it on, and wakes the manager.
pub(super) async fn read(reader: Arc<Reader>, order: Order, events: Events) {
    // Should it panic, the order is dropped, and whoever gave it is told so.
    let _ = spawn_blocking(move || reader.read(order)).await;
    events.send(Event::Due).await;
}

/// Loads plugins whose files are replaced, as long as it is polled.
pub(super) async fn watch_plugins(reader: Arc<Reader>, events: Events) {
    loop {
        tokio::time::sleep(watch::LOOK).await;
        let replaced = reader.watched.replaced();
        if !replaced.is_empty() {
            load(Arc::clone(&reader), &events, replaced).await;
        }
    }
}

/// Loads plugins beside everything else, and wakes the manager.
async fn load(reader: Arc<Reader>, events: &Events, plugins: Vec<config::Plugin>) {
    // Should it panic, what runs goes on.
    let _ = spawn_blocking(move || reader.load(plugins)).await;
    events.send(Event::Due).await;
}

impl Reader {
    /// Loads these plugins anew.
    fn load(&self, plugins: Vec<config::Plugin>) {
        for plugin in plugins {
            let loaded = plugins::load_one(&self.runtime, &plugin, &print).map(Box::new);
            let _ = self.read.send(Ordered::Plugin(plugin.name, loaded, None));
        }
    }

    /// Loads one because somebody wants it.
    fn load_for(&self, name: String, reply: PluginReply) {
        let loaded = match self.watched.plugin(&name) {
            Some(it) => plugins::load_one(&self.runtime, &it, &print).map(Box::new),
            None => Err(anyhow!("there is no plugin {name} in the configuration, or it is off")),
        };
        let _ = self.read.send(Ordered::Plugin(name, loaded, Some(reply)));
    }

    /// Everything that can be wrong is found before anything is changed.
    fn read(&self, order: Order) {
        let ordered = match order {
            Order::Configuration(order) => return self.read_for(order),
            Order::Plugin(PluginOrder::Load(name, reply)) => return self.load_for(name, reply),
            Order::Plugin(PluginOrder::List(reply)) => Ordered::List(reply),
            Order::Plugin(PluginOrder::Mode(name, mode, reply)) => Ordered::Mode(name, mode, reply),
        };
        // Fails only once the manager ended.
        drop(self.read.send(ordered));
    }

    fn read_for(&self, order: ConfigurationOrder) {
        let path = match &order {
            ConfigurationOrder::Plan(Some(path), _) => path,
            ConfigurationOrder::Plan(None, _) | ConfigurationOrder::Reload(..) => &self.path,
        };
        match self.read_at(path) {
            Ok((config, loaded)) => {
                if matches!(order, ConfigurationOrder::Reload(..)) {
                    self.watched.set(&config.plugins, &loaded);
                }
                // Fails only once the manager ended.
                drop(self.read.send(Ordered::Configuration(order, Box::new(config), loaded)));
            }
            Err(problems) => decline(order, problems),
        }
    }

    fn read_at(&self, path: &Path) -> Result<(Config, Vec<Loaded>), Problems> {
        let config = config::read(path)?;
        let loaded = plugins::load(&self.runtime, &config, print)?;
        Ok((config, loaded))
    }
}

fn decline(order: ConfigurationOrder, problems: Problems) {
    match order {
        ConfigurationOrder::Reload(_, reply) => {
            print(&manager::reload_failed(&problems));
            reply.send(Err(Declined::Mistakes(problems)));
        }
        ConfigurationOrder::Plan(_, reply) => reply.send(Err(Declined::Mistakes(problems))),
    }
}

/// What the manager's thread makes plugins with.
pub(super) struct Workshop {
    runtime: Arc<Runtime>,
    pulse: Arc<Pulse>,
    log: LogSink,
    /// The files of each plugin that runs, by its name.
    stamps: BTreeMap<String, Stamp>,
}

impl Workshop {
    pub(super) fn new(runtime: Arc<Runtime>, pulse: Arc<Pulse>, log: LogSink) -> Self {
        Self { runtime, pulse, log, stamps: BTreeMap::new() }
    }

    /// The code of the first plugins.
    pub(super) fn first(&mut self, loaded: Vec<Loaded>) -> Vec<Code> {
        self.stamps = plugins::stamps(&loaded);
        loaded.into_iter().map(|it| self.code(it)).collect()
    }

    fn code(&self, loaded: Loaded) -> Code {
        plugins::code(loaded, &self.runtime, &self.pulse, &self.log)
    }

    /// Does what was ordered, and answers.
    pub(super) fn carry_out(
        &mut self,
        ordered: Ordered,
        now: Now,
        manager: &mut Manager,
        ipvs: &mut dyn Ipvs,
    ) {
        let (order, config, loaded) = match ordered {
            Ordered::Configuration(order, config, loaded) => (order, config, loaded),
            Ordered::List(reply) => return reply.send(manager.standings(now)),
            Ordered::Mode(name, mode, reply) => {
                let turned = manager.set_mode(now, &name, mode);
                return reply.send(turned.map_err(Declined::Plugin));
            }
            Ordered::Plugin(name, loaded, reply) => {
                if let Ok(loaded) = &loaded {
                    self.stamps.extend(plugins::stamps(std::slice::from_ref(loaded)));
                }
                let code = loaded.map(|it| self.code(*it));
                let code = code.map_err(|error| format!("{error:#}"));
                let replaced = manager.replace(now, &name, code);
                if let Some(reply) = reply {
                    reply.send(replaced.map_err(Declined::Plugin));
                }
                return;
            }
        };
        match order {
            ConfigurationOrder::Reload(is_confirmed, reply) => {
                let stamps = plugins::stamps(&loaded);
                let is_other = |name: &&String| self.stamps.get(*name) != stamps.get(*name);
                let replaced = stamps.keys().filter(is_other).cloned().collect();
                let codes = loaded.into_iter().map(|it| self.code(it)).collect();
                let reload = Reload { config: *config, codes, replaced, is_confirmed };
                let reloaded = manager.reload(now, reload);
                if reloaded.is_ok() {
                    self.stamps = stamps;
                }
                reply.send(reloaded.map_err(Declined::Refused));
            }
            ConfigurationOrder::Plan(_, reply) => {
                let rehearsed = manager.rehearse(now, &config, ipvs);
                reply.send(rehearsed.map_err(Declined::Table));
            }
        }
    }
}
