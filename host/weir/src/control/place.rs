//! Which IPVS a command speaks to: never guessed, and always the same.
//!
//! What `--socket` or `WEIR_SOCKET` names is a daemon, and has to be there. Otherwise a
//! daemon that lives in the default place counts, if it runs in the network namespace of the
//! command, for that is whose table is meant; and if there is none, the kernel. This costs
//! the latter one `stat`.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow};

use super::{
    client::{Http, Remote, Unreached},
    protocol,
};

/// Names the socket of a daemon, for commands and for the daemon itself.
const VARIABLE: &str = "WEIR_SOCKET";

/// Whose IPVS a command speaks to.
pub(crate) enum Backend {
    Kernel,
    Daemon(Remote),
}

/// Decides; `given` is the argument of `--socket`. Fails if a daemon is named that cannot be
/// spoken to.
pub(crate) fn choose(given: Option<&Path>) -> Result<Backend> {
    if let Some(socket) = given {
        return named(socket, "--socket", "leave it out");
    }
    if let Some(socket) = from_environment() {
        return named(&socket, VARIABLE, "unset it");
    }
    match default_socket() {
        Some(socket) if fs::exists(&socket).unwrap_or(true) => at_default(&socket),
        _ => Ok(Backend::Kernel),
    }
}

/// The daemon that a command speaks to which only a daemon can do; `given` is the argument
/// of `--socket`.
pub(crate) fn daemon(given: Option<&Path>) -> Result<Http> {
    let from_environment = from_environment();
    let (socket, by) = match (given, &from_environment) {
        (Some(socket), _) => (socket.to_owned(), "--socket names"),
        (None, Some(socket)) => (socket.clone(), "WEIR_SOCKET names"),
        (None, None) => {
            let socket = default_socket().context(
                "there is no default place for a socket, for XDG_RUNTIME_DIR is not set: name \
                 the daemon's with --socket",
            )?;
            (socket, "there is")
        }
    };
    Http::open(&socket).map_err(|why| {
        let remedy = match &why {
            Unreached::Socket(error) if is_nobody(error.kind()) => {
                "start it with `weir run`, or name the socket of one with --socket".to_owned()
            }
            why => remedy(why, &socket, "name its socket with --socket"),
        };
        anyhow!("{by} no daemon at {}: {why}; {remedy}", socket.display())
    })
}

/// The socket that the environment names.
pub(crate) fn from_environment() -> Option<PathBuf> {
    env::var_os(VARIABLE).filter(|it| !it.is_empty()).map(PathBuf::from)
}

/// Where a daemon is looked for that nobody names; none for users whose session has no
/// directory of its own.
pub(crate) fn default_socket() -> Option<PathBuf> {
    if user() == 0 {
        return Some("/run/weir/weir.sock".into());
    }
    let directory = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    Some(directory.filter(|it| it.is_absolute())?.join("weir/weir.sock"))
}

/// Whose permissions this process has.
pub(crate) fn user() -> u32 {
    // SAFETY: the call takes nothing, changes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// The network namespace of this thread, as `stat` numbers it.
pub(super) fn network_namespace() -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let found = fs::metadata("/proc/thread-self/ns/net").ok()?;
    Some(format!("{}:{}", found.dev(), found.ino()))
}

fn named(socket: &Path, by: &str, otherwise: &str) -> Result<Backend> {
    let http = Http::open(socket).map_err(|why| {
        let remedy = remedy(&why, socket, otherwise);
        anyhow!("{by} names no daemon at {}: {why}; {remedy}", socket.display())
    })?;
    Ok(Backend::Daemon(Remote(http)))
}

fn at_default(socket: &Path) -> Result<Backend> {
    let http = match Http::open(socket) {
        Ok(http) => http,
        Err(Unreached::Socket(error)) if is_nobody(error.kind()) => return Ok(Backend::Kernel),
        Err(why) => {
            let remedy = remedy(&why, socket, "name another");
            return Err(anyhow!("there is no daemon at {}: {why}; {remedy}", socket.display()));
        }
    };
    let daemon: protocol::Daemon = http.get(protocol::DAEMON)?.whole()?;
    if daemon.network_namespace == network_namespace() {
        return Ok(Backend::Daemon(Remote(http)));
    }
    Ok(Backend::Kernel)
}

/// Whether a daemon is not there, or is gone and could not remove its socket.
fn is_nobody(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

fn remedy(why: &Unreached, socket: &Path, otherwise: &str) -> String {
    match why {
        Unreached::Socket(error) if error.kind() == ErrorKind::PermissionDenied => {
            "run the command as the user whose daemon it is, or as root".to_owned()
        }
        Unreached::Socket(error) if is_nobody(error.kind()) => {
            let socket = socket.display();
            format!("start one with `weir run --socket {socket}`, or {otherwise} for the kernel")
        }
        Unreached::Socket(_) | Unreached::NotASocket => {
            format!("name the socket of a `weir run`, or {otherwise}")
        }
        Unreached::Foreign(_) => format!("run the command as that user, or {otherwise}"),
    }
}

impl protocol::Daemon {
    /// This process, seen from this thread.
    pub(super) fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            network_namespace: network_namespace(),
        }
    }
}
