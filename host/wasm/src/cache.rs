//! Compiled code, kept between starts.
//!
//! What is in here runs as native code, outside every sandbox. So the directory must be
//! ours alone, and so must each file; a file carries a digest of itself, for a flipped bit
//! in native code is not seen by anyone else. Files are named by the component's content
//! and the engine's settings, and appear whole or not at all.

use std::{
    ffi::CString,
    fs::File,
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, MetadataExt},
        },
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use crate::{Error, clock};

/// First bytes of every file; a digest of the rest follows, then the code.
const HEAD: &[u8; 16] = b"weir cache 1\n\0\0\0";

const DIGEST_BYTES: usize = 32;

/// A directory of compiled code that belongs to this user alone.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    directory: OwnedFd,
}

impl Cache {
    /// The cache in this directory, which is made, with mode 0700, if it is not there.
    ///
    /// Fails if it is not a directory (a symbolic link is none), not owned by the effective
    /// user, or open to others.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |reason: String| Error::Cache { directory: path.to_owned(), reason };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| failed(format!("it cannot be made: {error}")))?;
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let directory = open_at(libc::AT_FDCWD, path.as_os_str().as_bytes(), flags)
            .map_err(|error| failed(format!("it cannot be opened as a directory: {error}")))?;
        let directory = File::from(directory);
        let metadata = directory.metadata().map_err(|error| failed(error.to_string()))?;
        if metadata.uid() != effective_user() {
            return Err(failed(format!(
                "it belongs to user {}, and weir runs as user {}; give another directory",
                metadata.uid(),
                effective_user()
            )));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(failed(format!(
                "its mode is {:03o}, so others could read or replace compiled code; \
                 make it 700, and empty it first if others could write to it",
                metadata.mode() & 0o777
            )));
        }
        Ok(Self { path: path.to_owned(), directory: directory.into() })
    }

    /// The place for the compiled code of `component`.
    pub(crate) fn entry(&self, engine: &Engine, component: &[u8]) -> Entry<'_> {
        let mut hasher = DigestHasher(Sha256::new());
        hasher.0.update(Sha256::digest(component));
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Entry { cache: self, name: format!("{:x}.cwasm", hasher.0.finalize()) }
    }
}

/// One place in a cache.
pub(crate) struct Entry<'a> {
    cache: &'a Cache,
    name: String,
}

impl Entry<'_> {
    /// What is there, if it is whole and ours.
    pub(crate) fn load(&self, engine: &Engine) -> Option<Component> {
        let bytes = self.read().ok().flatten()?;
        let (head, rest) = bytes.split_at_checked(HEAD.len())?;
        let (digest, code) = rest.split_at_checked(DIGEST_BYTES)?;
        if head != HEAD || digest != Sha256::digest(code).as_slice() {
            return None;
        }
        // SAFETY: the file was written by `keep` from what this engine serialised: it lies
        // in a directory that nobody but this user and root can write to, it is owned by
        // this user, and it is unaltered.
        unsafe { Component::deserialize(engine, code) }.ok()
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let directory = self.cache.directory.as_raw_fd();
        let mut file = File::from(open_at(directory, self.name.as_bytes(), libc::O_NOFOLLOW)?);
        let metadata = file.metadata()?;
        let ours = metadata.is_file()
            && metadata.uid() == effective_user()
            && metadata.mode() & 0o077 == 0;
        if !ours {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Keeps `code` for the next time, in the place of what is there.
    pub(crate) fn keep(&self, code: &[u8]) -> Result<(), Error> {
        self.write(code).map_err(|error| self.failed(error.to_string()))
    }

    pub(crate) fn failed(&self, reason: String) -> Error {
        Error::Cache { directory: self.cache.path.clone(), reason }
    }

    fn write(&self, code: &[u8]) -> io::Result<()> {
        let directory = self.cache.directory.as_raw_fd();
        let temporary = temporary_name(&self.name);
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let mut file = File::from(open_at(directory, temporary.as_bytes(), flags)?);
        let written = file
            .write_all(HEAD)
            .and_then(|()| file.write_all(&Sha256::digest(code)))
            .and_then(|()| file.write_all(code))
            .and_then(|()| rename_at(directory, &temporary, &self.name));
        if written.is_err() {
            remove_at(directory, &temporary);
        }
        written
    }
}

/// A name that nobody else writes to, not even another thread or a process of the same
/// number in another namespace.
fn temporary_name(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = clock::monotonic().as_nanos();
    format!("{name}.{}.{now}.{count}.tmp", std::process::id())
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

fn effective_user() -> u32 {
    // SAFETY: takes nothing, touches nothing, cannot fail.
    unsafe { libc::geteuid() }
}

fn c_string(name: &[u8]) -> io::Result<CString> {
    CString::new(name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

fn open_at(directory: RawFd, name: &[u8], flags: i32) -> io::Result<OwnedFd> {
    let name = c_string(name)?;
    let mode: libc::mode_t = 0o600;
    // SAFETY: `name` ends in NUL and outlives the call; the mode is there for O_CREAT.
    let fd = unsafe { libc::openat(directory, name.as_ptr(), flags | libc::O_CLOEXEC, mode) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn rename_at(directory: RawFd, from: &str, to: &str) -> io::Result<()> {
    let (from, to) = (c_string(from.as_bytes())?, c_string(to.as_bytes())?);
    // SAFETY: both names end in NUL and outlive the call.
    let status = unsafe { libc::renameat(directory, from.as_ptr(), directory, to.as_ptr()) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Removes a file that may not be there.
fn remove_at(directory: RawFd, name: &str) {
    let Ok(name) = c_string(name.as_bytes()) else { return };
    // SAFETY: the name ends in NUL and outlives the call.
    unsafe { libc::unlinkat(directory, name.as_ptr(), 0) };
}
