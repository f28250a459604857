//! How many tests ran, read from what the test runners print.

use std::{
    io::{self, Write},
    ops::AddAssign,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Passes everything on, in whole lines, and counts the tests in it. Several can have one
/// place to write to.
pub(crate) struct Counting<W> {
    inner: W,
    line: Vec<u8>,
    tally: Tally,
}

impl<W: Write> Counting<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, line: Vec::new(), tally: Tally::default() }
    }

    /// Passes on what has come since the last line, and tells how many tests there were.
    pub(crate) fn finish(mut self) -> io::Result<Tally> {
        self.inner.write_all(&self.line)?;
        self.inner.flush()?;
        Ok(self.tally)
    }
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|&it| it == b'\n') {
            self.line.extend(piece);
            if piece.ends_with(b"\n") {
                self.tally += summary(&String::from_utf8_lossy(&self.line)).unwrap_or_default();
                self.inner.write_all(&self.line)?;
                self.line.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads the closing line of libtest or nextest.
///
/// What a filter left out is not counted as skipped: it runs elsewhere.
fn summary(line: &str) -> Option<Tally> {
    let line = line.trim();
    let (counts, nextest) = match line.strip_prefix("test result: ") {
        Some(rest) => (rest.split_once(". ")?.1, false),
        None => (line.strip_prefix("Summary [")?.split_once(" run: ")?.1, true),
    };
    let mut tally = Tally::default();
    for part in counts.split([';', ',']) {
        let mut words = part.split_whitespace();
        let Some(count) = words.next().and_then(|it| it.parse::<usize>().ok()) else { continue };
        match words.next() {
            Some("passed") => tally.passed += count,
            Some("failed" | "timed" | "exec") => tally.failed += count,
            Some("ignored") if !nextest => tally.skipped += count,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, passed: usize, failed: usize, skipped: usize) {
        assert_eq!(summary(line), Some(Tally { passed, failed, skipped }), "{line}");
    }

    #[test]
    fn closing_lines_are_read() {
        check(
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s",
            5,
            0,
            1,
        );
        check(
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            1,
            2,
            0,
        );
        check("     Summary [   0.008s] 3 tests run: 3 passed, 4 skipped", 3, 0, 0);
        check(
            "     Summary [   1.5s] 4 tests run: 2 passed (1 slow), 1 failed, 1 timed out, 0 skipped",
            2,
            2,
            0,
        );
    }

    #[test]
    fn other_lines_are_not() {
        assert_eq!(summary("test kernel::boots ... ok"), None);
        assert_eq!(summary("5 passed"), None);
    }

    #[test]
    fn a_line_in_two_pieces_is_counted_once() {
        let mut passed_on = Vec::new();
        let mut counting = Counting::new(&mut passed_on);
        counting.write_all(b"test result: ok. 2 pas").unwrap();
        counting.write_all(b"sed; 0 failed; 0 ignored\nmo").unwrap();
        counting.write_all(b"re").unwrap();
        assert_eq!(counting.finish().unwrap(), Tally { passed: 2, failed: 0, skipped: 0 });
        assert_eq!(passed_on, b"test result: ok. 2 passed; 0 failed; 0 ignored\nmore");
    }
}
