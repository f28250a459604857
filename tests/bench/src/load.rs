//! Traffic for proxies: clients and real servers, as cheap as they can be made.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsRawFd as _, FromRawFd as _},
    ptr, thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

const REQUEST: [u8; 64] = [b'?'; 64];
const RESPONSE: [u8; 256] = [b'!'; 256];

/// Clients at one time that come and go.
const CONCURRENCY: usize = 64;

/// When nothing has happened for so long, nothing will.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of the file that is sent again and again.
const FILE_BYTES: usize = 16 << 20;

/// What a real server does when it has been asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    Close,
    Stay,
}

/// Starts a real server that answers requests, for as long as the process lives.
pub(crate) fn answer(afterwards: Afterwards) -> Result<SocketAddr> {
    let mut listener = listen()?;
    let address = listener.local_addr()?;
    let mut poll = Poll::new()?;
    let accepting = Token(usize::MAX);
    poll.registry().register(&mut listener, accepting, Interest::READABLE)?;
    let mut open: Vec<Option<TcpStream>> = Vec::new();
    let mut free = Vec::new();
    let accept = move |poll: &Poll, open: &mut Vec<Option<TcpStream>>, free: &mut Vec<usize>| {
        while let Ok((mut client, _)) = listener.accept() {
            let key = free.pop().unwrap_or(open.len());
            open.resize_with(open.len().max(key + 1), || None);
            poll.registry().register(&mut client, Token(key), Interest::READABLE)?;
            open[key] = Some(client);
        }
        io::Result::Ok(())
    };
    let serve = move || -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            poll.poll(&mut events, None)?;
            for event in &events {
                let token = event.token();
                if token == accepting {
                    accept(&poll, &mut open, &mut free)?;
                    continue;
                }
                let Some(client) = &mut open[token.0] else { continue };
                let asked = client.read(&mut [0; REQUEST.len()]).is_ok_and(|it| it > 0);
                // A client that is gone needs no answer.
                if asked && client.write_all(&RESPONSE).is_ok() && afterwards == Afterwards::Stay {
                    continue;
                }
                open[token.0] = None;
                free.push(token.0);
            }
        }
    };
    // It ends with the process; if it ends before, its clients will notice.
    thread::Builder::new().name("server".to_owned()).spawn(serve)?;
    Ok(address)
}

/// Has `count` clients come, ask, be answered and go.
pub(crate) fn come_and_go(address: SocketAddr, count: usize) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(CONCURRENCY);
    let mut open: Vec<Option<(TcpStream, usize)>> = Vec::new();
    let (mut begun, mut done) = (0, 0);
    let connect = |poll: &Poll, key: usize| -> Result<_> {
        let mut client = TcpStream::connect(address)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut client, Token(key), interest)?;
        Ok(Some((client, 0)))
    };
    while begun < CONCURRENCY.min(count) {
        open.push(connect(&poll, begun)?);
        begun += 1;
    }
    let mut asked = vec![false; open.len()];
    while done < count {
        poll.poll(&mut events, Some(PATIENCE))?;
        ensure!(!events.is_empty(), "{done} of {count} clients were served, then none");
        for event in &events {
            let Token(key) = event.token();
            let Some((client, received)) = &mut open[key] else { continue };
            if !asked[key] && event.is_writable() {
                client.write_all(&REQUEST).context("a client could not ask")?;
                asked[key] = true;
            }
            if !event.is_readable() || !is_answered(client, received)? {
                continue;
            }
            done += 1;
            asked[key] = false;
            open[key] = None;
            if begun < count {
                open[key] = connect(&poll, key)?;
                begun += 1;
            }
        }
    }
    Ok(())
}

/// Reads what there is; whether that was the end of a whole answer.
fn is_answered(client: &mut TcpStream, received: &mut usize) -> Result<bool> {
    loop {
        match client.read(&mut [0; 2 * RESPONSE.len()]) {
            Ok(0) if *received == RESPONSE.len() => return Ok(true),
            Ok(0) => bail!("an answer of {received} bytes"),
            Ok(bytes) => *received += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("an answer was cut short"),
        }
    }
}

/// Clients that have been answered and then stay, doing nothing.
pub(crate) fn stay(address: SocketAddr, count: usize) -> Result<Vec<std::net::TcpStream>> {
    let clients = (0..count).map(|_| {
        let mut client = std::net::TcpStream::connect(address)?;
        client.set_read_timeout(Some(PATIENCE))?;
        client.write_all(&REQUEST)?;
        client.read_exact(&mut [0; RESPONSE.len()]).context("a client was not answered")?;
        Ok(client)
    });
    clients.collect()
}

/// Starts a real server that sends `bytes` to each client, for as long as the process lives.
pub(crate) fn send_bulk(bytes: usize) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let file = memory_file()?;
    let serve = move || {
        for client in listener.incoming().flatten() {
            let mut left = bytes;
            while left > 0 {
                let mut offset = 0;
                let (to, from) = (client.as_raw_fd(), file.as_raw_fd());
                // SAFETY: both descriptors are open, and the offset is a variable.
                let sent =
                    unsafe { libc::sendfile(to, from, &raw mut offset, left.min(FILE_BYTES)) };
                match usize::try_from(sent) {
                    Ok(sent) => left -= sent,
                    // The client is gone.
                    Err(_) => break,
                }
            }
        }
    };
    thread::Builder::new().name("sender".to_owned()).spawn(serve)?;
    Ok(address)
}

/// Receives all that is sent, `expected` bytes, without looking at it.
pub(crate) fn receive_bulk(address: SocketAddr, expected: usize) -> Result<()> {
    let client = std::net::TcpStream::connect(address)?;
    let mut bytes = 0;
    loop {
        // SAFETY: with MSG_TRUNC nothing is written to the buffer (tcp(7)).
        let received =
            unsafe { libc::recv(client.as_raw_fd(), ptr::null_mut(), 1 << 20, libc::MSG_TRUNC) };
        match usize::try_from(received) {
            Ok(0) => break,
            Ok(received) => bytes += received,
            Err(_) => return Err(io::Error::last_os_error()).context("bulk was cut short"),
        }
    }
    ensure!(bytes == expected, "{bytes} bytes came, not {expected}");
    Ok(())
}

fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    // SAFETY: listen takes no pointers; on a socket that listens it sets the length.
    unsafe { libc::listen(listener.as_raw_fd(), 4096) };
    Ok(listener)
}

fn memory_file() -> Result<File> {
    // SAFETY: the name ends in NUL.
    let descriptor = unsafe { libc::memfd_create(c"bulk".as_ptr(), libc::MFD_CLOEXEC) };
    ensure!(descriptor >= 0, "memfd_create: {}", io::Error::last_os_error());
    // SAFETY: it was just opened, and nobody else has it.
    let mut file = unsafe { File::from_raw_fd(descriptor) };
    file.write_all(&vec![b'.'; FILE_BYTES])?;
    Ok(file)
}
