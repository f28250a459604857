//! `${NAME}` and `${file:PATH}` in strings: what stands in the environment, or in a file of
//! its own, so that secrets need not stand in the configuration.

use std::{env, path::Path};

use super::files;

/// Bytes of a file that is put in: keys, tokens and certificates fit.
const BYTES_MAX: u64 = 64 << 10;

/// `text` with what it refers to put in; none if it refers to nothing. `$${` stands for `${`.
/// Relative paths are looked for in `directory`.
pub(super) fn resolve(text: &str, directory: &Path) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut resolved = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            resolved += before;
            resolved += "${";
            rest = after;
            continue;
        }
        resolved += before;
        let Some((reference, after)) = after.split_once('}') else {
            return Err(format!("expected a }} after ${{{after}; to say ${{ itself, write $${{"));
        };
        resolved += &match reference.strip_prefix("file:") {
            Some(path) => of_file(&directory.join(path))?,
            None => of_environment(reference)?,
        };
        rest = after;
    }
    resolved += rest;
    Ok(Some(resolved))
}

fn of_environment(name: &str) -> Result<String, String> {
    let is_legal = |it: char| it.is_ascii_alphanumeric() || it == '_';
    if name.is_empty() || !name.chars().all(is_legal) {
        return Err(format!(
            "expected ${{NAME}} for a variable of the environment, or ${{file:PATH}} for what a \
             file holds, found ${{{name}}}; to say ${{ itself, write $${{"
        ));
    }
    match env::var(name) {
        Ok(value) => Ok(value),
        Err(env::VarError::NotPresent) => Err(format!(
            "there is no {name} in the environment: set it for weir, or write the value here"
        )),
        Err(env::VarError::NotUnicode(_)) => {
            Err(format!("what the environment has as {name} is not UTF-8"))
        }
    }
}

/// What the file holds, without an end of line at its end.
fn of_file(path: &Path) -> Result<String, String> {
    let text = files::read_text(path, BYTES_MAX)
        .map_err(|error| format!("failed to read {}: {error}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "s3cret\n").unwrap();
        let resolved = resolve(text, directory.path());
        let shown = match &resolved {
            Ok(Some(it)) => it,
            Ok(None) => "-",
            Err(message) => message,
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn references_are_put_in_and_others_are_mistakes() {
        check("$5 and {x}", "-");
        check("a$${b}c", "a${b}c");
        check("<${CARGO_PKG_NAME}>", "<weir>");
        check("${file:token}|", "s3cret|");
        check(
            "${NO_SUCH_THING}",
            "there is no NO_SUCH_THING in the environment: set it for weir, or write the value here",
        );
        check("${open", "expected a } after ${open; to say ${ itself, write $${");
        check(
            "${a-b}",
            "expected ${NAME} for a variable of the environment, or ${file:PATH} for what a file \
             holds, found ${a-b}; to say ${ itself, write $${",
        );
    }
}
