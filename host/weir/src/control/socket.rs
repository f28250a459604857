//! The daemon's own socket: made at its start, one daemon's alone, removed at its end.
//!
//! A lock beside the socket says whether its daemon lives, whatever became of the file; the
//! kernel releases it with the process. A second lock is one network namespace's, whose
//! table the kernel has once. Lock files are left behind: to remove one is to let two
//! daemons lock two files of one name.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{ErrorKind, Read as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::fs::{
            DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _,
        },
    },
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::place;

/// Bytes of a path that the kernel takes for a socket: `sun_path` without its final zero.
const PATH_BYTES_MAX: usize = 107;

/// Commands that wait to be let in, beyond those that are.
const BACKLOG: u32 = 128;

/// A path that is this daemon's.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    /// Held for as long as this lives.
    _lock: File,
}

impl Claim {
    /// Takes `path`, whose directory is made if need be, with mode 0700. Fails if another
    /// daemon has it.
    pub(crate) fn take(path: PathBuf) -> Result<Self> {
        let length = path.as_os_str().len();
        ensure!(
            length <= PATH_BYTES_MAX,
            "the socket {} has a path of {length} bytes: choose one of at most {PATH_BYTES_MAX}",
            path.display()
        );
        let lock = lock(&path, |other| {
            format!(
                "{other} answers at {} already: stop it, or choose another socket with --socket",
                path.display()
            )
        })?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Listens, with mode 0600 and in the place of what an earlier daemon left. Within a
    /// runtime.
    pub(crate) async fn listen(self) -> Result<Socket> {
        self.remove_stale().await?;
        let socket = UnixSocket::new_stream()?;
        // The file that binding makes has the mode of the socket from the first moment on.
        let handle = File::from(socket.as_fd().try_clone_to_owned()?);
        handle.set_permissions(Permissions::from_mode(0o600))?;
        let listener = socket
            .bind(&self.path)
            .and_then(|()| socket.listen(BACKLOG))
            .with_context(|| format!("failed to make the socket {}", self.path.display()))?;
        Ok(Socket { listener, claim: self })
    }

    async fn remove_stale(&self) -> Result<()> {
        let path = self.path.display();
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).context(format!("failed to look at {path}")),
            Ok(found) if !found.file_type().is_socket() => {
                bail!("{path} is there and is no socket: choose another path with --socket")
            }
            Ok(_) => {}
        }
        if UnixStream::connect(&self.path).await.is_ok() {
            bail!("another program answers at {path}: choose another path with --socket");
        }
        fs::remove_file(&self.path).with_context(|| format!("failed to remove the stale {path}"))
    }
}

/// A socket at which this daemon listens.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    claim: Claim,
}

impl Socket {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.claim.path
    }

    /// The next command.
    pub(crate) async fn accept(&self) -> std::io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for Socket {
    /// Before the lock goes. What cannot be removed is stale then, and replaced some day.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.claim.path);
    }
}

/// The kernel's table of one network namespace, which is this daemon's.
#[derive(Debug)]
pub(crate) struct TableClaim {
    /// Held for as long as this lives.
    _lock: File,
}

impl TableClaim {
    /// Takes the table of this thread's namespace. Fails if another daemon has it, unless
    /// that one's user is another with other places: then both must be told.
    pub(crate) fn take(socket: &Path) -> Result<Self> {
        let home = place::default_socket();
        let directory = directory(home.as_deref().unwrap_or(socket));
        let namespace = place::network_namespace().unwrap_or_default();
        let lock = lock(&directory.join(format!("kernel-{namespace}")), |other| {
            format!("{other} drives the kernel's IPVS of this network namespace already: stop it")
        })?;
        Ok(Self { _lock: lock })
    }
}

/// Locks the file `PATH.lock`, whose directory is made if need be; `busy` words the failure
/// where another process, which it is given, holds the lock.
fn lock(path: &Path, busy: impl FnOnce(&str) -> String) -> Result<File> {
    let directory = directory(path);
    let failed = || format!("failed to make the directory {}", directory.display());
    DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(failed)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = || format!("failed to lock {}", name.display());
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&name).with_context(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(busy(&holder(&mut file))),
        Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
    }
    // For people, and for the message above.
    file.set_len(0).and_then(|()| write!(file, "{}", process::id())).with_context(failed)?;
    Ok(file)
}

/// Who wrote itself into a lock file.
fn holder(file: &mut File) -> String {
    let mut number = String::new();
    match file.read_to_string(&mut number) {
        Ok(1..) => format!("another `weir run` (process {number})"),
        _ => "another `weir run`".to_owned(),
    }
}

/// Where `path` is.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    }
}
