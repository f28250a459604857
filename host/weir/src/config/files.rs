//! The files of one configuration: one, or the fragments of a directory in the order of
//! their names.
//!
//! Offsets count through all of them as if they were one text, so that a place is one number
//! wherever it is passed, until somebody is to read it.

use std::{
    fs, io, iter,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use weir_wasm::read_regular;

use crate::problems::{Place, Problem, Problems};

/// What fragments are called; a directory may hold other files.
const EXTENSION: &str = "toml";

/// Bytes of one file, read whole: 100,000 services take a third of it.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// In which relative paths are looked for.
    pub(super) directory: PathBuf,
    pub(super) files: Vec<File>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// In messages.
    pub(super) name: Arc<str>,
    pub(super) text: String,
    /// The offset of its first byte.
    pub(super) start: usize,
    /// Where in `text` each line begins, once somebody asks for a place.
    lines: OnceLock<Vec<usize>>,
}

impl Files {
    /// The file at `path`, or every `*.toml` of the directory at `path`, hidden ones apart.
    pub(crate) fn read(path: &Path) -> Result<Self, Problems> {
        let is_directory = path.is_dir();
        let directory = if is_directory { Some(path) } else { path.parent() };
        let mut files = Self::none(directory.unwrap_or(Path::new("")));
        let mut problems = Vec::new();
        let paths = if is_directory { fragments(path) } else { Ok(vec![path.to_owned()]) };
        for path in paths.map_err(|error| Problems::new(vec![unreadable(path, &error)]))? {
            match read_text(&path, FILE_BYTES_MAX) {
                Ok(text) => files.add(&path.display().to_string(), text),
                Err(error) => problems.push(unreadable(&path, &error)),
            }
        }
        if problems.is_empty() { Ok(files) } else { Err(Problems::new(problems)) }
    }

    /// One file that was read already.
    pub(crate) fn one(directory: &Path, name: &str, text: &str) -> Self {
        let mut files = Self::none(directory);
        files.add(name, text.to_owned());
        files
    }

    fn none(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), files: Vec::new() }
    }

    fn add(&mut self, name: &str, text: String) {
        let start = self.end() + usize::from(!self.files.is_empty());
        self.files.push(File { name: name.into(), text, start, lines: OnceLock::new() });
    }

    /// How long they are together.
    pub(crate) fn bytes(&self) -> usize {
        self.files.iter().map(|it| it.text.len()).sum()
    }

    /// The offset behind the last byte.
    pub(super) fn end(&self) -> usize {
        self.files.last().map_or(0, |it| it.start + it.text.len())
    }

    /// Where the byte at `offset` stands.
    pub(super) fn place(&self, offset: usize) -> Place {
        let file = self.files.partition_point(|it| it.start <= offset).checked_sub(1);
        let Some(file) = file.and_then(|it| self.files.get(it)) else {
            return Place::of_file(self.directory.display().to_string());
        };
        Place { file: Arc::clone(&file.name), at: Some(file.place(offset - file.start)) }
    }

    /// The first file whose last line has no end: whoever wrote it may not be done.
    pub(super) fn unfinished(&self) -> Option<Arc<str>> {
        let is_open = |it: &&File| !it.text.is_empty() && !it.text.ends_with('\n');
        self.files.iter().find(is_open).map(|it| Arc::clone(&it.name))
    }

    /// `problems` with the lines that they are about.
    pub(crate) fn show(&self, problems: Problems) -> Problems {
        let shown = self.files.iter();
        shown.fold(problems, |problems, it| problems.with_excerpts(Arc::clone(&it.name), &it.text))
    }
}

impl File {
    /// The line and the column, in characters, of the byte at `offset` of its text.
    fn place(&self, offset: usize) -> (usize, usize) {
        let lines = self.lines.get_or_init(|| {
            let ends = self.text.match_indices('\n').map(|(end, _)| end + 1);
            iter::once(0).chain(ends).collect()
        });
        let offset = offset.min(self.text.len());
        let line = lines.partition_point(|it| *it <= offset);
        let before = self.text.get(lines[line - 1]..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

fn fragments(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?;
    let mut paths = entries.map(|it| Ok(it?.path())).collect::<io::Result<Vec<_>>>()?;
    let is_hidden =
        |it: &PathBuf| it.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(b"."));
    paths.retain(|it| it.extension().is_some_and(|it| it == EXTENSION) && !is_hidden(it));
    paths.sort();
    Ok(paths)
}

/// The text of a regular file of at most so many bytes: a pipe might never end, and could not be
/// read again when the configuration is.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let bytes = read_regular(path, bytes_max)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "; name the file, or the directory of its parts, with --config",
        io::ErrorKind::InvalidData => "; write it in UTF-8",
        _ => "",
    };
    Problem {
        place: Place::of_file(path.display().to_string()),
        message: format!("failed to read the configuration: {error}{remedy}"),
    }
}
