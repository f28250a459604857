//! One statement of a scenario as words, and what is said where they are not as expected.
//!
//! Knows nothing of what statements mean. Every `expected` names the place, what was
//! expected with an example, and what was found.

use std::{fmt::Display, time::Duration};

use weir_ipvs::Endpoint;

use super::value;
use crate::spelling;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Line and column from 1; columns count characters.
    pub(super) place: (usize, usize),
    /// What was expected, and what was found.
    pub(super) message: String,
}

/// What reading a part of a statement gives.
pub(super) type Read<T> = Result<T, Mistake>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token<'t> {
    place: (usize, usize),
    kind: Kind<'t>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind<'t> {
    /// Whatever stands between spaces.
    Word(&'t str),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`: words of their own, whatever surrounds them.
    Sign(&'t str),
    /// What stands between quotes, `\"` and `\\` undone.
    Text(String),
    Comma,
}

/// A statement, read from left to right: one line, or several of which all but the last
/// end with a comma.
#[derive(Debug, Clone)]
pub(super) struct Line<'t> {
    /// Its last line so far, and that line's number.
    last: (usize, &'t str),
    tokens: Vec<Token<'t>>,
    next: usize,
}

impl<'t> Line<'t> {
    /// The statement that begins with `text`, the line with this number.
    pub(super) fn new(number: usize, text: &'t str) -> Read<Self> {
        let mut line = Self { last: (number, text), tokens: Vec::new(), next: 0 };
        line.add(number, text)?;
        Ok(line)
    }

    /// Adds one more line. A `#` at the start of a word begins a comment.
    pub(super) fn add(&mut self, number: usize, text: &'t str) -> Read<()> {
        self.last = (number, text);
        let mut rest = text;
        loop {
            rest = rest.trim_start();
            let column = text[..text.len() - rest.len()].chars().count() + 1;
            let place = (number, column);
            let Some(first) = rest.chars().next().filter(|it| *it != '#') else { return Ok(()) };
            let (kind, length) = match first {
                ',' => (Kind::Comma, 1),
                '"' => quoted(rest, place)?,
                '\'' => raw(rest, place)?,
                '=' | '!' | '<' | '>' => {
                    let length = if rest[1..].starts_with('=') { 2 } else { 1 };
                    (Kind::Sign(&rest[..length]), length)
                }
                _ => {
                    let ends = |it: char| it.is_whitespace() || ",\"=!<>".contains(it);
                    let length = rest.find(ends).unwrap_or(rest.len());
                    (Kind::Word(&rest[..length]), length)
                }
            };
            self.tokens.push(Token { place, kind });
            rest = &rest[length..];
        }
    }

    /// Whether it goes on in the next line: it ends with a comma.
    pub(super) fn goes_on(&self) -> bool {
        self.tokens.last().is_some_and(|it| it.kind == Kind::Comma)
    }

    /// Whether all of it was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.next == self.tokens.len()
    }

    /// Where the next word stands, or where it ends.
    pub(super) fn place(&self) -> (usize, usize) {
        let (number, text) = self.last;
        let end = (number, text.trim_end().chars().count() + 1);
        self.tokens.get(self.next).map_or(end, |it| it.place)
    }

    /// The next word, left where it is.
    pub(super) fn word(&self) -> Option<&'t str> {
        match self.tokens.get(self.next)?.kind {
            Kind::Word(word) | Kind::Sign(word) => Some(word),
            _ => None,
        }
    }

    /// Steps over the next word.
    pub(super) fn step(&mut self) {
        self.next += 1;
    }

    /// Steps over the next word if it is one of `words`.
    pub(super) fn accept(&mut self, words: &[&str]) -> bool {
        let is_there = self.word().is_some_and(|it| words.contains(&it));
        self.next += usize::from(is_there);
        is_there
    }

    pub(super) fn accept_comma(&mut self) -> bool {
        let is_there = self.tokens.get(self.next).is_some_and(|it| it.kind == Kind::Comma);
        self.next += usize::from(is_there);
        is_there
    }

    /// Steps over `word`, which must come next.
    pub(super) fn require(&mut self, word: &str) -> Read<()> {
        if self.accept(&[word]) { Ok(()) } else { Err(self.expected(format_args!("`{word}`"))) }
    }

    /// The next word as `parse` understands it; `what` says what was expected.
    pub(super) fn parse<T>(
        &mut self,
        what: &str,
        parse: impl FnOnce(&'t str) -> Option<T>,
    ) -> Read<T> {
        let parsed = self.word().and_then(parse).ok_or_else(|| self.expected(what))?;
        self.step();
        Ok(parsed)
    }

    /// As [`Line::parse`], where it may be something else.
    pub(super) fn maybe<T>(&mut self, parse: impl FnOnce(&'t str) -> Option<T>) -> Option<T> {
        let parsed = self.word().and_then(parse)?;
        self.step();
        Some(parsed)
    }

    pub(super) fn duration(&mut self) -> Read<Duration> {
        self.parse("a duration such as 500ms, 7.6s or 1m30s", value::duration)
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Read<T> {
        self.parse(what, |it| it.parse().ok())
    }

    pub(super) fn endpoint(&mut self) -> Read<Endpoint> {
        self.parse("an address and port such as 10.0.0.1:80 or [2001:db8::1]:80", |it| {
            it.parse().ok()
        })
    }

    /// Whether a text in quotes comes next.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.tokens.get(self.next), Some(Token { kind: Kind::Text(_), .. }))
    }

    /// A text in quotes.
    pub(super) fn text(&mut self, example: &str) -> Read<String> {
        let Some(Token { kind: Kind::Text(text), .. }) = self.tokens.get(self.next) else {
            return Err(self.expected(format_args!("a text in quotes such as \"{example}\"")));
        };
        let text = text.clone();
        self.step();
        Ok(text)
    }

    /// One of the words of `table`.
    pub(super) fn choice<T: Clone>(&mut self, what: &str, table: &[(&str, T)]) -> Read<T> {
        let known = |word: &str| table.iter().find(|it| it.0 == word).map(|it| it.1.clone());
        if let Some(it) = self.maybe(known) {
            return Ok(it);
        }
        let words: Vec<&str> = table.iter().map(|it| it.0).collect();
        Err(self.expected_one_of(what, &words))
    }

    /// All that was not read yet of its last line, as it stands.
    pub(super) fn rest(&mut self) -> &'t str {
        let (_, text) = self.last;
        let skipped = self.place().1 - 1;
        self.next = self.tokens.len();
        let start = text.char_indices().nth(skipped).map_or(text.len(), |it| it.0);
        text[start..].trim_end()
    }

    /// That nothing more may come.
    pub(super) fn finish(&self) -> Read<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.expected("the end of the line")) }
    }

    /// That `what` was expected at the next word.
    pub(super) fn expected(&self, what: impl Display) -> Mistake {
        self.mistake(format!("expected {what}, found {}", self.found()))
    }

    /// That one of `words` was expected at the next word.
    pub(super) fn expected_one_of(&self, what: &str, words: &[&str]) -> Mistake {
        let remedy = match self.word().and_then(|it| spelling::nearest(it, words)) {
            Some(it) => format!("; did you mean `{it}`?"),
            None => format!(": one of {}", words.join(", ")),
        };
        self.mistake(format!("expected {what}, found {}{remedy}", self.found()))
    }

    /// A mistake at the next word.
    pub(super) fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake { place: self.place(), message: message.into() }
    }

    fn found(&self) -> String {
        match self.tokens.get(self.next).map(|it| &it.kind) {
            None => "the end of the line".to_owned(),
            Some(Kind::Word(word) | Kind::Sign(word)) => format!("`{word}`"),
            Some(Kind::Text(text)) => format!("\"{text}\""),
            Some(Kind::Comma) => "a comma".to_owned(),
        }
    }
}

