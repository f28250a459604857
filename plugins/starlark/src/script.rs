//! One script: loaded once, called for each event, bounded each time.

use starlark::{
    PrintHandler,
    environment::{FrozenModule, Globals, GlobalsBuilder, LibraryExtension, Module},
    eval::{BeforeStmtFunc, Evaluator},
    syntax::{AstModule, Dialect},
    values::{Heap, OwnedFrozenValue, Value},
};
use weir_sdk::policy::log;

use crate::{
    place::{self, Watch},
    problem::describe,
    settings::Settings,
    words::{self, Change, Weights},
};

/// Calls and rounds of loops in one call of a script. A script that loops is stopped here,
/// where its line can be told, before the host's limit of processor time stops the plugin.
const STEPS: u64 = 1_000_000;

/// Bytes that the values of one call may take, so that the line can be told here, too: a
/// quarter of what a policy may use by default, as memory grows by doubling.
const VALUE_BYTES: usize = 16 << 20;

/// Functions that call each other, at most; each takes from the plugin's stack, which is
/// checked by nobody else.
const CALLS_DEEP: usize = 64;

/// What a script may define, and with which parameters.
const HANDLERS: [(&str, &[&str]); 2] =
    [("on_health", &["change", "weights"]), ("on_start", &["weights"])];

/// A script that was loaded.
pub(crate) struct Script {
    on_health: Option<OwnedFrozenValue>,
    on_start: Option<OwnedFrozenValue>,
}

impl Script {
    /// Runs the script's own statements and finds its handlers. An error is for the
    /// script's author.
    pub(crate) fn load(settings: &Settings) -> Result<Self, String> {
        let name = &settings.script.name;
        let module = evaluate(settings).map_err(|error| describe(&error))?;
        check_names(&module).map_err(|message| format!("{name}: {message}"))?;
        let handler = |name| module.get_option(name).ok().flatten();
        Ok(Self { on_health: handler("on_health"), on_start: handler("on_start") })
    }

    pub(crate) fn on_health(&self, change: Change, weights: Weights) -> Result<(), String> {
        call(self.on_health.as_ref(), |heap| [heap.alloc(change), heap.alloc(weights)])
    }

    pub(crate) fn on_start(&self, weights: Weights) -> Result<(), String> {
        call(self.on_start.as_ref(), |heap| [heap.alloc(weights)])
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
        ..Dialect::Standard
    };
    let syntax = AstModule::parse(&source.name, source.text.clone(), &dialect)?;
    let globals = globals(settings);
    Module::with_temp_heap(|module| {
        bounded(&module)?.eval_module(syntax, &globals)?;
        module.freeze().map_err(|error| starlark::Error::new_other(anyhow::anyhow!("{error:?}")))
    })
}

/// What a script finds there without defining it.
fn globals(settings: &Settings) -> Globals {
    let mut globals = GlobalsBuilder::extended_by(&[LibraryExtension::Print]).with(words::globals);
    globals.set("config", serde_json::Value::Object(settings.config.clone()));
    globals.build()
}

fn call<const N: usize>(
    handler: Option<&OwnedFrozenValue>,
    arguments: impl for<'v> FnOnce(Heap<'v>) -> [Value<'v>; N],
) -> Result<(), String> {
    let Some(handler) = handler else { return Ok(()) };
    place::forget();
    let called = Module::with_temp_heap(|module| {
        let function = module.heap().access_owned_frozen_value(handler);
        let arguments = arguments(module.heap());
        bounded(&module)?.eval_function(function, &arguments, &[]).map(drop)
    });
    called.map_err(|error| describe(&error))
}

fn bounded<'v, 'a>(module: &'a Module<'v>) -> starlark::Result<Evaluator<'v, 'a, 'a>> {
    let mut evaluator = Evaluator::new(module);
    evaluator.set_print_handler(&Log);
    evaluator.before_stmt_for_dap(BeforeStmtFunc::from_dyn(Box::new(Watch)));
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
                return Err(format!(
                    "`{name}` is never called; known are {}",
                    known().join(" and ")
                ));
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

/// Whether `value` is a function that can be called with this many arguments.
fn takes(value: Value<'_>, count: usize) -> bool {
    value.parameters_spec().is_some_and(|it| it.can_fill_with_args(count, &[]))
}
