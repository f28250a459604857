//! The command line as popt reads it: clusters of letters, values glued or apart, plain
//! arguments anywhere.

use std::borrow::Cow;

use crate::options::{ROWS, Row, Takes};

/// Stands in a value for the next plain argument, a relic of popt's aliases.
const NEXT_ARGUMENT: &[u8] = b"!#:+";

/// An option and its value.
pub(crate) struct Given<'a> {
    pub(crate) row: &'static Row,
    pub(crate) value: Option<Cow<'a, [u8]>>,
}

/// What popt has to say to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Unknown,
    MissingValue,
    UnwantedValue,
}

impl Problem {
    /// popt's words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Unknown => "unknown option",
            Self::MissingValue => "missing argument",
            Self::UnwantedValue => "option does not take an argument",
        }
    }
}

/// A walk through the tokens after the program's name.
pub(crate) struct Arguments<'a> {
    tokens: &'a [&'a [u8]],
    next: usize,
    /// What is left of a cluster.
    cluster: &'a [u8],
    /// Everything from here on is plain.
    rest_is_plain: bool,
    /// The first plain argument ends the options (POSIXLY_CORRECT).
    posix: bool,
    /// Tokens that stood in for `NEXT_ARGUMENT`.
    taken: Vec<usize>,
    plain: Vec<&'a [u8]>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(tokens: &'a [&'a [u8]], posix: bool) -> Self {
        Self {
            tokens,
            next: 0,
            cluster: &[],
            rest_is_plain: false,
            posix,
            taken: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// The last token consumed, which messages quote.
    pub(crate) fn last(&self) -> &'a [u8] {
        self.next.checked_sub(1).map_or(&[], |last| self.tokens[last])
    }

    /// Plain arguments met so far.
    pub(crate) fn into_plain(self) -> Vec<&'a [u8]> {
        self.plain
    }

    /// The next option; none = the end.
    pub(crate) fn next_option(&mut self) -> Result<Option<Given<'a>>, Problem> {
        if !self.cluster.is_empty() {
            return self.next_letter().map(Some);
        }
        while let Some(&token) = self.tokens.get(self.next) {
            self.next += 1;
            if self.taken.contains(&(self.next - 1)) {
                continue;
            }
            match token {
                _ if self.rest_is_plain => self.plain.push(token),
                b"--" => self.rest_is_plain = true,
                [b'-', b'-', name @ ..] => return self.long(name).map(Some),
                [b'-', letters @ ..] if !letters.is_empty() => {
                    self.cluster = letters;
                    return self.next_letter().map(Some);
                }
                _ => {
                    self.rest_is_plain = self.posix;
                    self.plain.push(token);
                }
            }
        }
        Ok(None)
    }

    fn long(&mut self, text: &'a [u8]) -> Result<Given<'a>, Problem> {
        let (name, glued) = match text.iter().position(|&byte| byte == b'=') {
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        let row = ROWS.iter().find(|row| row.long == name).ok_or(Problem::Unknown)?;
        self.with_value(row, glued)
    }

    fn next_letter(&mut self) -> Result<Given<'a>, Problem> {
        let (&letter, rest) = self.cluster.split_first().ok_or(Problem::Unknown)?;
        self.cluster = rest;
        let row = ROWS
            .iter()
            .find(|row| row.short != 0 && row.short == letter)
            .ok_or(Problem::Unknown)?;
        match rest {
            [b'=', ..] if row.takes == Takes::Nothing => Err(Problem::UnwantedValue),
            [] => self.with_value(row, None),
            _ if row.takes == Takes::Nothing => self.with_value(row, None),
            [b'=', value @ ..] | value => {
                self.cluster = &[];
                self.with_value(row, Some(value))
            }
        }
    }

    fn with_value(
        &mut self,
        row: &'static Row,
        glued: Option<&'a [u8]>,
    ) -> Result<Given<'a>, Problem> {
        let value = match (row.takes, glued) {
            (Takes::Nothing, Some(_)) => return Err(Problem::UnwantedValue),
            (Takes::Nothing, None) => None,
            (_, Some(value)) => Some(value),
            (takes, None) => match self.tokens.get(self.next) {
                Some([b'-', ..]) if takes == Takes::OptionalValue => None,
                Some(value) => {
                    self.next += 1;
                    Some(*value)
                }
                None if takes == Takes::OptionalValue => None,
                None => return Err(Problem::MissingValue),
            },
        };
        Ok(Given { row, value: value.map(|value| self.expand(value)) })
    }

    /// Replaces each `NEXT_ARGUMENT` in a value.
    fn expand(&mut self, value: &'a [u8]) -> Cow<'a, [u8]> {
        let is_relic = |at: &usize| value[*at..].starts_with(NEXT_ARGUMENT);
        let Some(first) = (0..value.len()).find(is_relic) else { return Cow::Borrowed(value) };
        let Some(argument) = self.take_argument() else { return Cow::Borrowed(value) };
        let mut expanded = value[..first].to_vec();
        let mut rest = &value[first..];
        while let [byte, after @ ..] = rest {
            if let Some(after) = rest.strip_prefix(NEXT_ARGUMENT) {
                expanded.extend_from_slice(argument);
                rest = after;
            } else {
                expanded.push(*byte);
                rest = after;
            }
        }
        Cow::Owned(expanded)
    }

    /// The next token without a dash, which the walk then passes over.
    fn take_argument(&mut self) -> Option<&'a [u8]> {
        let free =
            |index: &usize| !self.tokens[*index].starts_with(b"-") && !self.taken.contains(index);
        let index = (self.next..self.tokens.len()).find(free)?;
        self.taken.push(index);
        Some(self.tokens[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options as `name` or `name=value`, then plain arguments, or the problem with the
    /// token it is reported for.
    #[track_caller]
    fn check(line: &str, expected: &str) {
        check_with(line, expected, false);
    }

    #[track_caller]
    fn check_with(line: &str, expected: &str, posix: bool) {
        let tokens: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut arguments = Arguments::new(&tokens, posix);
        let mut seen = Vec::new();
        loop {
            match arguments.next_option() {
                Ok(Some(Given { row, value })) => {
                    let name = String::from_utf8_lossy(row.long);
                    seen.push(match value {
                        Some(value) => format!("{name}={}", String::from_utf8_lossy(&value)),
                        None => name.into_owned(),
                    });
                }
                Ok(None) => break,
                Err(problem) => {
                    seen.push(format!(
                        "{}: {problem:?}",
                        String::from_utf8_lossy(arguments.last())
                    ));
                    assert_eq!(seen.join(" "), expected);
                    return;
                }
            }
        }
        seen.extend(
            arguments.into_plain().iter().map(|it| format!("<{}>", String::from_utf8_lossy(it))),
        );
        assert_eq!(seen.join(" "), expected);
    }

    #[test]
    fn clusters_and_glued_values() {
        check("-Ln", "list numeric");
        check(
            "-At10.0.0.1:80 -srr -p=77",
            "add-service tcp-service=10.0.0.1:80 scheduler=rr persistent=77",
        );
        check("-s==rr", "scheduler==rr");
        check("-s=", "scheduler=");
        check("--netmask=", "netmask=");
        check("--netmask=a=b", "netmask=a=b");
        check("-nts x", "numeric tcp-service=s <x>");
    }

    #[test]
    fn a_value_may_look_like_an_option() {
        check("-f -1 -w -n", "fwmark-service=-1 weight=-n");
        check("-t --", "tcp-service=--");
        check("-s  x", "scheduler= <x>");
    }

    #[test]
    fn persistence_takes_the_next_token_unless_it_begins_with_a_dash() {
        check("-p 5", "persistent=5");
        check("-p -n", "persistent numeric");
        check("-p -", "persistent <->");
        check("-p", "persistent");
        check("-pn", "persistent=n");
        check("--persistent=", "persistent=");
    }

    #[test]
    fn plain_arguments_may_stand_anywhere() {
        check("a -n b - ", "numeric <a> <b> <-> <>");
        check("-n -- -n --", "numeric <-n> <-->");
        check_with("-n a -n", "numeric <a> <-n>", true);
    }

    #[test]
    fn problems_quote_the_last_token() {
        check("-Lnq", "list numeric -Lnq: Unknown");
        check("-list", "list ipip scheduler=t");
        check("--stat", "--stat: Unknown");
        check("--STATS", "--STATS: Unknown");
        check("--=x", "--=x: Unknown");
        check("-=x", "-=x: Unknown");
        check("--stats=1", "--stats=1: UnwantedValue");
        check("-n=3", "-n=3: UnwantedValue");
        check("-n=", "-n=: UnwantedValue");
        check("-n -s", "numeric -s: MissingValue");
        check("-I 1", "-I: Unknown");
    }

    #[test]
    fn the_relic_takes_the_next_plain_argument() {
        check("-A -t !#:+ 10.0.0.1:80", "add-service tcp-service=10.0.0.1:80");
        check("-t a!#:+b!#:+c -n x y", "tcp-service=axbxc numeric <y>");
        check("-t !#:+ -n", "tcp-service=!#:+ numeric");
        check("-t !# x", "tcp-service=!# <x>");
    }
}
