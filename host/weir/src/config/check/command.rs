//! What is run, where nothing else does.

use toml::de::DeValue;

use super::{
    Section, found,
    keys::{By, Key, Table, Without::Means},
    value::{self, Wrong},
};

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandCheck {
    argv: Vec<String>,
}

impl CommandCheck {
    /// Its path.
    pub(crate) fn program(&self) -> &str {
        &self.argv[0]
    }

    /// What comes after.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.argv[1..]
    }
}

pub(super) static TABLE: Table = Table::new("command", &[&[&COMMAND]]);

static COMMAND: Key<By<Vec<String>, Wrong>> = Key::new(
    "command",
    By { read: argv, types: &["array"] },
    Means("required"),
    "the program, by its whole path, and its arguments: an array. There is no shell",
);

/// The keys of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct CommandKeys {
    argv: Option<Vec<String>>,
}

impl CommandKeys {
    /// Reads those of `section` over these.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        Self { argv: section.key(&COMMAND).or(self.argv) }
    }

    pub(super) fn note_contradictions(&self, section: &Section<'_>) {
        if self.argv.is_none() && !section.has(COMMAND.name) {
            section.note_here("`command` is missing: add command = [\"/usr/lib/weir/check\"]");
        }
    }

    pub(super) fn finish(&self) -> CommandCheck {
        // Where it is missing, that is a mistake, and nothing is run.
        CommandCheck { argv: self.argv.clone().unwrap_or_else(|| vec![String::new()]) }
    }
}

fn argv(value: &DeValue<'_>) -> Result<Vec<String>, Wrong> {
    let argv = value::list(value, value::text)?;
    let is_runnable = argv.first().is_some_and(|it| it.starts_with('/'))
        && argv.iter().all(|it| !it.contains('\0'));
    if is_runnable {
        return Ok(argv);
    }
    let expected = "expected a program, by its whole path, and its arguments, such as \
                    [\"/usr/lib/weir/check\", \"--fast\"]";
    Err(format!("{expected}, found {}", found(value)).into())
}
