//! A stand-in for the kernel's IPVS: answers generic netlink from a made-up table, so that
//! programs can be measured where the kernel has no ip_vs.
//!
//! It takes the place of the C library's socket functions: preloaded, for a dynamic
//! program, or linked in, for a static one. Sockets are real, so that opening, binding and
//! setting them up cost what they cost; what is sent on one of generic netlink never
//! reaches the kernel, and what is received was made here. Every change is acknowledged,
//! and nothing of it is stored but the weights of the real servers of the first services.
//!
//! `WEIR_STAND_IN=SxR` in the environment makes a table of S services with R real servers
//! each; without it the table is empty.
//!
//! Invariant: nothing here can panic or allocate, for an object that is linked into a
//! finished program must need nothing of the standard library. A
//! netlink socket may be used by one thread at a time.

#![cfg_attr(not(any(test, feature = "preload")), no_std)]

mod answers;
mod conversation;
mod wire;

use core::{
    cell::UnsafeCell,
    ptr::{self, null},
    sync::atomic::{AtomicI32, Ordering},
};

use conversation::{Conversation, SOCKETS_MAX};
use libc::{c_int, c_void, iovec, msghdr, size_t, sockaddr, sockaddr_nl, socklen_t, ssize_t};

/// Everything there is to know, by place.
struct Conversations(UnsafeCell<[Conversation; SOCKETS_MAX]>);

// SAFETY: a conversation is only looked at by who uses its socket, and the programs that
// are measured use a netlink socket from one thread at a time; the crate says so.
unsafe impl Sync for Conversations {}

static CONVERSATIONS: Conversations =
    Conversations(UnsafeCell::new([const { Conversation::new() }; SOCKETS_MAX]));

/// The socket that each place is of, and 1; 0 = free. Other sockets are of any thread.
static SOCKETS: [AtomicI32; SOCKETS_MAX] = [const { AtomicI32::new(0) }; SOCKETS_MAX];

/// The conversation on `fd`.
fn conversation(fd: c_int) -> Option<&'static mut Conversation> {
    if fd < 0 {
        return None;
    }
    let place = SOCKETS.iter().position(|it| it.load(Ordering::Acquire) == fd + 1)?;
    // SAFETY: the place lies within the array, and whoever uses the socket is alone with it.
    Some(unsafe { &mut *CONVERSATIONS.0.get().cast::<Conversation>().add(place) })
}

/// Begins a conversation on `fd`, if there is room.
fn begin(fd: c_int) {
    let free = |it: &&AtomicI32| {
        it.compare_exchange(0, fd + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    if SOCKETS.iter().find(free).is_some()
        && let Some(fresh) = conversation(fd)
    {
        fresh.open();
    }
}

fn end(fd: c_int) {
    if let Some(socket) = SOCKETS.iter().find(|it| it.load(Ordering::Acquire) == fd + 1) {
        socket.store(0, Ordering::Release);
    }
}

/// Stands for socket(2).
#[unsafe(no_mangle)]
pub extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    // SAFETY: the system call takes no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_socket, domain, kind, protocol) };
    let fd = c_int::try_from(fd).unwrap_or(-1);
    if domain == libc::AF_NETLINK && protocol == libc::NETLINK_GENERIC && fd >= 0 {
        begin(fd);
    }
    fd
}

/// Stands for close(2).
#[unsafe(no_mangle)]
pub extern "C" fn close(fd: c_int) -> c_int {
    if fd >= 0 {
        end(fd);
    }
    // SAFETY: the system call takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_close, fd) };
    c_int::try_from(result).unwrap_or(-1)
}

/// Stands for sendmsg(2).
///
/// # Safety
///
/// As for the original.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let Some(known) = conversation(fd) else {
        // SAFETY: the caller's promise, passed on.
        return size(unsafe { libc::syscall(libc::SYS_sendmsg, fd, message, flags) });
    };
    // SAFETY: the caller gives a valid header, whose parts are valid for their lengths.
    let (parts, count) = unsafe { ((*message).msg_iov, (*message).msg_iovlen) };
    let mut sent = 0;
    for index in 0..count {
        // SAFETY: as above; programs send whole messages in each part.
        let part = unsafe { &*parts.add(index) };
        // SAFETY: as above.
        sent += unsafe { take(fd, known, part.iov_base, part.iov_len) };
    }
    sent
}

/// Stands for sendto(2).
///
/// # Safety
///
/// As for the original.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendto(
    fd: c_int,
    buffer: *const c_void,
    length: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_length: socklen_t,
) -> ssize_t {
    match conversation(fd) {
        // SAFETY: the caller's buffer is valid for its length.
        Some(known) => unsafe { take(fd, known, buffer, length) },
        // SAFETY: the caller's promise, passed on.
        None => size(unsafe {
            libc::syscall(libc::SYS_sendto, fd, buffer, length, flags, address, address_length)
        }),
    }
}

/// Stands for send(2).
///
/// # Safety
///
/// As for the original.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn send(
    fd: c_int,
    buffer: *const c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise, passed on.
    unsafe { sendto(fd, buffer, length, flags, null(), 0) }
}

