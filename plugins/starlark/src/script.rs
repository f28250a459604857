//! One script: loaded once, called for each event, bounded each time.

use std::{cell::Cell, time::Duration};

use starlark::{
    PrintHandler,
    environment::{FrozenModule, Globals, GlobalsBuilder, LibraryExtension, Module},
    eval::{BeforeStmtFunc, Evaluator},
    syntax::{AstModule, Dialect, DialectTypes},
    values::{Heap, OwnedFrozenValue, Value},
};
use weir_sdk::{
    checker::{self, Outcome},
    guard::{Review, Verdict},
    policy::log,
    roles::Played,
    weigher::{Input, Output},
};

use crate::{
    place::{self, Watch},
    problem::{describe, with_line},
    settings::Settings,
    words::{self, Answered, Change, Planned, Target, Weighed, Weights},
};

/// Calls and rounds of loops in one call of a script: what loops ends here, whatever processor
/// time the operator gives the plugin. By default that is over earlier, for a step takes as much
/// as what it does; then the host's report has the line that it was [told](place::tell).
const STEPS: u64 = 1_000_000;

/// Bytes that the values of one call may take, so that the line can be told here, too: a
/// quarter of what a policy may use by default, as memory grows by doubling.
const VALUE_BYTES: usize = 16 << 20;

/// Functions that call each other, at most; each takes from the plugin's stack, which is
/// checked by nobody else.
const CALLS_DEEP: usize = 64;

/// Seconds between two calls of `on_time`, unless the script says `EVERY_S`.
const EVERY_S: u64 = 5;

/// What a script may define, and with which parameters.
const HANDLERS: [(&str, &[&str]); 7] = [
    ("on_health", &["change", "weights"]),
    ("on_start", &["weights"]),
    ("on_time", &["weights"]),
    ("on_answer", &["answer", "weights"]),
    ("weigh", &["service"]),
    ("judge", &["change"]),
    ("check", &["target"]),
];

/// A script that was loaded.
pub(crate) struct Script {
    on_health: Option<OwnedFrozenValue>,
    on_start: Option<OwnedFrozenValue>,
    on_time: Option<OwnedFrozenValue>,
    on_answer: Option<OwnedFrozenValue>,
    /// Seconds between two calls of `on_time`.
    every_s: u64,
    weigh: Option<OwnedFrozenValue>,
    judge: Option<OwnedFrozenValue>,
    check: Option<OwnedFrozenValue>,
}

impl Script {
    /// Runs the own statements of the script in these settings and finds its handlers. An
    /// error is for the script's author.
    pub(crate) fn load(settings: &str) -> Result<Self, String> {
        let settings = &Settings::read(settings)?;
        let name = &settings.script.name;
        let module = evaluate(settings).map_err(|error| describe(&error))?;
        check_names(&module).map_err(|message| format!("{name}: {message}"))?;
        let handler = |name| module.get_option(name).ok().flatten();
        Ok(Self {
            on_health: handler("on_health"),
            on_start: handler("on_start"),
            on_time: handler("on_time"),
            on_answer: handler("on_answer"),
            every_s: every(&module).map_err(|message| format!("{name}: {message}"))?,
            weigh: handler("weigh"),
            judge: handler("judge"),
            check: handler("check"),
        })
    }

    /// What it is, by what it defines.
    pub(crate) fn roles(&self) -> Played {
        let on = [&self.on_health, &self.on_start, &self.on_time, &self.on_answer];
        let is_policy = on.into_iter().any(Option::is_some);
        [
            (is_policy, Played::POLICY),
            (self.weigh.is_some(), Played::WEIGHER),
            (self.judge.is_some(), Played::GUARD),
            (self.check.is_some(), Played::CHECKER),
        ]
        .into_iter()
        .filter(|it| it.0)
        .fold(Played::empty(), |all, it| all | it.1)
    }

    pub(crate) fn on_health(&self, change: Change, weights: Weights) -> Result<(), String> {
        let Some(handler) = &self.on_health else { return Ok(()) };
        call(handler, |heap| [heap.alloc(change), heap.alloc(weights)], |_| Ok(()))
    }

    pub(crate) fn on_start(&self, weights: Weights) -> Result<(), String> {
        let Some(handler) = &self.on_start else { return Ok(()) };
        call(handler, |heap| [heap.alloc(weights)], |_| Ok(()))
    }

    /// How often [`Script::on_time`] is to be called; none = never.
    pub(crate) fn every(&self) -> Option<Duration> {
        self.on_time.is_some().then(|| Duration::from_secs(self.every_s))
    }

    pub(crate) fn on_time(&self, weights: Weights) -> Result<(), String> {
        let Some(handler) = &self.on_time else { return Ok(()) };
        call(handler, |heap| [heap.alloc(weights)], |_| Ok(()))
    }

    pub(crate) fn on_answer(&self, answer: Answered, weights: Weights) -> Result<(), String> {
        let Some(handler) = &self.on_answer else { return Ok(()) };
        call(handler, |heap| [heap.alloc(answer), heap.alloc(weights)], |_| Ok(()))
    }

    pub(crate) fn weigh(&self, input: &Input) -> Result<Output, String> {
        let handler = self.weigh.as_ref().ok_or("the script defines no weigh(service)")?;
        let read = |answer: Value<'_>| words::answer(input, answer);
        call(handler, |heap| [heap.alloc(Weighed::from(input))], read)
    }

