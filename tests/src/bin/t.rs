//! The traffic that recorded cases ask for: `t tsrv|usrv|tcli|udp|udpf ADDR PORT ...`.
//!
//! What stays open stays in the background, in the caller's process group, which the
//! test kills when the case is over.

use std::{
    env,
    io::{self, Read as _, Write as _},
    mem::size_of_val,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    process::ExitCode,
};

const USAGE: &str = "\
usage: t tsrv ADDR PORT                  a TCP server that reads and drops, in the background
       t usrv ADDR PORT                  the same for UDP
       t tcli ADDR PORT FROM BYTES       a TCP connection that sends and stays, from that port
       t udp ADDR PORT FROM COUNT BYTES  datagrams from that port
       t udpf ADDR PORT FROM             one datagram, from standard input";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error itself is gone.
            let _ = writeln!(io::stderr(), "t: {error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> io::Result<()> {
    match args {
        ["tsrv", addr, port] => serve_tcp(endpoint(addr, port)?),
        ["usrv", addr, port] => serve_udp(endpoint(addr, port)?),
        ["tcli", addr, port, from, bytes] => {
            connect(endpoint(addr, port)?, number(from)?, number(bytes)?)
        }
        ["udp", addr, port, from, count, bytes] => {
            let datagram = vec![b'x'; number(bytes)?];
            send(endpoint(addr, port)?, number(from)?, number(count)?, &datagram)
        }
        ["udpf", addr, port, from] => {
            let mut datagram = Vec::new();
            io::stdin().read_to_end(&mut datagram)?;
            send(endpoint(addr, port)?, number(from)?, 1, &datagram)
        }
        _ => Err(io::Error::other("no such traffic")),
    }
}

fn serve_tcp(at: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    if !stay_in_background()? {
        return Ok(());
    }
    let mut accepted = Vec::new();
    loop {
        // One connection at a time is read: the cases open no more.
        let (mut stream, _) = listener.accept()?;
        io::copy(&mut stream, &mut io::sink())?;
        accepted.push(stream);
    }
}

fn serve_udp(at: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(at)?;
    if !stay_in_background()? {
        return Ok(());
    }
    let mut buffer = vec![0; 64 << 10];
    loop {
        socket.recv(&mut buffer)?;
    }
}

fn connect(to: SocketAddr, from: u16, bytes: usize) -> io::Result<()> {
    let mut stream = bound_stream(to, from)?;
    stream.write_all(&vec![b'x'; bytes])?;
    if stay_in_background()? {
        loop {
            // Until the test kills it.
            // SAFETY: pause takes no arguments.
            unsafe { libc::pause() };
        }
    }
    Ok(())
}

fn send(to: SocketAddr, from: u16, count: usize, datagram: &[u8]) -> io::Result<()> {
    let socket = UdpSocket::bind(SocketAddr::new(any(to), from))?;
    socket.connect(to)?;
    mark(socket.as_raw_fd())?;
    for _ in 0..count {
        socket.send(datagram)?;
    }
    Ok(())
}

/// A connection from a port of our choice, which the standard library cannot open.
fn bound_stream(to: SocketAddr, from: u16) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: socket takes no pointers.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor was just opened, and nobody else owns it.
    let stream = unsafe { TcpStream::from(OwnedFd::from_raw_fd(fd)) };
    mark(fd)?;
    let (local, length) = raw(SocketAddr::new(any(to), from));
    // SAFETY: the address is valid for the length that goes with it.
    check(unsafe { libc::bind(fd, (&raw const local).cast(), length) })?;
    let (remote, length) = raw(to);
    // SAFETY: the address is valid for the length that goes with it.
    check(unsafe { libc::connect(fd, (&raw const remote).cast(), length) })?;
    Ok(stream)
}

/// Sets the firewall mark that the variable MARK asks for.
fn mark(fd: i32) -> io::Result<()> {
    let Ok(mark) = env::var("MARK") else { return Ok(()) };
    let mark: u32 = number(&mark)?;
    let length = libc::socklen_t::try_from(size_of_val(&mark)).expect("four");
    // SAFETY: the option is valid for the length that goes with it.
    let result = unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_MARK, (&raw const mark).cast(), length)
    };
    check(result).map(drop)
}

/// Forks; true in the process that stays. The other one returns to its caller.
fn stay_in_background() -> io::Result<bool> {
    // SAFETY: this program has one thread.
    if check(unsafe { libc::fork() })? != 0 {
        return Ok(false);
    }
    // Nobody must wait for the end of a stream that only a background process holds.
    // SAFETY: the path ends in NUL, and the numbers are those of the standard streams.
    unsafe {
        let null = check(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR))?;
        for stream in 0..=2 {
            check(libc::dup2(null, stream))?;
        }
    }
    Ok(true)
}

fn raw(at: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: a storage of zeroes is a valid value of the type.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let length = match at {
        SocketAddr::V4(at) => {
            let short = libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: at.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*at.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: the storage is larger than any address and aligned for all.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(short) };
            size_of_val(&short)
        }
        SocketAddr::V6(at) => {
            let long = libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: at.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: at.ip().octets() },
                sin6_scope_id: 0,
            };
            // SAFETY: the storage is larger than any address and aligned for all.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(long) };
            size_of_val(&long)
        }
    };
    (storage, libc::socklen_t::try_from(length).expect("addresses are short"))
}

fn family(number: i32) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).expect("families are small numbers")
}

fn any(like: SocketAddr) -> IpAddr {
    if like.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) }
}

fn endpoint(addr: &str, port: &str) -> io::Result<SocketAddr> {
    let addr: IpAddr = addr.parse().map_err(io::Error::other)?;
    Ok(SocketAddr::new(addr, number(port)?))
}

fn number<T: std::str::FromStr>(word: &str) -> io::Result<T> {
    word.parse().map_err(|_| io::Error::other(format!("not a number here: {word}")))
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
