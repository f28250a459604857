//! A small network with a director in the middle, and real traffic through it.
//!
//! ```text
//! client 10.9.0.2 --- 10.9.0.1 director, VIP 10.9.0.100 --- 10.9.N.1 --- 10.9.N.2 real server N
//! ```
//!
//! Every node has a network namespace of its own. Real servers route through the director,
//! so masquerading works as it does in a rack.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    process::{self, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::namespace::Network;

/// Where clients connect to.
pub const VIP: &str = "10.9.0.100:80";

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The nodes around the director, which is the calling thread's own network.
pub struct Lab {
    client: Network,
    servers: Vec<Network>,
}

impl Lab {
    /// Lays the network out around this thread's network namespace, which must be new.
    pub fn set_up(servers: u8) -> Self {
        let lab = Self {
            client: Network::fresh(),
            servers: (0..servers).map(|_| Network::fresh()).collect(),
        };
        ip("link set lo up");
        lab.connect(&lab.client, "client", 0);
        ip("addr add 10.9.0.100/32 dev client");
        for (network, number) in lab.servers.iter().zip(1..) {
            lab.connect(network, &format!("server{number}"), number);
        }
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("the director may forward");
        lab
    }

    /// The address that real server `number`, from 1, listens on.
    pub fn server_address(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 9, number, 2], 80))
    }

    /// Starts the HTTP server of real server `number`, from 1.
    pub fn start_server(&self, number: u8) -> HttpServer {
        let listener = self.as_server(number, || TcpListener::bind(Self::server_address(number)));
        HttpServer::start(listener.expect("nothing else listens there"), number)
    }

    /// Makes one new connection through the director: the number of the real server that
    /// answered.
    pub fn request(&self) -> io::Result<u8> {
        within(&self.client, || request(VIP.parse().expect("an address")))
    }

    /// Runs `body` as a client, on the calling thread.
    pub fn as_client<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        within(&self.client, body)
    }

    /// Runs `body` on real server `number`, from 1.
    pub fn as_server<T: Send>(&self, number: u8, body: impl FnOnce() -> T + Send) -> T {
        within(&self.servers[usize::from(number) - 1], body)
    }

    /// Every packet to and from real server `number` is lost from now on.
    pub fn silence(&self, number: u8) {
        run(&format!("tc qdisc add dev server{number} root netem loss 100%"));
        self.as_server(number, || run("tc qdisc add dev far root netem loss 100%"));
    }

    /// Its packets pass again.
    pub fn unsilence(&self, number: u8) {
        run(&format!("tc qdisc del dev server{number} root"));
        self.as_server(number, || run("tc qdisc del dev far root"));
    }

    fn connect(&self, network: &Network, device: &str, subnet: u8) {
        ip(&format!("link add {device} type veth peer name far"));
        ip(&format!("link set far netns /proc/{}/fd/{}", process::id(), network.fd()));
        ip(&format!("addr add 10.9.{subnet}.1/24 dev {device}"));
        ip(&format!("link set {device} up"));
        within(network, || {
            ip("link set lo up");
            ip(&format!("addr add 10.9.{subnet}.2/24 dev far"));
            ip("link set far up");
            ip(&format!("route add default via 10.9.{subnet}.1"));
        });
    }
}

/// Makes one new connection to `address`: the number of the server that answered.
pub fn request(address: SocketAddr) -> io::Result<u8> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let number = answer.rsplit("server ").next().and_then(|it| it.trim().parse().ok());
    number.ok_or_else(|| io::Error::other(format!("an odd answer: {answer:?}")))
}

/// An HTTP server that says which one it is; it ends when it is killed or dropped.
pub struct HttpServer {
    listener: TcpListener,
    killed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Serves what comes to `listener`, one connection after the other.
    pub fn start(listener: TcpListener, number: u8) -> Self {
        let killed = Arc::new(AtomicBool::new(false));
        let thread = {
            let (listener, killed) = (listener.try_clone(), Arc::clone(&killed));
            let listener = listener.expect("there are descriptors left");
            thread::spawn(move || {
                while !killed.load(Ordering::Acquire) {
                    if let Ok((stream, _)) = listener.accept() {
                        // A client that went away, as health checks do, is no fault.
                        let _ = answer(&stream, number);
                    }
                }
            })
        };
        Self { listener, killed, thread: Some(thread) }
    }

    /// Ends as a process that crashed: from now on connections are refused.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.killed.store(true, Ordering::Release);
        // SAFETY: the descriptor is open; a listening socket that is shut down lets
        // accept(2) return, and refuses connections from then on.
        unsafe { libc::shutdown(self.listener.as_raw_fd(), libc::SHUT_RDWR) };
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: &TcpStream, number: u8) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 1024];
    if stream.read(&mut request)? == 0 {
        return Ok(());
    }
    let body = format!("server {number}\n");
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.shutdown(Shutdown::Write)
}

/// Runs `body` on a thread of its own inside `network`.
fn within<T: Send>(network: &Network, body: impl FnOnce() -> T + Send) -> T {
    let result = thread::scope(|scope| {
        let inside = || {
            network.enter();
            body()
        };
        scope.spawn(inside).join()
    });
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn ip(arguments: &str) {
    run(&format!("ip {arguments}"));
}

/// Runs a command of iproute2, which has to succeed.
fn run(line: &str) {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().expect("a line has a word"));
    let status = command.args(words).stdin(Stdio::null()).status();
    let status = status.expect("iproute2 is installed");
    assert!(status.success(), "{line}: {status}");
}
