//! Plugins that are text: runs the script that comes with its settings.
//!
//! A script is Starlark: a small, deterministic Python without files, network, clocks or
//! `while`. What it defines says what it is: a policy, or a controller, with functions `on_..`, a
//! weigher with `weigh(service)`, a guard with `judge(change)`, a checker with `check(target)`, or
//! several of them. Nothing of it outlives a call: what it made global is frozen once it is loaded.
//!
//! `host/docs/plugins.md` is the manual of its vocabulary.

mod place;
mod problem;
mod script;
mod settings;
mod words;

use std::time::Duration;

use weir_sdk::{
    checker::{self, Outcome},
    guard::{self, Review, Verdict},
    policy::{self, HttpAnswer, config, prelude::*},
    roles::Played,
    weigher::{Input, Output},
};

use crate::{
    script::Script,
    words::{Answered, Change, Weights},
};

struct Starlark(Script);

impl Policy for Starlark {
    fn new(_: &Context) -> Result<Self, Failure> {
        Script::load(&config::get()).map(Self).map_err(fatal)
    }

    fn started(&mut self) -> Result<(), Failure> {
        self.0.on_start(Weights).map_err(fatal)?;
        policy::found().iter().try_for_each(|change| self.health(change))
    }

    fn stats_every(&self) -> Option<Duration> {
        self.0.every()
    }

    fn stats(&mut self, _: Duration) -> Result<(), Failure> {
        self.0.on_time(Weights).map_err(fatal)
    }

    fn answered(&mut self, answer: &HttpAnswer) -> Result<(), Failure> {
        self.0.on_answer(Answered::from(answer), Weights).map_err(fatal)
    }

    fn health(&mut self, change: &HealthChange) -> Result<(), Failure> {
        self.0.on_health(Change::from(change), Weights).map_err(fatal)
    }
}

/// The same call would end the same way.
fn fatal(message: String) -> Failure {
    Failure { message, retryable: false }
}

fn weigh(input: &Input) -> Result<Output, String> {
    Script::load(&input.settings)?.weigh(input)
}

/// A guard has no way to say that it failed but to trap: then it counts as broken, and what
/// it says while it falls is in the log.
fn judge(review: &Review) -> Verdict {
    let judged = Script::load(&guard::config::get()).and_then(|script| script.judge(review));
    judged.unwrap_or_else(|message| {
        guard::log::write(guard::log::Level::Error, &message, &[]);
        std::process::abort()
    })
}

/// A script that fails says nothing of the server.
fn check(target: &checker::Target) -> Result<Outcome, checker::Error> {
    let checked = Script::load(&target.settings).and_then(|script| script.check(target));
    Ok(checked.unwrap_or_else(Outcome::Inconclusive))
}

fn choose(settings: &str) -> Result<Played, String> {
    Script::load(settings).map(|script| script.roles())
}

weir_sdk::policy!(Starlark);
weir_sdk::weigher!(weigh);
weir_sdk::guard!(judge);
weir_sdk::checker!(check);
weir_sdk::roles!(choose);
