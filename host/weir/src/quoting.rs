//! Keys and values as TOML has them, for what is written without being serialised whole.
//!
//! Rust's own quotes are not TOML's: neither `\u{7f}` nor `\'` is.

use toml::{Table, Value};

/// A value. A text of several lines is one of several lines here, too.
pub(crate) fn value(it: impl Into<Value>) -> String {
    it.into().to_string()
}

/// A key, alone or as a part of one with dots.
pub(crate) fn key(name: &str) -> String {
    // The library shows keys within tables only.
    let table = value(Table::from_iter([(name.to_owned(), Value::Boolean(true))]));
    table.trim_matches(['{', '}', ' ']).trim_end_matches(" = true").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_is_made_of_it_comes_back() {
        for text in [
            "plain",
            "",
            "it's",
            "\"both\" 'quotes'",
            "\\",
            "\u{7f}\u{1b}",
            "a\nb",
            "é",
            "{ = true }",
        ] {
            let written = format!("{} = {}\n", key(text), value(text));
            let read: Table = toml::from_str(&written).expect(&written);
            assert_eq!(read[text].as_str(), Some(text), "{written}");
        }
        assert_eq!((&*key("plain-1"), &*key("a.b")), ("plain-1", "\"a.b\""));
    }
}
