//! One command line: its words, and the many ways to spell them.

use std::collections::BTreeSet;

use weir_tests::random::Random;

use super::words::{self, COMMANDS, OptionWord, Value};

/// Which options occurred with which commands, both as numbers.
pub(crate) type Pairs = BTreeSet<(usize, usize)>;

#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) command: usize,
    /// What --start-daemon and --stop-daemon take.
    pub(crate) state: &'static str,
    pub(crate) words: Vec<Word>,
    pub(crate) plain: Vec<Vec<u8>>,
}

#[derive(Clone)]
pub(crate) struct Word {
    pub(crate) option: &'static OptionWord,
    pub(crate) value: Option<Vec<u8>>,
}

impl Word {
    /// An option without value.
    pub(crate) fn flag(long: &str) -> Self {
        Self { option: words::named(long), value: None }
    }

    pub(crate) fn with(long: &str, value: impl Into<Vec<u8>>) -> Self {
        Self { option: words::named(long), value: Some(value.into()) }
    }

    /// The option with a value that suits it.
    pub(crate) fn good(option: &'static OptionWord, random: &mut Random) -> Self {
        let value = (option.value != Value::None).then(|| words::good(option.value, random));
        Self { option, value }
    }

    /// The option with a value that may not.
    pub(crate) fn odd(option: &'static OptionWord, random: &mut Random) -> Self {
        let value = (option.value != Value::None).then(|| words::odd(option.value, random));
        Self { option, value }
    }
}

impl Line {
    pub(crate) fn new(command: usize, words: Vec<Word>) -> Self {
        Self { command, state: "", words, plain: Vec::new() }
    }

    pub(crate) fn has(&self, kind: usize) -> bool {
        self.words.iter().any(|it| it.option.kind == Some(kind))
    }

    /// Notes what occurs together in this line.
    pub(crate) fn note(&self, pairs: &mut Pairs) {
        pairs.extend(self.words.iter().filter_map(|it| Some((self.command, it.option.kind?))));
    }

    /// Spells the line out, each word in one of its forms.
    pub(crate) fn tokens(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let mut tokens = Vec::new();
        // Where a cluster of short options may grow.
        let mut cluster = self.push_command(&mut tokens, random);
        for word in &self.words {
            cluster = push_word(&mut tokens, word, cluster, random);
        }
        for plain in &self.plain {
            let at = if random.percent(80) { tokens.len() } else { random.below(tokens.len()) + 1 };
            tokens.insert(at, plain.clone());
        }
        tokens
    }

    fn push_command(&self, tokens: &mut Vec<Vec<u8>>, random: &mut Random) -> bool {
        let command = &COMMANDS[self.command];
        match command.short {
            Some(short) if random.percent(70) => {
                tokens.push(vec![b'-', short]);
                true
            }
            _ if self.state.is_empty() => {
                tokens.push(format!("--{}", command.long).into());
                false
            }
            _ if random.percent(20) => {
                tokens.push(format!("--{}={}", command.long, self.state).into());
                false
            }
            _ => {
                tokens.push(format!("--{}", command.long).into());
                tokens.push(self.state.into());
                false
            }
        }
    }
}

/// Appends an option; true if more short options may be glued to it.
fn push_word(tokens: &mut Vec<Vec<u8>>, word: &Word, cluster: bool, random: &mut Random) -> bool {
    match word.option.short {
        Some(short) if random.percent(75) => {
            match tokens.last_mut() {
                Some(last) if cluster && random.percent(30) => last.push(short),
                _ => tokens.push(vec![b'-', short]),
            }
            let Some(value) = &word.value else { return word.option.value == Value::None };
            let last = tokens.last_mut().expect("one was just pushed");
            match random.below(10) {
                0 => last.extend(value),
                1 => last.extend([b"=", value.as_slice()].concat()),
                _ => tokens.push(value.clone()),
            }
        }
        _ => {
            let mut token = format!("--{}", word.option.long).into_bytes();
            match &word.value {
                Some(value) if random.percent(30) => {
                    token.push(b'=');
                    token.extend(value);
                    tokens.push(token);
                }
                Some(value) => tokens.extend([token, value.clone()]),
                None => tokens.push(token),
            }
        }
    }
    false
}
