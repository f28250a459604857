//! As much of a shell as the recorded cases use, for programs that are no processes: words
//! and quotes, `;`, `&&`, `|`, `<`, `>`, variables, `cd`, `exit` and `printf`.

use std::{collections::BTreeMap, mem};

use crate::program::Outcome;

/// What a shell starts that is not its own.
pub trait Programs {
    /// Runs a program by its name and arguments. It panics if there is no such program.
    fn run(&mut self, words: &[&str], environment: &[(String, String)], input: &[u8]) -> Outcome;
}

/// A shell, and what it keeps from line to line.
pub struct Shell<P> {
    programs: P,
    files: BTreeMap<String, Vec<u8>>,
    variables: BTreeMap<String, String>,
    outcome: Outcome,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Operator(&'static str),
}

const OPERATORS: [&str; 6] = ["&&", ";", "|", "<", ">", "\n"];

/// Whether the rest of the line is looked at.
#[derive(PartialEq)]
enum Next {
    Go,
    Exit,
}

impl<P: Programs> Shell<P> {
    pub fn new(programs: P) -> Self {
        let outcome = Outcome { status: 0, stdout: Vec::new(), stderr: Vec::new() };
        let files = [("/dev/null".to_owned(), Vec::new())].into();
        Self { programs, files, variables: BTreeMap::new(), outcome }
    }

    /// Runs a line.
    pub fn run(&mut self, line: &str) -> Outcome {
        let tokens = split(line);
        let is_end = |token: &Token| matches!(token, Token::Operator("&&" | ";" | "|"));
        let (mut skip, mut input) = (false, Vec::new());
        for part in tokens.split_inclusive(is_end) {
            let (command, end) = match part {
                [command @ .., Token::Operator(end @ ("&&" | ";" | "|"))] => (command, *end),
                command => (command, ""),
            };
            if !skip {
                let (output, next) = self.run_command(command, &mem::take(&mut input));
                match end {
                    "|" => input = output,
                    _ => self.outcome.stdout.extend(output),
                }
                if next == Next::Exit {
                    break;
                }
            }
            skip = end == "&&" && (skip || self.outcome.status != 0);
        }
        let empty = Outcome { stdout: Vec::new(), stderr: Vec::new(), ..self.outcome };
        mem::replace(&mut self.outcome, empty)
    }

    /// Runs one command; what it writes to standard output.
    fn run_command(&mut self, tokens: &[Token], input: &[u8]) -> (Vec<u8>, Next) {
        let (mut words, mut environment) = (Vec::new(), Vec::new());
        let (mut input, mut target) = (input.to_vec(), None);
        let mut tokens = tokens.iter();
        while let Some(token) = tokens.next() {
            match token {
                Token::Operator("<") => {
                    let name = word(tokens.next());
                    input =
                        self.files.get(name).unwrap_or_else(|| panic!("no file {name}")).clone();
                }
                Token::Operator(">") => target = Some(word(tokens.next())),
                Token::Operator(operator) => panic!("{operator} here"),
                Token::Word(text) => match text.split_once('=') {
                    Some((name, value)) if words.is_empty() => {
                        environment.push((name.to_owned(), self.expand(value)));
                    }
                    _ => words.push(self.expand(text)),
                },
            }
        }
        if words.is_empty() {
            self.variables.extend(environment);
            return (Vec::new(), Next::Go);
        }
        let (mut output, next) = self.run_words(&words, &environment, &input);
        if let Some(name) = target {
            self.files.insert(name.to_owned(), mem::take(&mut output));
        }
        (output, next)
    }

    fn run_words(
        &mut self,
        words: &[String],
        environment: &[(String, String)],
        input: &[u8],
    ) -> (Vec<u8>, Next) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["exit", status] => {
                self.outcome.status = status.parse().expect("a status is a number");
                (Vec::new(), Next::Exit)
            }
            ["cd", _] => {
                self.outcome.status = 0;
                (Vec::new(), Next::Go)
            }
            ["printf", text] => {
                self.outcome.status = 0;
                (printf(text), Next::Go)
            }
            _ => {
                let Outcome { status, stdout, stderr } =
                    self.programs.run(&words, environment, input);
                self.outcome.status = status;
                self.outcome.stderr.extend(stderr);
                (stdout, Next::Go)
            }
        }
    }

    fn expand(&self, text: &str) -> String {
        match text.strip_prefix('$') {
            Some("?") => self.outcome.status.to_string(),
            Some(name) => self.variables.get(name).cloned().unwrap_or_default(),
            None => text.to_owned(),
        }
    }
}

fn word(token: Option<&Token>) -> &str {
    match token {
        Some(Token::Word(word)) => word,
        other => panic!("a file's name, not {other:?}"),
    }
}

fn split(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if let Some(operator) = OPERATORS.into_iter().find(|it| rest.starts_with(it)) {
            tokens.extend(word.take().map(Token::Word));
            tokens.push(Token::Operator(if operator == "\n" { ";" } else { operator }));
            rest = &rest[operator.len()..];
        } else if first == ' ' {
            tokens.extend(word.take().map(Token::Word));
            rest = &rest[1..];
        } else if first == '\'' || first == '"' {
            let end = 1 + rest[1..].find(first).expect("quotes are closed");
            word.get_or_insert_default().push_str(&rest[1..end]);
            rest = &rest[end + 1..];
        } else {
            word.get_or_insert_default().push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens.extend(word.map(Token::Word));
    tokens
}

/// `printf` of a text with escapes and no directives.
fn printf(text: &str) -> Vec<u8> {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs that say what they were given; `false` fails.
    struct Echo;

    impl Programs for Echo {
        fn run(
            &mut self,
            words: &[&str],
            environment: &[(String, String)],
            input: &[u8],
        ) -> Outcome {
            let input = String::from_utf8_lossy(input);
            Outcome {
                status: i32::from(words[0] == "false"),
                stdout: format!("{words:?}{environment:?}{input}\n").into(),
                stderr: b"!".to_vec(),
            }
        }
    }

    #[track_caller]
    fn check(line: &str, stdout: &str, status: i32) {
        let outcome = Shell::new(Echo).run(line);
        assert_eq!(String::from_utf8(outcome.stdout).unwrap(), stdout, "{line}");
        assert_eq!(outcome.status, status, "{line}");
    }

    #[test]
    fn lines_are_understood_as_by_a_shell() {
        check("a 'b c'\"d\" ''", "[\"a\", \"b cd\", \"\"][]\n", 0);
        check("A=1 a;b", "[\"a\"][(\"A\", \"1\")]\n[\"b\"][]\n", 0);
        check("false && a && b; c", "[\"false\"][]\n[\"c\"][]\n", 0);
        check("printf 'x\\ty' | a", "[\"a\"][]x\ty\n", 0);
        check("a > f; b <f", "[\"b\"][][\"a\"][]\n\n", 0);
        check("false; x=$?; exit $x; a", "[\"false\"][]\n", 1);
        check("cd / && a </dev/null", "[\"a\"][]\n", 0);
    }

    #[test]
    fn what_is_written_belongs_to_its_line() {
        let mut shell = Shell::new(Echo);
        assert_eq!(shell.run("a").stderr, b"!");
        assert_eq!(shell.run("b; c").stderr, b"!!");
    }
}