    pub(crate) fn judge(&self, review: &Review) -> Result<Verdict, String> {
        let handler = self.judge.as_ref().ok_or("the script defines no judge(change)")?;
        call(handler, |heap| [heap.alloc(Planned::from(review))], words::verdict)
    }

    /// What a script asks in vain is what it found.
    pub(crate) fn check(&self, target: &checker::Target) -> Result<Outcome, String> {
        let handler = self.check.as_ref().ok_or("the script defines no check(target)")?;
        let found = call(handler, |heap| [heap.alloc(Target::from(target))], words::outcome);
        match words::unreached() {
            Some(error) => Ok(Outcome::Unreached(error)),
            None => found,
        }
    }
}

fn evaluate(settings: &Settings) -> starlark::Result<FrozenModule> {
    let source = &settings.script;
    place::forget();
    let dialect = Dialect {
        enable_load: false,
        enable_f_strings: true,
        enable_keyword_only_arguments: true,
        enable_top_level_stmt: true,
        enable_types: DialectTypes::Enable,
        ..Dialect::Standard
    };
    let syntax = AstModule::parse(&source.name, source.text.clone(), &dialect)?;
    let globals = globals(settings);
    let module = Module::with_temp_heap(|module| {
        bounded(&module)?.eval_module(syntax, &globals)?;
        module.freeze().map_err(|error| starlark::Error::new_other(anyhow::anyhow!("{error:?}")))
    });
    place::leave();
    module
}

/// What a script finds there without defining it.
fn globals(settings: &Settings) -> Globals {
    let mut globals = GlobalsBuilder::extended_by(&[LibraryExtension::Print]).with(words::globals);
    globals.set("config", serde_json::Value::Object(settings.config.clone()));
    globals.build()
}

/// Calls a handler, and reads its answer.
fn call<const N: usize, T>(
    handler: &OwnedFrozenValue,
    arguments: impl for<'v> FnOnce(Heap<'v>) -> [Value<'v>; N],
    read: impl for<'v> FnOnce(Value<'v>) -> Result<T, String>,
) -> Result<T, String> {
    place::forget();
    let called = Module::with_temp_heap(|module| {
        let function = module.heap().access_owned_frozen_value(handler);
        let arguments = arguments(module.heap());
        let answer = bounded(&module)?.eval_function(function, &arguments, &[])?;
        // The statement that ran last is the one that returned it.
        let at = |message: String| match place::statement() {
            Some(span) => with_line(&span, &message),
            None => message,
        };
        Ok(read(answer).map_err(at))
    });
    place::leave();
    called.map_err(|error| describe(&error)).flatten()
}

fn bounded<'v, 'a>(module: &'a Module<'v>) -> starlark::Result<Evaluator<'v, 'a, 'a>> {
    let mut evaluator = Evaluator::new(module);
    evaluator.set_print_handler(&Log);
    evaluator.before_stmt_for_dap(BeforeStmtFunc::from_dyn(Box::new(Watch)));
    // Asked once when a call ends, and every thousand steps: a loop may have no statement.
    let is_long = Cell::new(false);
    evaluator.set_check_cancelled(Box::new(move || {
        if is_long.replace(true) {
            place::tell();
        }
        false
    }));
    evaluator
        .set_max_callstack_size(CALLS_DEEP)
        .and_then(|()| evaluator.set_max_heap_size(VALUE_BYTES))
        .and_then(|()| evaluator.set_max_tick_count(STEPS))
        .map_err(starlark::Error::new_other)?;
    Ok(evaluator)
}

/// What a script prints is log.
struct Log;

impl PrintHandler for Log {
    fn println(&self, text: &str) -> starlark::Result<()> {
        log::write(log::Level::Info, text, &[]);
        Ok(())
    }
}

/// Finds what would otherwise only show when nothing happens.
fn check_names(module: &FrozenModule) -> Result<(), String> {
    let known = || HANDLERS.map(|(name, parameters)| format!("{name}({})", parameters.join(", ")));
    let mut any = false;
    for name in module.names() {
        let name = name.as_str();
        let Some((_, parameters)) = HANDLERS.iter().find(|it| it.0 == name) else {
            if name.starts_with("on_") {
                return Err(format!("`{name}` is never called; known are {}", known().join(", ")));
            }
            continue;
        };
        any = true;
        let found = module.get(name).map_err(|error| error.to_string())?;
        if !takes(found.value(), parameters.len()) {
            return Err(format!("expected `def {name}({})`", parameters.join(", ")));
        }
    }
    if any {
        Ok(())
    } else {
        Err(format!("it defines no function that is called: expected {}", known().join(" or ")))
    }
}

/// What the script says of how often its `on_time` is called, in seconds.
fn every(module: &FrozenModule) -> Result<u64, String> {
    let Ok(Some(value)) = module.get_option("EVERY_S") else { return Ok(EVERY_S) };
    let seconds = value.value().unpack_i32().and_then(|it| u64::try_from(it).ok());
    let seconds = seconds.filter(|it| (1..=86_400).contains(it));
    seconds.ok_or_else(|| format!("EVERY_S is {}: expected 1 to 86400", value.value().to_repr()))
}

/// Whether `value` is a function that can be called with this many arguments.
fn takes(value: Value<'_>, count: usize) -> bool {
    value.parameters_spec().is_some_and(|it| it.can_fill_with_args(count, &[]))
}
