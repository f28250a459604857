//! The language of scenarios: from the text of a file to a [`Scenario`].
//!
//! A file is a list of statements, a line each, and of fences, which hold what has a
//! language of its own: the configuration and the table. Every mistake of a file is found
//! in one run. `host/docs/scenarios.md` is the manual; each statement's grammar stands
//! above the function that reads it.

mod action;
mod expectation;
mod line;
mod operator;
mod setup;
mod value;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;

pub(crate) use self::value::{duration as parse_duration, show_duration, show_moment};
use self::{
    line::{Line, Mistake, Read},
    setup::Declared,
};
use super::scenario::{Scenario, Step, What, When};
use crate::{
    config::{self, Config, Files},
    problems::{Place, Problem, Problems},
};

/// Reads the file at `path`.
pub(crate) fn read(path: &Path) -> anyhow::Result<Scenario> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("failed to read the scenario {}", path.display()))?;
    Ok(parse(path, &text)?)
}

/// Reads `text`, which is that of the file at `path`.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Scenario, Problems> {
    let file = path.display().to_string();
    let mut mistakes = Vec::new();
    let parts = split(text, &mut mistakes);
    let directory = path.parent().unwrap_or(Path::new(""));
    let files = |it: Fence| Files::one(directory, &file, &it.contents);
    let (config, mut problems) = match parts.config.contents.trim() {
        "" => (None, Vec::new()),
        _ => config::understand(&files(parts.config)),
    };
    let mut reader = Reader::new(path, config);
    if !problems.is_empty() {
        reader.declared.expect_more();
    }
    reader.declared.configurations =
        parts.configurations.into_iter().map(|(name, it)| (name, files(it))).collect();
    for statement in parts.statements {
        let read = statement.and_then(|line| reader.read(line));
        // What names something unknown may be right once the configuration is.
        let is_sure = !reader.declared.missed();
        mistakes.extend(read.err().filter(|_| is_sure));
    }
    mistakes.extend(parts.dangling);
    if mistakes.is_empty() && problems.is_empty() {
        mistakes.extend(endless(&reader.scenario));
    }
    if mistakes.is_empty() && problems.is_empty() {
        let (table, title) = (parts.table, title(path, text));
        return Ok(Scenario { table, title, ..reader.finish() });
    }
    let name: Arc<str> = file.into();
    let problem = |it: Mistake| {
        let place = Place { file: Arc::clone(&name), at: Some(it.place) };
        Problem { place, message: it.message }
    };
    problems.extend(mistakes.into_iter().map(problem));
    Err(Problems::new(problems).with_excerpts(name, text))
}

/// What keeps a simulation from coming to an end.
fn endless(scenario: &Scenario) -> Option<Mistake> {
    if scenario.duration.is_some() {
        return None;
    }
    let is_open = |it: &&Step| matches!(it.what, What::When(_, None));
    if let Some(step) = scenario.script.iter().find(is_open) {
        let message = "a `when` without `within` waits to the end: add `duration 5m`";
        return Some(Mistake { place: (step.line, 1), message: message.to_owned() });
    }
    let has_time = |it: &Step| match &it.what {
        What::At(_) | What::After(_) | What::When(..) => true,
        What::Expect(it) => matches!(it.when, When::Within(_) | When::For(_)),
        What::Do(_) => false,
    };
    let message = "nothing ends this: add `duration 5m`, or a time with `at`";
    let is_endless = !scenario.script.iter().any(has_time);
    is_endless.then(|| Mistake { place: (1, 1), message: message.to_owned() })
}

/// What a file is about: the comment in its first line, or its name.
fn title(path: &Path, text: &str) -> String {
    let comment = text.lines().next().and_then(|it| it.strip_prefix('#')).map(str::trim);
    let name = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    comment.filter(|it| !it.is_empty()).map_or_else(name, str::to_owned)
}

/// A file taken apart.
#[derive(Default)]
struct Parts<'t> {
    statements: Vec<Read<Line<'t>>>,
    config: Fence,
    configurations: BTreeMap<String, Fence>,
    table: Vec<(usize, String)>,
    dangling: Option<Mistake>,
}

/// The contents of the fences of one kind, each line at its place in the file, so that
/// whatever is said of a place in them is said of the file.
#[derive(Default)]
struct Fence {
    contents: String,
    lines: usize,
}

impl Fence {
    fn add(&mut self, number: usize, line: &str) {
        while self.lines + 1 < number {
            self.contents.push('\n');
            self.lines += 1;
        }
        self.contents.push_str(line);
        self.contents.push('\n');
        self.lines += 1;
    }
}

const FENCE: &str = "```";

/// Takes `text` apart: fences of the configuration and the table, and statements, which go
/// on after a line that ends with a comma.
fn split<'t>(text: &'t str, mistakes: &mut Vec<Mistake>) -> Parts<'t> {
    let mut parts = Parts::default();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if let Some(kind) = line.trim_start().strip_prefix(FENCE) {
            let body = (&mut lines)
                .map_while(|(number, line)| (line.trim() != FENCE).then_some((number, line)));
            match kind.trim() {
                "toml" => body.for_each(|(number, line)| parts.config.add(number, line)),
                named if value::fence_name(named).is_some() => {
                    let name = value::fence_name(named).unwrap_or_default().to_owned();
                    let fence = parts.configurations.entry(name).or_default();
                    body.for_each(|(number, line)| fence.add(number, line));
                }
                "ipvsadm" => {
                    let is_said = |it: &&str| !it.is_empty() && !it.starts_with('#');
                    parts.table.extend(body.filter_map(|(number, line)| {
                        Some(line.trim()).filter(is_said).map(|it| (number, it.to_owned()))
                    }));
                }
                other => {
                    body.for_each(drop);
                    mistakes.push(Mistake {
                        place: (number, 1),
                        message: format!(
                            "expected {FENCE}toml for configuration, {FENCE}toml NAME for one to \
                             reload, or {FENCE}ipvsadm for the table, found {FENCE}{other}"
                        ),
                    });
                }
            }
            continue;
        }
        let mut statement = Line::new(number, line);
        while statement.as_ref().is_ok_and(Line::goes_on) {
            let Some((number, line)) = lines.next() else { break };
            statement = statement.and_then(|mut it| it.add(number, line).map(|()| it));
        }
        parts.statements.push(statement);
    }
    parts.dangling = unclosed(text);
    parts
}

