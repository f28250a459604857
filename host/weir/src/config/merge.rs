//! From the texts of files to one table: parsed, with what they refer to put in, and joined.
//!
//! Tables of several files become one, key by key, and arrays of tables one after the other.
//! Whatever else is stated twice is a mistake, for no order of files decides what counts.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    files::Files,
    reader::{Notes, Value},
    references,
    shorthand::spell_out,
};

/// The one table of all files; none if one of them is no TOML, for then the rest may be
/// misread, and complaints about it mislead.
pub(super) fn merged<'t>(files: &'t Files, notes: &Notes<'t>) -> Option<DeTable<'t>> {
    let mut all = DeTable::new();
    let mut is_whole = true;
    for file in &files.files {
        let (table, errors) = DeTable::parse_recoverable(&file.text);
        is_whole &= errors.is_empty();
        for error in &errors {
            let offset = error.span().map_or(file.text.len(), |it| it.start);
            notes.add(file.start + offset, error.message());
        }
        if is_whole {
            let mut table = table.into_inner();
            // Most configurations are one file, and some of those are long.
            if file.start > 0 {
                table = shifted_table(table, file.start);
            }
            put_in_references(&mut table, files, notes);
            join(&mut all, table, "", notes);
        }
    }
    spell_out(&mut all);
    is_whole.then_some(all)
}

/// The same with offsets that count from the first file on.
fn shifted<'t>(value: Value<'t>, by: usize) -> Value<'t> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shifted_table(table, by)),
        DeValue::Array(mut array) => {
            for element in array.iter_mut() {
                let taken = std::mem::replace(element, Spanned::new(0..0, DeValue::Boolean(false)));
                *element = shifted(taken, by);
            }
            DeValue::Array(array)
        }
        other => other,
    };
    Spanned::new(span.start + by..span.end + by, value)
}

fn shifted_table(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let shift = |(key, value): (Spanned<_>, _)| {
        let span = key.span();
        (Spanned::new(span.start + by..span.end + by, key.into_inner()), shifted(value, by))
    };
    table.into_iter().map(shift).collect()
}

fn put_in_references<'t>(table: &mut DeTable<'t>, files: &Files, notes: &Notes<'t>) {
    for (_, value) in table.iter_mut() {
        put_in(value, files, notes);
    }
}

fn put_in<'t>(value: &mut Value<'t>, files: &Files, notes: &Notes<'t>) {
    let start = value.span().start;
    match value.get_mut() {
        DeValue::String(text) => match references::resolve(text, &files.directory) {
            Ok(None) => {}
            Ok(Some(resolved)) => {
                notes.hide(&resolved, text);
                *text = resolved.into();
            }
            Err(message) => notes.add(start, message),
        },
        DeValue::Array(array) => array.iter_mut().for_each(|it| put_in(it, files, notes)),
        DeValue::Table(table) => put_in_references(table, files, notes),
        _ => {}
    }
}

/// Puts what `table` states into `all`; `path` is where they are, for messages.
fn join<'t>(all: &mut DeTable<'t>, table: DeTable<'t>, path: &str, notes: &Notes<'t>) {
    for (key, value) in table {
        let Some(there) = all.get_mut(key.get_ref().as_ref()) else {
            all.insert(key, value);
            continue;
        };
        let first = there.span().start;
        let name = format!("{path}{}", key.get_ref());
        match (there.get_mut(), value.into_inner()) {
            (DeValue::Table(there), DeValue::Table(more)) => {
                join(there, more, &format!("{name}."), notes);
            }
            (DeValue::Array(there), DeValue::Array(more))
                if there.iter().chain(more.iter()).all(|it| it.get_ref().is_table()) =>
            {
                more.iter().for_each(|it| there.push(it.clone()));
            }
            _ => {
                let place = notes.place(first);
                notes.add(
                    key.span().start,
                    format!("`{name}` is stated in {place}, too: remove one"),
                );
            }
        }
    }
}
