//! Every mistake of one file that a person wrote, each with its place.

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// Line and column from 1; columns count characters.
    pub(crate) place: (usize, usize),
    /// What was expected, and what was found.
    pub(crate) message: String,
}

/// Every mistake of one file, in the order of the file.
#[derive(Debug)]
pub(crate) struct Problems {
    file: String,
    found: Vec<Problem>,
    /// The file's text, where its lines are to be shown.
    text: Option<String>,
}

impl Problems {
    /// Those of `file`, which is its name in messages.
    pub(crate) fn new(file: impl Into<String>, mut found: Vec<Problem>) -> Self {
        found.sort();
        found.dedup();
        Self { file: file.into(), found, text: None }
    }

    /// With the line of each shown, out of `text`, and the place marked.
    pub(crate) fn with_excerpts(self, text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..self }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.found.iter().enumerate() {
            let (line, column) = problem.place;
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{line}:{column}: {}", self.file, problem.message)?;
            let shown = self.text.as_ref().and_then(|it| it.lines().nth(line - 1));
            if let Some(shown) = shown {
                // Tabs are kept, so that the mark stands beneath its word whatever their width.
                let keep = |it: char| if it == '\t' { '\t' } else { ' ' };
                let before: String = shown.chars().take(column - 1).map(keep).collect();
                write!(f, "\n{line:>5} | {shown}\n      | {before}^")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
