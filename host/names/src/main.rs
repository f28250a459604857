//! Answers questions about names from standard input, one at a time, by asking the C
//! library. It is linked dynamically, so that the C library can load what `nsswitch.conf`
//! names, and is otherwise as small as can be.

use std::{
    ffi::{CStr, CString, c_char, c_int},
    io,
    net::IpAddr,
    process::ExitCode,
    ptr, slice,
};

use weir_names::{Question, read_frame, write_frame};

// The libc crate leaves these out because they are not safe in threads; this process has one.
unsafe extern "C" {
    fn gethostbyaddr(
        address: *const u8,
        length: libc::socklen_t,
        family: c_int,
    ) -> *const libc::hostent;
    fn gethostbyname2(name: *const c_char, family: c_int) -> *const libc::hostent;
}

fn main() -> ExitCode {
    let (mut questions, mut answers) = (io::stdin().lock(), io::stdout());
    while let Ok(Some(frame)) = read_frame(&mut questions) {
        let answer = Question::decode(&frame).and_then(|it| answer(&it)).unwrap_or_default();
        if write_frame(&mut answers, &answer).and_then(|()| io::Write::flush(&mut answers)).is_err()
        {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn answer(question: &Question) -> Option<Vec<u8>> {
    match question {
        Question::Host(IpAddr::V4(address)) => host(&address.octets(), libc::AF_INET),
        Question::Host(IpAddr::V6(address)) => host(&address.octets(), libc::AF_INET6),
        Question::PortName(port, protocol) => port_name(*port, protocol),
        Question::Ipv4Addresses(name) => addresses(name, libc::AF_INET),
        Question::Ipv6Addresses(name) => addresses(name, libc::AF_INET6),
        Question::Port(service, protocol) => port(service, protocol),
    }
}

fn host(octets: &[u8], family: c_int) -> Option<Vec<u8>> {
    let length = libc::socklen_t::try_from(octets.len()).ok()?;
    // SAFETY: the pointer and the length are those of one slice.
    let entry = unsafe { gethostbyaddr(octets.as_ptr(), length, family) };
    // SAFETY: an entry, where there is one, is valid until the next call.
    unsafe { entry.as_ref().and_then(|entry| text(entry.h_name)) }
}

fn addresses(name: &[u8], family: c_int) -> Option<Vec<u8>> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is a C string that outlives the call.
    let entry = unsafe { gethostbyname2(name.as_ptr(), family) };
    // SAFETY: an entry, where there is one, is valid until the next call.
    let entry = unsafe { entry.as_ref() }?;
    let length = usize::try_from(entry.h_length).ok()?;
    let mut octets = Vec::new();
    let mut next = entry.h_addr_list;
    // SAFETY: the list ends with a null pointer, and each address has `h_length` bytes.
    unsafe {
        while !next.is_null() && !(*next).is_null() {
            octets.extend_from_slice(slice::from_raw_parts((*next).cast::<u8>(), length));
            next = next.add(1);
        }
    }
    Some(octets)
}

fn port_name(port: u16, protocol: &[u8]) -> Option<Vec<u8>> {
    let protocol = CString::new(protocol).ok()?;
    // SAFETY: the protocol is a C string that outlives the call.
    let entry = unsafe { libc::getservbyport(c_int::from(port.to_be()), protocol.as_ptr()) };
    // SAFETY: an entry, where there is one, is valid until the next call.
    unsafe { entry.as_ref().and_then(|entry| text(entry.s_name)) }
}

fn port(service: &[u8], protocol: &[u8]) -> Option<Vec<u8>> {
    let (service, protocol) = (CString::new(service).ok()?, CString::new(protocol).ok()?);
    // SAFETY: both are C strings that outlive the call.
    let entry = unsafe { libc::getservbyname(service.as_ptr(), protocol.as_ptr()) };
    // SAFETY: an entry, where there is one, is valid until the next call.
    let entry = unsafe { entry.as_ref() }?;
    // The entry has the port in network order in the low half of an int.
    let low_half = u16::try_from(entry.s_port & 0xffff).ok()?;
    Some(low_half.to_ne_bytes().to_vec())
}

/// # Safety
///
/// `name` is null or a C string that lives for the call.
unsafe fn text(name: *const c_char) -> Option<Vec<u8>> {
    // SAFETY: as the caller promises.
    (!ptr::eq(name, ptr::null())).then(|| unsafe { CStr::from_ptr(name) }.to_bytes().to_vec())
}
