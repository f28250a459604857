//! Every mistake of what a person wrote, each with its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use weir_wasm::printable;

/// Longer lines are not shown: a program made them, and one with a thousand mistakes would be shown
/// as often.
const LINE_BYTES_MAX: usize = 1000;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The file's name, as it was given.
    pub(crate) file: Arc<str>,
    /// Line and column from 1; columns count characters. None = the file as a whole.
    pub(crate) at: Option<(usize, usize)>,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) place: Place,
    /// What was expected, and what was found.
    pub(crate) message: String,
}

/// Every mistake, in the order of the files.
#[derive(Debug)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    /// The lines that are shown, by their file and number.
    lines: BTreeMap<(Arc<str>, usize), String>,
}

impl Place {
    /// A file as a whole.
    pub(crate) fn of_file(name: impl Into<Arc<str>>) -> Self {
        Self { file: name.into(), at: None }
    }
}

impl Problems {
    /// These, sorted.
    pub(crate) fn new(mut found: Vec<Problem>) -> Self {
        found.sort();
        found.dedup();
        Self { found, lines: BTreeMap::new() }
    }

    /// With the line of each shown that stands in this file, and the place marked.
    pub(crate) fn with_excerpts(mut self, file: impl Into<Arc<str>>, text: &str) -> Self {
        let file: Arc<str> = file.into();
        let here = self.found.iter().map(|it| &it.place).filter(|it| it.file == file);
        let wanted: BTreeSet<usize> = here.filter_map(|it| it.at).map(|(line, _)| line).collect();
        let shown = (1..)
            .zip(text.lines())
            .filter(|(number, line)| wanted.contains(number) && line.len() <= LINE_BYTES_MAX);
        let shown = shown.map(|(number, line)| ((Arc::clone(&file), number), line.to_owned()));
        self.lines.extend(shown);
        self
    }

    /// All of them.
    pub(crate) fn into_found(self) -> Vec<Problem> {
        self.found
    }

    fn show_excerpt(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((line, column)) = place.at else { return Ok(()) };
        let shown = self.lines.get(&(Arc::clone(&place.file), line));
        let Some(shown) = shown else { return Ok(()) };
        // Tabs are kept, so that the mark stands beneath its word whatever their width.
        let keep = |it: char| if it == '\t' { '\t' } else { ' ' };
        let before: String = shown.chars().take(column - 1).map(keep).collect();
        write!(f, "\n{line:>5} | {shown}\n      | {before}^")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.at {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.found.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            // Words of a plugin's schema may be in it.
            let message = problem.message.split('\n').map(printable).collect::<Vec<_>>();
            write!(f, "{end}{}: {}", problem.place, message.join("\n"))?;
            self.show_excerpt(&problem.place, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_gives_the_terminal_no_orders() {
        let message = "known here: a\u{1b}[31m\u{202e}\nor b".to_owned();
        let problems = Problems::new(vec![Problem { place: Place::of_file("x"), message }]);
        assert_eq!(problems.to_string(), "x: known here: a\\u{1b}[31m\\u{202e}\nor b");
    }

    #[test]
    fn a_line_that_no_person_wrote_is_not_shown() {
        let place = |line| Place { at: Some((line, 3)), ..Place::of_file("x") };
        let problem = |line| Problem { place: place(line), message: "no".to_owned() };
        let problems = Problems::new(vec![problem(1), problem(2)]);
        let text = format!("a b\n{}\n", "a b ".repeat(1000));
        let shown = problems.with_excerpts("x", &text).to_string();
        assert_eq!(shown, "x:1:3: no\n    1 | a b\n      |   ^\nx:2:3: no");
    }
}
