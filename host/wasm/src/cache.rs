//! Compiled code, kept between starts.
//!
//! What is in here runs as native code, outside every sandbox. So the directory must be
//! ours alone, and so must each file; a file carries a digest of itself, which is compared
//! unless a [`Note`] knows that it was before. Files are named by the component's content
//! and the engine's settings, and appear whole or not at all.

mod directory;
mod note;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    hash::{Hash, Hasher},
    io::{self, Read, Seek},
    os::fd::AsRawFd,
    path::Path,
    time::Duration,
};

use sha2::{Digest, Sha256, digest::Output};
use wasmtime::{Engine, component::Component};

use self::directory::Directory;
pub(crate) use self::note::Note;
use crate::Error;

/// Last bytes of every file of code, after a digest of the code, which comes first: it is mapped
/// to where it runs, and must begin with a page.
const END: &[u8; 16] = b"\n\0\0weir cache 2\n";

const DIGEST_BYTES: usize = 32;

/// What code is found by.
type Key = Output<Sha256>;

/// A directory of compiled code that belongs to this user alone.
#[derive(Debug)]
pub struct Cache(Directory);

impl Cache {
    /// The cache in this directory, which is made, with mode 0700, if it is not there.
    ///
    /// Fails if it is not a directory (a symbolic link is none), not owned by the effective
    /// user, or open to others.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Directory::open(path).map(Self)
    }

    /// The note on the component in `file`, which was opened at `path` and of which nothing was
    /// read, if it has one. `now` is time since the Unix epoch.
    pub(crate) fn note(
        &self,
        engine: &Engine,
        path: &Path,
        file: &File,
        now: Duration,
    ) -> Option<Note<'_>> {
        Note::of(&self.0, engine, path, file, now)
    }

    /// The place for the compiled code of `component`, which `note` is on.
    pub(crate) fn entry<'a>(
        &'a self,
        engine: &Engine,
        component: &[u8],
        note: Option<Note<'a>>,
    ) -> Entry<'a> {
        let mut hasher = DigestHasher(Sha256::new());
        hasher.0.update(Sha256::digest(component));
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Entry { directory: &self.0, key: hasher.0.finalize(), note }
    }
}

/// One place in a cache.
pub(crate) struct Entry<'a> {
    directory: &'a Directory,
    key: Key,
    note: Option<Note<'a>>,
}

impl Entry<'_> {
    /// What is there, if it is whole and ours.
    pub(crate) fn load(&self, engine: &Engine) -> Option<Component> {
        let file = self.directory.file(&code_name(&self.key))?;
        if !is_whole(&file).ok()? {
            return None;
        }
        let component = run(engine, &file)?;
        if let Some(note) = &self.note {
            note.keep(&self.key, &file);
        }
        Some(component)
    }

    /// Keeps `code` for the next time, in the place of what is there.
    pub(crate) fn keep(&self, code: &[u8]) -> Result<(), Error> {
        let parts = [code, &Sha256::digest(code), END];
        let kept = self.directory.replace(&code_name(&self.key), &parts);
        kept.map_err(|error| self.failed(error.to_string()))
    }

    pub(crate) fn failed(&self, reason: String) -> Error {
        self.directory.failed(reason)
    }
}

fn code_name(key: &Key) -> String {
    format!("{key:x}.cwasm")
}

/// Whether it ends as it should, with the digest of what is before.
fn is_whole(mut file: &File) -> io::Result<bool> {
    const DIGEST_AND_END: usize = DIGEST_BYTES + END.len();
    let Some(code_bytes) = file.metadata()?.len().checked_sub(DIGEST_AND_END as u64) else {
        return Ok(false);
    };
    let mut hasher = Sha256::new();
    io::copy(&mut file.take(code_bytes), &mut hasher)?;
    let mut found = [0; DIGEST_AND_END];
    file.read_exact(&mut found)?;
    let (digest, end) = found.split_at(DIGEST_BYTES);
    Ok(digest == hasher.finalize().as_slice() && end == END)
}

/// The component of the code in `file`, which is of our [`Directory`], whole, and unaltered since
/// it was written there.
///
/// It is mapped, so that what is not run is not read. Where it must not be run (a file system
/// that is mounted `noexec`) or has no path (there is no `/proc`), it is copied.
fn run(engine: &Engine, file: &File) -> Option<Component> {
    // The very file that was looked at, whatever has its name by now.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the file was written by `Entry::keep` from what an engine of these settings
    // serialised: it lies in a directory that nobody but this user and root can write to, it
    // belongs to this user, and it is unaltered: by its digest, or by its identity since its
    // digest was compared. It stays so while it is mapped, for weir writes to no file that has
    // its name: another takes its place.
    let mapped = unsafe { Component::deserialize_file(engine, path) };
    mapped.ok().or_else(|| copy(engine, file))
}

fn copy(engine: &Engine, mut file: &File) -> Option<Component> {
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.read_to_end(&mut bytes).ok()?;
    // SAFETY: as in `run`.
    unsafe { Component::deserialize(engine, bytes) }.ok()
}

/// What is hashed, digested: names of entries must not collide.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the digest is taken whole")
    }
}
