//! What the stores of policies, weighers and guards are made with, over and over.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::{Engine, Store};

use crate::{
    Settings, View,
    call::store,
    clock::Clock,
    engine::Metering,
    log::Log,
    state::{Common, PolicyState},
    wasi::Wasi,
};

/// Makes stores for instances of one plugin. What limits its log is one for all of them.
pub(crate) struct Maker {
    engine: Engine,
    metering: Metering,
    uses_wasi: bool,
    settings: Settings,
    log: Log,
}

impl Maker {
    pub(crate) fn new(
        engine: Engine,
        metering: Metering,
        uses_wasi: bool,
        settings: Settings,
    ) -> Self {
        let log = Log::new(&settings.instance, &settings.limits, Arc::clone(&settings.log));
        Self { engine, metering, uses_wasi, settings, log }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A store for a new instance, which looks at `view` first.
    pub(crate) fn store(&self, view: View) -> Store<PolicyState> {
        let clock = match self.metering {
            Metering::Time => Clock::machine(),
            Metering::Instructions => Clock::given(),
        };
        let Settings { instance, config_json, grant, limits, .. } = &self.settings;
        let log = Arc::new(self.log.of_another());
        let mut common = Common::new(instance.clone(), *limits, log, clock);
        common.wasi =
            self.uses_wasi.then(|| Wasi::logging(&common.log, &common.clock, self.metering));
        let mut state = PolicyState {
            common,
            config_json: config_json.clone(),
            grant: grant.clone(),
            view: View::default(),
            handling: false,
            visible: None,
            staged: BTreeMap::new(),
            noted: BTreeMap::new(),
            owned: BTreeMap::new(),
            taken: None,
            calls: Vec::new(),
            refused: BTreeMap::new(),
            reach: None,
            questions: 0,
            held: None,
        };
        state.look_at(view, false);
        store(&self.engine, self.metering, state)
    }
}
