//! Tables for people: columns as wide as what is in them.

use std::io::{self, Write};

/// Rows of as many cells as there are columns, the first of which is their heading.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns of numbers, which end at one line.
    numbers: &'static [usize],
}

impl Table {
    pub(super) fn new(headings: &[&str], numbers: &'static [usize]) -> Self {
        let headings = headings.iter().map(|it| (*it).to_owned()).collect();
        Self { rows: vec![headings], numbers }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Writes it, each line after `margin`.
    pub(super) fn write(&self, out: &mut dyn Write, margin: &str) -> io::Result<()> {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = margin.to_owned();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match self.numbers.contains(&column) {
                    true => line += &format!("{cell:>width$}  "),
                    false => line += &format!("{cell:<width$}  "),
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new(&["NAME", "N", "WHY"], &[1]);
        table.row(vec!["a".into(), "100".into(), "ü".into()]);
        table.row(vec!["longer".into(), "7".into(), String::new()]);
        let mut out = Vec::new();
        table.write(&mut out, " ").unwrap();
        let expected = " NAME      N  WHY\n a       100  ü\n longer    7\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
