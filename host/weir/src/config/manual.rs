//! The tables of the manual, from the rows of [`keys`](super::keys).

use std::fmt::Write as _;

use super::{
    TOP,
    keys::Table,
    schema::{all_tables, described},
};

/// `manual` with its tables of keys as the rows have them: each stands between
/// `<!-- keys: NAME -->` and `<!-- end of keys -->`.
pub(super) fn with_tables(manual: &str) -> String {
    const BEGIN: &str = "<!-- keys: ";
    const END: &str = "<!-- end of keys -->";
    let all = all_tables();
    let mut parts = manual.split(BEGIN);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").unwrap_or((part, ""));
        let rest = rest.split_once(END).map_or("", |it| it.1);
        let table = all.iter().find(|it| it.name == name);
        let shown = table.map_or_else(|| format!("there is no table {name}\n"), |it| show(it));
        let _ = write!(written, "{BEGIN}{name} -->\n\n{shown}\n{END}{rest}");
    }
    written
}

/// A table of the manual.
fn show(table: &Table) -> String {
    let mut shown = "| key | default | meaning |\n|---|---|---|\n".to_owned();
    for row in table.rows() {
        let (name, default) = (row.name(), row.default());
        let heading = row.heading().filter(|_| table.name == TOP.name);
        let name = heading.unwrap_or_else(|| name.to_owned());
        let _ =
            writeln!(shown, "| `{name}` | {default} | {} |", described(row).replace('|', "\\|"));
    }
    shown
}