/// A fence without an end.
fn unclosed(text: &str) -> Option<Mistake> {
    let mut open = None;
    for (number, line) in (1..).zip(text.lines()) {
        open = match (open, line.trim_start().starts_with(FENCE)) {
            (None, true) => Some(number),
            (Some(_), _) if line.trim() == FENCE => None,
            (open, _) => open,
        };
    }
    let message = format!("this fence is never closed: add a line with {FENCE} alone");
    open.map(|number| Mistake { place: (number, 1), message })
}

/// The words with which a statement can begin, beside names.
const STATEMENTS: [&str; 21] = [
    "seed", "duration", "sample", "service", "server", "clients", "at", "after", "when", "expect",
    "always", "never", "weir", "kernel", "plugin", "ipvsadm", "http", "verdict", "operator",
    "chaos", "note",
];

/// A scenario while its statements are read.
struct Reader {
    declared: Declared,
    scenario: Scenario,
    /// Where the script stands, as far as that is known before it runs.
    now: Option<Duration>,
}

impl Reader {
    fn new(path: &Path, config: Option<Config>) -> Self {
        let declared = Declared::new(config.as_ref());
        let scenario = Scenario {
            path: path.to_owned(),
            title: String::new(),
            seed: 1,
            duration: None,
            sample: Duration::from_secs(1),
            config,
            table: Vec::new(),
            servers: Vec::new(),
            clients: Vec::new(),
            script: Vec::new(),
            names: super::scenario::Names::default(),
        };
        Self { declared, scenario, now: Some(Duration::ZERO) }
    }

    fn finish(self) -> Scenario {
        let names = self.declared.into_names();
        Scenario { names, ..self.scenario }
    }

    /// ```text
    /// statement = "seed" NUMBER | "duration" DURATION | "sample" DURATION
    ///           | service | server | clients
    ///           | "at" DURATION [happening] | "after" DURATION [happening]
    ///           | "when" fact ["within" DURATION]
    ///           | happening
    /// happening = expectation | action
    /// ```
    fn read(&mut self, mut line: Line<'_>) -> Read<()> {
        let Some(word) = line.word() else { return line.finish() };
        let start = line.clone();
        line.step();
        match word {
            "seed" => self.scenario.seed = line.number("a seed, a whole number such as 7")?,
            "duration" => self.scenario.duration = Some(positive(&mut line)?),
            "sample" => self.scenario.sample = positive(&mut line)?,
            "service" => setup::service(&mut line, &mut self.declared)?,
            "server" => {
                let server = setup::server(&mut line, &mut self.declared)?;
                self.scenario.servers.push(server);
            }
            "clients" => {
                let clients = setup::clients(&mut line, &mut self.declared)?;
                self.scenario.clients.push(clients);
            }
            "at" => self.read_at(&mut line)?,
            "after" => self.read_after(&mut line)?,
            "when" => {
                let number = start.place().0;
                let text = line.clone().rest().to_owned();
                let fact = expectation::fact(&mut line, &self.declared)?;
                let within = line.accept(&["within"]).then(|| line.duration()).transpose()?;
                self.now = None;
                let what = What::When(fact, within);
                self.scenario.script.push(Step { line: number, text, what });
            }
            _ => {
                line = start;
                self.read_happening(&mut line)?;
            }
        }
        line.finish()
    }

    fn read_at(&mut self, line: &mut Line<'_>) -> Read<()> {
        let number = line.place().0;
        let here = line.clone();
        let at = line.duration()?;
        if let Some(now) = self.now.filter(|it| *it > at) {
            let now = show_duration(now);
            return Err(here.mistake(format!(
                "{} is over: the script is at {now}; times only go up",
                show_duration(at)
            )));
        }
        self.now = Some(at);
        self.push_time(number, What::At(at));
        self.read_maybe(line)
    }

    fn read_after(&mut self, line: &mut Line<'_>) -> Read<()> {
        let number = line.place().0;
        let delay = line.duration()?;
        self.now = self.now.map(|it| it.saturating_add(delay));
        self.push_time(number, What::After(delay));
        self.read_maybe(line)
    }

    fn push_time(&mut self, line: usize, what: What) {
        self.scenario.script.push(Step { line, text: String::new(), what });
    }

    fn read_maybe(&mut self, line: &mut Line<'_>) -> Read<()> {
        if line.is_at_end() { Ok(()) } else { self.read_happening(line) }
    }

    fn read_happening(&mut self, line: &mut Line<'_>) -> Read<()> {
        let number = line.place().0;
        let text = line.clone().rest().to_owned();
        let what = match expectation::read(line, &self.declared)? {
            Some(expectation) => What::Expect(expectation),
            None => What::Do(action::read(line, &self.declared, &self.scenario)?),
        };
        self.scenario.script.push(Step { line: number, text, what });
        Ok(())
    }
}

fn positive(line: &mut Line<'_>) -> Read<Duration> {
    line.parse("a duration above 0 such as 5m", |it| value::duration(it).filter(|it| !it.is_zero()))
}
