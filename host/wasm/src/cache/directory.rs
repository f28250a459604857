//! A directory that belongs to this user alone, and its files, which appear whole or not
//! at all and are never changed.

use std::{
    ffi::CString,
    fs::{DirBuilder, File, Metadata},
    io::{self, Write},
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

use crate::{Error, clock};

#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    descriptor: OwnedFd,
}

impl Directory {
    /// As [`super::Cache::open`] says.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |reason: String| Error::Cache { directory: path.to_owned(), reason };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| failed(format!("it cannot be made: {error}")))?;
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let directory = open_at(libc::AT_FDCWD, path.as_os_str().as_bytes(), flags)
            .map_err(|error| failed(format!("it cannot be opened as a directory: {error}")))?;
        let directory = File::from(directory);
        let metadata = directory.metadata().map_err(|error| failed(error.to_string()))?;
        let user = effective_user();
        if metadata.uid() != user {
            return Err(failed(format!(
                "it belongs to user {}, and weir runs as user {user}; give another directory",
                metadata.uid(),
            )));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(failed(format!(
                "its mode is {:03o}, so others could read or replace compiled code; \
                 make it 700, and empty it first if others could write to it",
                metadata.mode() & 0o777
            )));
        }
        Ok(Self { path: path.to_owned(), descriptor: directory.into() })
    }

    /// The file of this name, if there is one that is ours.
    pub(super) fn file(&self, name: &str) -> Option<File> {
        let descriptor = self.descriptor.as_raw_fd();
        let file = File::from(open_at(descriptor, name.as_bytes(), libc::O_NOFOLLOW).ok()?);
        let metadata = file.metadata().ok()?;
        is_ours(&metadata, effective_user()).then_some(file)
    }

    /// Makes a file of these `parts`, in the place of what has this name.
    ///
    /// It has the name only once the disk has the bytes: a crash leaves no part of it there.
    pub(super) fn replace(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let descriptor = self.descriptor.as_raw_fd();
        let temporary = temporary_name(name);
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let mut file = File::from(open_at(descriptor, temporary.as_bytes(), flags)?);
        let written = parts
            .iter()
            .try_for_each(|part| file.write_all(part))
            .and_then(|()| file.sync_all())
            .and_then(|()| rename_at(descriptor, &temporary, name));
        if written.is_err() {
            remove_at(descriptor, &temporary);
        }
        written
    }

    pub(super) fn failed(&self, reason: String) -> Error {
        Error::Cache { directory: self.path.clone(), reason }
    }
}

/// Whether it is a file that nobody but `user`, and root, can have written.
fn is_ours(metadata: &Metadata, user: u32) -> bool {
    metadata.is_file() && metadata.uid() == user && metadata.mode() & 0o077 == 0
}

/// A name that nobody else writes to, not even another thread or a process of the same
/// number in another namespace.
fn temporary_name(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = clock::monotonic().as_nanos();
    format!("{name}.{}.{now}.{count}.tmp", std::process::id())
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

#[cfg(test)]
mod tests {
    use std::{fs, fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_file_is_ours_if_nobody_else_can_have_written_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, b"").unwrap();
        for (mode, expected) in
            [(0o600, true), (0o400, true), (0o604, false), (0o620, false), (0o602, false)]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(is_ours(&metadata, metadata.uid()), expected, "{mode:o}");
            assert!(!is_ours(&metadata, metadata.uid() + 1), "of another user");
        }
        let metadata = fs::metadata(parent.path()).unwrap();
        assert!(!is_ours(&metadata, metadata.uid()), "a directory");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("directory");
        let directory = Directory::open(&path).unwrap();
        fs::create_dir(path.join("taken")).unwrap();
        directory.replace("taken", &[b"text"]).unwrap_err();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        directory.replace("free", &[b"te", b"xt"]).unwrap();
        assert_eq!(fs::read(path.join("free")).unwrap(), b"text");
    }
}
