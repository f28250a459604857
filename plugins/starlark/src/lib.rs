//! Policies that are text: runs the script that comes with its settings.
//!
//! A script is Starlark: a small, deterministic Python without files, network, clocks or
//! `while`. It defines functions for what it wants to hear of, `on_health(change, weights)`
//! and `on_start(weights)`, and decides in them as any policy does. Nothing of it outlives
//! a call: what it made global is frozen once it is loaded.
//!
//! `host/docs/plugins.md` is the manual of its vocabulary.

mod place;
mod problem;
mod script;
mod settings;
mod words;

use weir_sdk::policy::{self, config, prelude::*};

use crate::{
    script::Script,
    settings::Settings,
    words::{Change, Weights},
};

struct Starlark(Script);

impl Policy for Starlark {
    fn new(_: &Context) -> Result<Self, Failure> {
        let settings = Settings::read(&config::get());
        let script = settings.and_then(|settings| Script::load(&settings));
        script.map(Self).map_err(fatal)
    }

    fn started(&mut self) -> Result<(), Failure> {
        self.0.on_start(Weights).map_err(fatal)?;
        policy::found().iter().try_for_each(|change| self.health(change))
    }

    fn health(&mut self, change: &HealthChange) -> Result<(), Failure> {
        self.0.on_health(Change::from(change), Weights).map_err(fatal)
    }
}

/// The same call would end the same way.
fn fatal(message: String) -> Failure {
    Failure { message, retryable: false }
}

weir_sdk::policy!(Starlark);
