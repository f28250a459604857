//! The examples in languages that need a compiler of their own.

use std::process::Command;

use anyhow::Result;

use super::{Outcome, Session, units};
use crate::{
    cargo::{self, Wanted},
    languages::{self, COMPILERS},
};

/// The module of the tests that need a compiler; in it, each language has one.
pub(super) const TOOLCHAIN: &str = "toolchain::";

/// Runs what can be: a compiler that every machine can have must be there, and of the
/// others it is said which are not.
pub(super) fn run(session: &Session<'_>) -> Result<Outcome> {
    let (mut programs, mut modules, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for compiler in &COMPILERS {
        match compiler.obtain(&session.cache, &mut crate::note) {
            Ok(directory) => {
                programs.push(directory);
                modules.extend(compiler.languages.iter().map(|it| it.0));
            }
            Err(error) if compiler.required => return Err(error),
            Err(error) => {
                let names: Vec<_> = compiler.languages.iter().map(|it| it.1).collect();
                missing.push(format!("{} ({error:#})", names.join(", ")));
            }
        }
    }
    let filters: Vec<_> = modules.iter().map(|it| format!("{TOOLCHAIN}{it}::")).collect();
    let mut outcome = Outcome::default();
    // The examples, and the commands with which an author begins.
    for (package, directory) in [("weir-languages", "tests/languages"), ("weir", "host/weir")] {
        let mut build = Command::new("cargo");
        build.args(["test", "--locked", "--workspace", "--no-run", "--test", "main"]);
        let tests = cargo::executable(&mut build, Wanted { package, kind: "test", name: "main" })?;
        let mut tests = Command::new(tests);
        tests.args(&filters).current_dir(directory).env("PATH", languages::path(&programs)?);
        outcome.tally += units::counted(&mut tests)?.tally;
    }
    outcome.untested = (!missing.is_empty()).then(|| missing.join("; "));
    Ok(outcome)
}