/// The text between single quotes, as it stands, that `rest` begins with.
fn raw(rest: &str, place: (usize, usize)) -> Read<(Kind<'_>, usize)> {
    let text = rest[1..].split_once('\'').map(|it| it.0);
    let message = "this quote is never closed: add '".to_owned();
    let text = text.ok_or(Mistake { place, message })?;
    Ok((Kind::Text(text.to_owned()), text.len() + 2))
}

/// The text that `rest` begins with, and how many bytes it takes there.
fn quoted(rest: &str, (number, column): (usize, usize)) -> Read<(Kind<'_>, usize)> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((Kind::Text(text), at + 1)),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                _ => {
                    let place = (number, column + rest[..at].chars().count());
                    let message = "expected \\\" or \\\\: only these two need a backslash";
                    return Err(Mistake { place, message: message.to_owned() });
                }
            },
            other => text.push(other),
        }
    }
    let message = "this quote is never closed: add \"".to_owned();
    Err(Mistake { place: (number, column), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let mut line = match Line::new(1, text) {
            Ok(line) => line,
            Err(mistake) => return format!("{}: {}", mistake.place.1, mistake.message),
        };
        let mut words = Vec::new();
        while !line.is_at_end() {
            words.push(format!("{}{}", line.place().1, line.found()));
            line.step();
        }
        words.join(" ")
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(words(text), expected, "{text}");
    }

    #[test]
    fn lines_are_split_into_words() {
        check("", "");
        check("  # only a comment", "");
        check("a, b crash # now", "1`a` 2a comma 4`b` 6`crash`");
        check("a weight>=0", "1`a` 3`weight` 9`>=` 11`0`");
        check("log \"a \\\"b\\\" #1\"", "1`log` 5\"a \"b\" #1\"");
        check("ä \"ö\" x", "1`ä` 3\"ö\" 7`x`");
        check("10.0.0.1:80", "1`10.0.0.1:80`");
    }

    #[test]
    fn a_quote_is_closed_on_its_line() {
        check("log \"a", "5: this quote is never closed: add \"");
        check("log \"a\\n\"", "7: expected \\\" or \\\\: only these two need a backslash");
    }

    #[test]
    fn the_rest_of_a_line_is_taken_as_it_stands() {
        let mut line = Line::new(1, "at 5s ipvsadm  -a  -r \"x\" ").unwrap();
        line.step();
        line.step();
        assert_eq!(line.rest(), "ipvsadm  -a  -r \"x\"");
        assert!(line.is_at_end());
    }

    #[test]
    fn a_statement_may_have_several_lines() {
        let mut line = Line::new(3, "server a,").unwrap();
        assert!(line.goes_on());
        line.add(4, "  workers 5").unwrap();
        assert!(!line.goes_on());
        (0..3).for_each(|_| line.step());
        assert_eq!((line.word(), line.place()), (Some("workers"), (4, 3)));
        (0..2).for_each(|_| line.step());
        assert_eq!(line.finish(), Ok(()));
        assert_eq!(line.place(), (4, 12));
    }
}
