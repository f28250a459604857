//! Namespaces of a thread, and what is set up in them.

use std::{ffi::CString, fs, io, os::unix::ffi::OsStrExt as _, path::Path, ptr, thread};

use anyhow::{Context, Result, ensure};

/// Runs `body` on a thread of its own: what it does to its network ends with it.
pub(crate) fn on_thread<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let result = thread::scope(|scope| scope.spawn(body).join());
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Puts this thread into a network namespace of its own, with a loopback device that works.
pub(crate) fn fresh_network() -> Result<()> {
    unshare(libc::CLONE_NEWNET)?;
    raise_loopback().context("failed to bring the loopback device up")
}

/// Goes to a user namespace, unless this is root already: namespaces for mounts and
/// networks are for root only.
pub(crate) fn become_root() -> Result<()> {
    // SAFETY: neither takes anything, and neither can fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    if user == 0 {
        return Ok(());
    }
    unshare(libc::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    Ok(())
}

/// Lets `path` show the file `source`, for this process and its children alone.
pub(crate) fn cover(path: &str, source: &Path) -> Result<()> {
    unshare(libc::CLONE_NEWNS)?;
    mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE)?;
    mount(Some(source), Path::new(path), libc::MS_BIND)
}

fn unshare(flags: i32) -> Result<()> {
    // SAFETY: unshare takes no pointers.
    succeeded("unshare", unsafe { libc::unshare(flags) })
}

fn mount(source: Option<&Path>, target: &Path, flags: libc::c_ulong) -> Result<()> {
    let source = source.map(c_path).transpose()?;
    let target = c_path(target)?;
    let source = source.as_ref().map_or(ptr::null(), |it| it.as_ptr());
    // SAFETY: the strings end in NUL and outlive the call; the others may be null.
    succeeded("mount", unsafe {
        libc::mount(source, target.as_ptr(), ptr::null(), flags, ptr::null())
    })
}

/// By ioctl(2): a command to do so might not be there.
fn raise_loopback() -> Result<()> {
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: all zeros is a valid request, which is written to and read as flags alone.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
            *slot = libc::c_char::try_from(*byte)?;
        }
        let socket = std::os::fd::AsRawFd::as_raw_fd(&socket);
        succeeded("SIOCGIFFLAGS", libc::ioctl(socket, libc::SIOCGIFFLAGS, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= libc::c_short::try_from(libc::IFF_UP)?;
        succeeded("SIOCSIFFLAGS", libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw mut request))
    }
}

fn succeeded(call: &str, result: i32) -> Result<()> {
    ensure!(result == 0, "{call}: {}", io::Error::last_os_error());
    Ok(())
}

fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
