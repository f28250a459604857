//! The decision log: every event of the last days, a line of JSON each.
//!
//! The current file is rotated when it is an eighth of what all may take together, or when
//! it has been written to for an eighth of the time that lines are kept; then the oldest
//! go, until the bounds hold. A file is never changed but at its end, so that others may read
//! it at any time.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{control::protocol::Event, report::rfc3339};

/// How many files there are about, when they are full.
const FILES: u64 = 8;

/// What may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes of all files together.
    pub(crate) bytes: u64,
    /// How long a line is kept.
    pub(crate) age: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: 64 << 20, age: Duration::from_secs(7 * 86_400) }
    }
}

/// The log at a path.
#[derive(Debug)]
pub(crate) struct Decisions {
    path: PathBuf,
    bounds: Bounds,
    /// None = nothing was written yet, or it failed.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    bytes: u64,
    /// When it was begun, by the clock on the wall.
    since: Duration,
}

impl Decisions {
    /// One at `path`, which need not be there, nor its directory.
    pub(crate) fn new(path: PathBuf, bounds: Bounds) -> Self {
        Self { path, bounds, current: None }
    }

    /// Adds lines, with their ends, at `wall`.
    pub(crate) fn write(&mut self, lines: &str, wall: Duration) -> io::Result<()> {
        let written = self.try_write(lines, wall);
        if written.is_err() {
            self.current = None;
        }
        written
    }

    fn try_write(&mut self, lines: &str, wall: Duration) -> io::Result<()> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.open(wall)?,
        };
        let bytes = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let is_full = current.bytes > 0 && current.bytes + bytes > self.bounds.bytes / FILES;
        let age = wall.saturating_sub(current.since);
        if is_full || age > self.bounds.age / u32::try_from(FILES).unwrap_or(1) {
            self.rotate(wall)?;
            current = self.open(wall)?;
        }
        current.file.write_all(lines.as_bytes())?;
        current.bytes += bytes;
        self.current = Some(current);
        Ok(())
    }

    fn open(&self, wall: Duration) -> io::Result<Current> {
        if let Some(directory) = self.path.parent().filter(|it| *it != Path::new("")) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let found = file.metadata()?;
        // Of an earlier run's file only its last write is known.
        let since = found.modified().ok().and_then(since_epoch).filter(|_| found.len() > 0);
        Ok(Current { bytes: found.len(), since: since.unwrap_or(wall), file })
    }

    /// Gives the current file a name of its own, and removes what is too much or too old.
    fn rotate(&self, wall: Duration) -> io::Result<()> {
        let stem = self.path.with_extension("");
        let mut name = stem.into_os_string();
        name.push(format!("-{}.jsonl", rfc3339(wall).replace(':', "")));
        fs::rename(&self.path, name)?;
        let mut kept = 0;
        for path in rotated(&self.path)?.iter().rev() {
            let found = fs::metadata(path)?;
            kept += found.len();
            let last = found.modified().ok().and_then(since_epoch).unwrap_or(wall);
            let is_old = last.saturating_add(self.bounds.age) < wall;
            if is_old || kept > self.bounds.bytes / FILES * (FILES - 1) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// The last `limit` events of the log at `path` that are `wanted`, oldest first. Lines without
/// all of `words` are not looked at.
pub(crate) fn search(
    path: &Path,
    words: &[String],
    wanted: impl Fn(&Event) -> bool,
    limit: usize,
) -> io::Result<Vec<Event>> {
    let mut found = VecDeque::new();
    for file in rotated(path)?.into_iter().chain([path.to_owned()]) {
        let lines = match File::open(file) {
            Ok(file) => BufReader::new(file).lines(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in lines {
            let line = line?;
            if !words.iter().all(|it| line.contains(it)) {
                continue;
            }
            // A line that a crash cut short says nothing.
            let Ok(event) = serde_json::from_str(&line) else { continue };
            if wanted(&event) {
                found.push_back(event);
                if found.len() > limit {
                    found.pop_front();
                }
            }
        }
    }
    Ok(found.into())
}

/// The files beside `path` that were rotated away, oldest first.
fn rotated(path: &Path) -> io::Result<Vec<PathBuf>> {
    let directory = path.parent().filter(|it| *it != Path::new("")).unwrap_or(Path::new("."));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned() + "-";
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&stem) && name.ends_with(".jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn since_epoch(time: std::time::SystemTime) -> Option<Duration> {
    time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Line;

    fn line(number: u64, server: &str) -> String {
        let line = Line::info("weight").with("server", server);
        serde_json::to_string(&Event::new(number, &line, "")).unwrap() + "\n"
    }

    fn sizes(directory: &Path) -> u64 {
        let files = fs::read_dir(directory).unwrap();
        files.map(|it| it.unwrap().metadata().unwrap().len()).sum()
    }

    #[test]
    fn the_disk_is_bounded_and_the_last_lines_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log/decisions.jsonl");
        let bounds = Bounds { bytes: 8000, age: Duration::from_secs(1 << 40) };
        let mut decisions = Decisions::new(path.clone(), bounds.clone());
        for number in 0..500 {
            let server = if number % 50 == 0 { "a" } else { "b" };
            decisions.write(&line(number, server), Duration::from_secs(number)).unwrap();
            assert!(sizes(path.parent().unwrap()) <= bounds.bytes);
        }
        assert!(sizes(path.parent().unwrap()) > bounds.bytes / 2);
        let numbers = |words: &[&str], limit| {
            let words: Vec<String> = words.iter().map(|it| format!("\"{it}\"")).collect();
            let found = search(&path, &words, |it| it.event == "weight", limit).unwrap();
            found.into_iter().map(|it| it.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&["b"], 3), [497, 498, 499]);
        assert_eq!(numbers(&["a"], 3), [450]);
        // Another run goes on where this one ended.
        Decisions::new(path.clone(), bounds).write(&line(500, "a"), Duration::ZERO).unwrap();
        assert_eq!(numbers(&["a"], 3), [450, 500]);
    }

    #[test]
    fn what_is_old_goes_and_what_fails_works_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("decisions.jsonl");
        let bounds = Bounds { bytes: 1 << 20, age: Duration::from_secs(800) };
        let mut decisions = Decisions::new(path.clone(), bounds);
        let now = since_epoch(fs::metadata(directory.path()).unwrap().modified().unwrap()).unwrap();
        decisions.write(&line(1, "a"), now).unwrap();
        // What was written now is older than a day tomorrow.
        decisions.write(&line(2, "a"), now + Duration::from_secs(86_400)).unwrap();
        assert_eq!(rotated(&path).unwrap().len(), 0);
        assert_eq!(search(&path, &[], |_| true, 9).unwrap().len(), 1);
        fs::remove_dir_all(directory.path()).unwrap();
        fs::write(directory.path(), "").unwrap();
        let mut broken = Decisions::new(path, Bounds::default());
        broken.write("x\n", now).unwrap_err();
        fs::remove_file(directory.path()).unwrap();
        broken.write("x\n", now).unwrap();
    }
}
