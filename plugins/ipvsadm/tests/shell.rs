//! As much of a shell as the recorded cases use: words and quotes, `;`, `&&`, `|`, files,
//! variables, and a handful of commands beside ipvsadm.

use std::collections::BTreeMap;

use ipvsadm::host::{Error, Invocation, Terminals};

use crate::kernel::{Kernel, Process};

/// The machine that a case runs on.
#[derive(Default)]
pub(crate) struct Machine {
    pub(crate) kernel: Kernel,
    files: BTreeMap<String, Vec<u8>>,
    variables: BTreeMap<String, String>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    status: u8,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Operator(&'static str),
}

const OPERATORS: [&str; 6] = ["&&", ";", "|", "<", ">", "\n"];

impl Machine {
    /// Runs a line; its status, or none if `exit` ended it.
    pub(crate) fn run(&mut self, line: &str) -> u8 {
        let tokens = split(line);
        let mut skip = false;
        let mut input = Vec::new();
        for part in
            tokens.split_inclusive(|token| matches!(token, Token::Operator("&&" | ";" | "|")))
        {
            let (command, operator) = match part {
                [command @ .., Token::Operator(operator @ ("&&" | ";" | "|"))] => {
                    (command, *operator)
                }
                command => (command, ""),
            };
            if !skip {
                let Some(output) = self.run_command(command, std::mem::take(&mut input)) else {
                    return self.status;
                };
                if operator == "|" { input = output } else { self.stdout.extend(output) }
            }
            skip = match operator {
                "&&" => skip || self.status != 0,
                _ => false,
            };
        }
        self.status
    }

    /// Runs one command; what it writes to stdout, or none if it is `exit`.
    fn run_command(&mut self, tokens: &[Token], input: Vec<u8>) -> Option<Vec<u8>> {
        let (mut words, mut environment) = (Vec::new(), Vec::new());
        let (mut input, mut target) = (input, None);
        let mut tokens = tokens.iter();
        while let Some(token) = tokens.next() {
            match (token, words.is_empty()) {
                (Token::Operator("<"), _) => {
                    input = self.files.get(&word(tokens.next())).cloned().unwrap_or_default()
                }
                (Token::Operator(">"), _) => target = Some(word(tokens.next())),
                (Token::Operator(operator), _) => panic!("{operator} here"),
                (Token::Word(text), true) if text.contains('=') => {
                    let (name, value) = text.split_once('=').unwrap();
                    environment.push((name.to_owned(), self.expand(value)));
                }
                (Token::Word(text), _) => words.push(self.expand(text)),
            }
        }
        if words.is_empty() {
            self.variables.extend(environment);
            return Some(Vec::new());
        }
        let output = self.run_words(&words, environment, input)?;
        match target {
            Some(name) => {
                self.files.insert(name, output);
                Some(Vec::new())
            }
            None => Some(output),
        }
    }

    fn run_words(
        &mut self,
        words: &[String],
        environment: Vec<(String, String)>,
        input: Vec<u8>,
    ) -> Option<Vec<u8>> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["exit", status] => {
                self.status = status.parse().unwrap();
                return None;
            }
            ["cd", _] => self.status = 0,
            ["printf", text] => {
                self.status = 0;
                return Some(printf(text));
            }
            ["su", "nobody", "-c", line] => {
                let closed = self.kernel.closed.replace(Error::NotPermitted);
                self.run(line);
                self.kernel.closed = closed;
            }
            [program, ..] if program.ends_with("ipvsadm") => {
                return Some(self.ipvsadm(&words, environment, input));
            }
            other => panic!("no command {other:?}"),
        }
        Some(Vec::new())
    }

    /// Runs ipvsadm; what it writes to stdout.
    pub(crate) fn ipvsadm(
        &mut self,
        words: &[&str],
        environment: Vec<(String, String)>,
        input: Vec<u8>,
    ) -> Vec<u8> {
        let invocation = Invocation {
            arguments: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
            environment: environment
                .into_iter()
                .map(|(name, value)| (name, value.into_bytes()))
                .collect(),
            terminals: Terminals::empty(),
        };
        let mut process = Process::new(&mut self.kernel, input);
        self.status = ipvsadm::run(&mut process, &invocation);
        self.stderr.append(&mut process.stderr);
        process.stdout
    }

    fn expand(&self, text: &str) -> String {
        match text.strip_prefix('$') {
            Some("?") => self.status.to_string(),
            Some(name) => self.variables.get(name).cloned().unwrap_or_default(),
            None => text.to_owned(),
        }
    }
}

fn word(token: Option<&Token>) -> String {
    match token {
        Some(Token::Word(word)) => word.clone(),
        other => panic!("a file's name, not {other:?}"),
    }
}

fn split(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator));
        if let Some(operator) = operator {
            tokens.extend(word.take().map(Token::Word));
            tokens.push(Token::Operator(operator));
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