/// Stands for recvmsg(2).
///
/// # Safety
///
/// As for the original.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    let Some(known) = conversation(fd) else {
        // SAFETY: the caller's promise, passed on.
        return size(unsafe { libc::syscall(libc::SYS_recvmsg, fd, message, flags) });
    };
    // SAFETY: the caller gives a valid header.
    let message = unsafe { &mut *message };
    let none = iovec { iov_base: ptr::null_mut(), iov_len: 0 };
    // Whoever reads netlink gives one part.
    // SAFETY: there are as many parts as the header says.
    let part = if message.msg_iovlen > 0 { unsafe { *message.msg_iov } } else { none };
    // SAFETY: the part is valid for its length.
    let (length, copied) = unsafe { give(known, part.iov_base, part.iov_len, flags) };
    message.msg_flags = if copied < length { libc::MSG_TRUNC } else { 0 };
    message.msg_controllen = 0;
    // SAFETY: the caller's room for a name is valid for its length.
    unsafe { sign(message.msg_name, &mut message.msg_namelen) };
    returned(length, copied, flags)
}

/// Stands for recvfrom(2).
///
/// # Safety
///
/// As for the original.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    length: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_length: *mut socklen_t,
) -> ssize_t {
    let Some(known) = conversation(fd) else {
        // SAFETY: the caller's promise, passed on.
        return size(unsafe {
            libc::syscall(libc::SYS_recvfrom, fd, buffer, length, flags, address, address_length)
        });
    };
    // SAFETY: the caller's buffer is valid for its length.
    let (whole, copied) = unsafe { give(known, buffer, length, flags) };
    if !address_length.is_null() {
        // SAFETY: with a length comes room of that length.
        unsafe { sign(address.cast(), &mut *address_length) };
    }
    returned(whole, copied, flags)
}

/// Stands for recv(2).
///
/// # Safety
///
/// As for the original.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recv(
    fd: c_int,
    buffer: *mut c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise, passed on.
    unsafe { recvfrom(fd, buffer, length, flags, ptr::null_mut(), ptr::null_mut()) }
}

/// Takes what was sent.
///
/// # Safety
///
/// `buffer` is valid for `length` bytes.
unsafe fn take(fd: c_int, to: &mut Conversation, buffer: *const c_void, length: size_t) -> ssize_t {
    if to.port == 0 {
        to.port = port(fd);
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), length) };
    to.take(bytes);
    length.cast_signed()
}

/// The number that the kernel gave the socket, by which it addresses its answers.
fn port(fd: c_int) -> u32 {
    // SAFETY: all zeros is a valid address, and the call writes no more than it has room for.
    unsafe {
        let mut own: sockaddr_nl = core::mem::zeroed();
        let mut length = socklen_t::try_from(size_of::<sockaddr_nl>()).unwrap_or(0);
        libc::syscall(libc::SYS_getsockname, fd, &raw mut own, &raw mut length);
        own.nl_pid
    }
}

/// Gives the next datagram: its length, and how much of it there was room for.
///
/// # Safety
///
/// `buffer` is valid for `room` bytes.
unsafe fn give(
    from: &mut Conversation,
    buffer: *mut c_void,
    room: size_t,
    flags: c_int,
) -> (usize, usize) {
    let peek = flags & libc::MSG_PEEK != 0;
    let datagram = from.give(room, peek, table());
    let copied = datagram.len().min(room);
    // SAFETY: the datagram is ours and at least so long, as is the caller's buffer.
    unsafe { ptr::copy_nonoverlapping(datagram.as_ptr(), buffer.cast(), copied) };
    (datagram.len(), copied)
}

/// Says that the kernel sent it.
///
/// # Safety
///
/// `name` is null, or valid for `length` bytes.
unsafe fn sign(name: *mut c_void, length: &mut socklen_t) {
    let whole = size_of::<sockaddr_nl>();
    if !name.is_null() && *length as usize >= whole {
        // SAFETY: all zeros is a valid address, and there is room for it.
        unsafe {
            let mut kernel: sockaddr_nl = core::mem::zeroed();
            kernel.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or(0);
            ptr::write_unaligned(name.cast(), kernel);
        }
    }
    *length = socklen_t::try_from(whole).unwrap_or(0);
}

/// What a receiving call returns; an empty queue counts as "would block".
fn returned(length: usize, copied: usize, flags: c_int) -> ssize_t {
    if length == 0 {
        // SAFETY: the place of this thread's errno is always valid.
        unsafe { *libc::__errno_location() = libc::EAGAIN };
        return -1;
    }
    if flags & libc::MSG_TRUNC != 0 { length.cast_signed() } else { copied.cast_signed() }
}

/// Services, and real servers of each, as the environment asks.
fn table() -> answers::Table {
    // SAFETY: the name ends in NUL, and the programs measured do not change their
    // environment; what is returned ends in NUL too.
    let text = unsafe {
        let value = libc::getenv(c"WEIR_STAND_IN".as_ptr());
        if value.is_null() {
            return answers::Table::default();
        }
        core::slice::from_raw_parts(value.cast::<u8>(), libc::strlen(value))
    };
    answers::Table::parse(text)
}

fn size(result: libc::c_long) -> ssize_t {
    ssize_t::try_from(result).unwrap_or(-1)
}
