//! Namespaces for one thread and the programs that it starts.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{fd::AsRawFd as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    ptr, thread,
};

const CURRENT: &str = "/proc/thread-self/ns/net";

/// Runs `body` on a thread of its own, in a fresh network namespace without links.
pub fn in_fresh_network<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    on_thread(|| {
        fresh_network();
        body()
    })
}

/// Runs `body` on a thread of its own: what it does to its namespaces ends with it.
pub fn on_thread<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let result = thread::scope(|scope| scope.spawn(body).join());
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Puts this thread into a network namespace of its own.
pub fn fresh_network() {
    unshare(libc::CLONE_NEWNET);
}

/// A network namespace that threads can go to and leave.
pub struct Network {
    file: File,
}

impl Network {
    /// The one that this thread is in.
    pub fn current() -> Self {
        Self { file: File::open(CURRENT).expect("/proc is mounted") }
    }

    /// A new one, which the thread does not stay in.
    pub fn fresh() -> Self {
        let before = Self::current();
        fresh_network();
        let fresh = Self::current();
        before.enter();
        fresh
    }

    /// Its descriptor, for programs that are told of it by a path below /proc.
    pub fn fd(&self) -> i32 {
        self.file.as_raw_fd()
    }

    /// Moves this thread there.
    pub fn enter(&self) {
        // SAFETY: setns takes no pointers.
        let result = unsafe { libc::setns(self.file.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(result, 0, "setns: {}", io::Error::last_os_error());
    }
}

/// Puts this thread into a mount namespace of its own: what it mounts nobody else sees.
pub fn fresh_mounts() {
    unshare(libc::CLONE_NEWNS);
    mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE);
}

/// Lets `path` show the file `source`.
pub fn cover(path: impl AsRef<Path>, source: &Path) {
    mount(Some(source), path.as_ref(), libc::MS_BIND);
}

/// Lets `path` show a file with that content, kept in `scratch`.
pub fn cover_with(path: &str, content: &str, scratch: &Path) {
    let name = path.trim_start_matches('/').replace('/', "-");
    let source = scratch.join(name);
    fs::write(&source, content).expect("the scratch directory is writable");
    cover(path, &source);
}

/// Mounts an empty directory that everybody may write.
pub fn cover_directory(path: &str) {
    let target = c_path(Path::new(path));
    let (kind, options) = (c"tmpfs", c"mode=1777");
    // SAFETY: all strings end in NUL and outlive the call.
    let result = unsafe {
        libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast())
    };
    assert_eq!(result, 0, "mount tmpfs on {path}: {}", io::Error::last_os_error());
}

/// A directory below /run, which mounts over /tmp do not hide.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new("/run/weir-tests").join(name);
    fs::create_dir_all(&path).expect("/run is writable");
    path
}

fn unshare(flags: i32) {
    // SAFETY: unshare takes no pointers.
    let result = unsafe { libc::unshare(flags) };
    assert_eq!(result, 0, "unshare: {}", io::Error::last_os_error());
}

fn mount(source: Option<&Path>, target: &Path, flags: libc::c_ulong) {
    let source = source.map(c_path);
    let source = source.as_ref().map_or(ptr::null(), |it| it.as_ptr());
    let target_path = c_path(target);
    // SAFETY: the strings end in NUL and outlive the call; the others may be null.
    let result =
        unsafe { libc::mount(source, target_path.as_ptr(), ptr::null(), flags, ptr::null()) };
    assert_eq!(result, 0, "mount on {}: {}", target.display(), io::Error::last_os_error());
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("paths hold no NUL")
}
