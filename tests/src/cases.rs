//! Recorded runs of the original: a file of commands and what they must say.

use std::{fmt::Write as _, fs, path::Path};

use serde::Deserialize;

use crate::{
    program::{Invocation, Outcome},
    text,
};

/// How far a timer may have run on between the recording and now.
const TIMER_TOLERANCE_S: u64 = 3;

/// The shell of the recording prints formats that begin with a dash; not every one does.
const PRINTF: &str = "printf() { command printf -- \"$@\"; }\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub id: String,
    /// Shell commands, all of which succeed.
    pub setup: Vec<String>,
    /// The shell command under test.
    pub cmd: String,
    stdout: String,
    stderr: String,
    exit: i32,
    /// Whether the output shows timers.
    #[serde(default)]
    volatile: bool,
    #[serde(default)]
    env: Option<Environment>,
}

/// A kernel that a case needs, other than one with ip_vs.
#[derive(Deserialize, PartialEq, Eq)]
enum Environment {
    #[serde(rename = "no-ip_vs")]
    NoIpVs,
}

impl Case {
    /// Reads a file of cases.
    pub fn read(path: &Path) -> Vec<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => panic!("cannot read {}: {error}", path.display()),
        };
        match serde_json::from_str(&text) {
            Ok(cases) => cases,
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }

    pub fn needs_ip_vs(&self) -> bool {
        self.env.is_none()
    }

    /// Runs the case in the namespaces of this thread. Returns what is wrong, or nothing.
    pub fn run(&self) -> Option<String> {
        let setup = Invocation::shell(&format!("set -e\n{PRINTF}{}", self.setup.join("\n")));
        if self.setup.is_empty() {
            return self.run_command();
        }
        setup.run_around(|outcome| match outcome.status {
            0 => self.run_command(),
            _ => Some(format!("{}: the setup failed\n{outcome}", self.id)),
        })
    }

    fn run_command(&self) -> Option<String> {
        self.difference(&Invocation::shell(&format!("{PRINTF}{}", self.cmd)).run())
    }

    /// What is wrong with the outcome of the command, or nothing.
    pub fn difference(&self, actual: &Outcome) -> Option<String> {
        let expected = self.expected();
        let same = actual.status == expected.status
            && actual.stderr == expected.stderr
            && self.same_text(&expected.stdout, &actual.stdout);
        if same {
            return None;
        }
        let mut report = format!("{}: {}\n", self.id, self.cmd);
        for line in &self.setup {
            writeln!(report, "  after: {line}").expect("a string takes everything");
        }
        Some(report + &text::diff(&expected.to_string(), &actual.to_string()))
    }

    fn expected(&self) -> Outcome {
        let (stdout, stderr) = (self.stdout.clone().into(), self.stderr.clone().into());
        Outcome { status: self.exit, stdout, stderr }
    }

    fn same_text(&self, expected: &[u8], actual: &[u8]) -> bool {
        if !self.volatile {
            return expected == actual;
        }
        let (expected, actual) = (pieces(expected), pieces(actual));
        expected.len() == actual.len()
            && expected.iter().zip(&actual).all(|(expected, actual)| {
                expected == actual
                    || match (seconds(expected), seconds(actual)) {
                        (Some(a), Some(b)) => a.abs_diff(b) <= TIMER_TOLERANCE_S,
                        _ => false,
                    }
            })
    }
}

/// Words and the white space between them, so that only timers can differ.
fn pieces(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut pieces: Vec<String> = Vec::new();
    let mut space = true;
    for character in text.chars() {
        if pieces.is_empty() || character.is_whitespace() != space {
            space = character.is_whitespace();
            pieces.push(String::new());
        }
        pieces.last_mut().expect("one was just pushed").push(character);
    }
    pieces
}

/// A timer as `MM:SS`, or as the seconds of `/proc/net/ip_vs_conn`.
fn seconds(word: &str) -> Option<u64> {
    match word.split_once(':') {
        Some((minutes, seconds)) if seconds.len() == 2 => {
            Some(minutes.parse::<u64>().ok()? * 60 + seconds.parse::<u64>().ok()?)
        }
        Some(_) => None,
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_timers_may_differ_in_a_volatile_case() {
        let mut case = case("TCP 14:59  ESTABLISHED 10.0.0.1:40001\n");
        let same =
            |case: &Case, actual: &str| case.same_text(case.stdout.as_bytes(), actual.as_bytes());
        assert!(same(&case, "TCP 14:57  ESTABLISHED 10.0.0.1:40001\n"));
        assert!(!same(&case, "TCP 14:50  ESTABLISHED 10.0.0.1:40001\n"));
        assert!(!same(&case, "TCP 14:57 ESTABLISHED 10.0.0.1:40001\n"));
        assert!(!same(&case, "TCP 14:59  ESTABLISHED 10.0.0.1:40002\n"));
        case.volatile = false;
        assert!(!same(&case, "TCP 14:58  ESTABLISHED 10.0.0.1:40001\n"));
    }

    fn case(stdout: &str) -> Case {
        let text = serde_json::json!({
            "id": "x", "setup": [], "cmd": "", "stdout": stdout, "stderr": "", "exit": 0, "volatile": true
        });
        serde_json::from_value(text).unwrap()
    }
}
