//! A forwarder in a thread, with a clock that can be put forward and a log that is kept.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc::{Receiver, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use weir_embedded::Settings;
use weir_ipvs::{
    Change, Endpoint, Fields, Forwarding, Ipvs as _, OnFailure, Protocol, RealServer,
    RealServerKey, RealServerStatus, Scope, Service, ServiceKey, TableEntry,
};

use crate::forward::{Forwarder, Handle, Options};

/// How long anything may take before a test has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A running forwarder. It ends when it is dropped.
pub(super) struct Bed {
    pub(super) handle: Handle,
    log: Receiver<String>,
    skipped_ms: Arc<AtomicU64>,
    /// What it saw of that when it last looked.
    seen_ms: Arc<AtomicU64>,
    turns: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Bed {
    pub(super) fn new() -> Self {
        Self::with(Settings::default(), |_| {})
    }

    /// One that `adjust` has seen before it runs.
    pub(super) fn with(core: Settings, adjust: impl FnOnce(&mut Forwarder)) -> Self {
        let (say, log) = channel();
        // The forwarder may tell of its end when nobody listens any more.
        let say = move |line: &crate::report::Line| drop(say.send(line.to_string()));
        let options = Options { core, drain: PATIENCE };
        let (mut forwarder, handle) = Forwarder::new(options, Box::new(say)).unwrap();
        adjust(&mut forwarder);
        let [skipped_ms, seen_ms, turns] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
        let (skipped, seen, looks) =
            (Arc::clone(&skipped_ms), Arc::clone(&seen_ms), Arc::clone(&turns));
        let origin = now();
        let clock = move || {
            looks.fetch_add(1, Ordering::SeqCst);
            let ms = skipped.load(Ordering::SeqCst);
            seen.store(ms, Ordering::SeqCst);
            origin.elapsed() + Duration::from_millis(ms)
        };
        let thread = thread::spawn(move || forwarder.run(clock).unwrap());
        Self { handle, log, skipped_ms, seen_ms, turns, thread: Some(thread) }
    }

    /// Puts the forwarder's clock forward, and waits until what follows is done, or until it
    /// has ended by that.
    pub(super) fn skip(&mut self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap();
        let now = self.skipped_ms.fetch_add(ms, Ordering::SeqCst) + ms;
        while self.handle.info().is_ok() && self.seen_ms.load(Ordering::SeqCst) != now {}
        // What is asked after the clock was looked at is answered after what is due was done.
        let _ = self.handle.info();
    }

    /// How often it has looked at its clock, which it does in every turn of its loop.
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }

    /// Looks into the forwarder.
    fn look<T: Send + 'static>(&self, look: fn(&mut Forwarder) -> T) -> T {
        self.handle.ask(look).unwrap()
    }

    pub(super) fn open_connections(&self) -> usize {
        self.look(|it| it.connections.len())
    }

    pub(super) fn open_flows(&self) -> usize {
        self.look(|it| it.flows.len())
    }

    pub(super) fn used_descriptors(&self) -> usize {
        self.look(|it| it.means.tools.descriptors.used())
    }

    pub(super) fn change(&mut self, change: &Change) {
        let failures = self.handle.apply(std::slice::from_ref(change), OnFailure::Proceed);
        assert_eq!(failures, [], "{change:?}");
    }

    /// Adds a service at an address of its own, with these real servers of weight 1.
    pub(super) fn serve(
        &mut self,
        protocol: Protocol,
        scheduler: &str,
        servers: &[SocketAddr],
    ) -> ServiceKey {
        let key = ServiceKey::from((protocol, address().into()));
        self.add(Service::new(key, scheduler), servers);
        key
    }

    pub(super) fn add(&mut self, service: Service, servers: &[SocketAddr]) {
        let key = service.key;
        self.change(&Change::AddService(service));
        for &server in servers {
            self.change(&Change::AddServer(key, real_server(server, 1)));
        }
    }

    pub(super) fn entry(&mut self, key: ServiceKey) -> TableEntry {
        self.handle.read(Scope::One(key), Fields::ALL).unwrap().entries.remove(0)
    }

    pub(super) fn server(&mut self, key: ServiceKey, server: SocketAddr) -> RealServerStatus {
        let entry = self.entry(key);
        *entry.servers.iter().find(|it| it.config.endpoint == server.into()).unwrap()
    }

    /// The next line of the log that begins with `event`.
    pub(super) fn wait_for_line(&self, event: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE).expect(event);
            if line.starts_with(event) {
                return line;
            }
        }
    }

    /// Every line that was told up to now.
    pub(super) fn lines(&mut self) -> Vec<String> {
        self.handle.info().unwrap();
        self.log.try_iter().collect()
    }

    /// Waits until `is_so`, which is asked again and again.
    pub(super) fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let start = now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "not in time: {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the forwarder's end.
    pub(super) fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.handle.stop();
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            // A failure of the forwarder is the test's, unless that has failed already.
            let ended = thread.join();
            assert!(thread::panicking() || ended.is_ok(), "the forwarder panicked");
        }
    }
}

/// An address of this machine that nobody else has, and the test's port on it.
pub(super) fn address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    (Ipv4Addr::new(127, high | 0x80, low, number), 7000).into()
}

pub(super) fn endpoint(key: ServiceKey) -> SocketAddr {
    match key {
        ServiceKey::Address { endpoint, .. } => endpoint.into(),
        ServiceKey::Fwmark { .. } => unreachable!("it has no address"),
    }
}

pub(super) fn real_server(address: SocketAddr, weight: u32) -> RealServer {
    RealServer::new(Endpoint::from(address), Forwarding::Masquerade, weight)
}

pub(super) fn server_key(service: ServiceKey, server: SocketAddr) -> RealServerKey {
    RealServerKey { service, server: server.into() }
}

/// A real server that the test itself accepts for.
pub(super) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A real server's address where nobody listens.
pub(super) fn refusing() -> SocketAddr {
    // Bound, so that nobody else gets it, but not listening: kept for the process's life.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// A real server that answers every connection with its name, then with whatever it is sent.
pub(super) fn named(name: &'static str) -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || echo(client, name));
        }
    });
    address
}

fn echo(mut client: TcpStream, name: &str) -> std::io::Result<()> {
    client.write_all(name.as_bytes())?;
    let mut reader = client.try_clone()?;
    std::io::copy(&mut reader, &mut client)?;
    Ok(())
}

/// A real server that answers every datagram with its name and the datagram.
pub(super) fn named_udp(name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 65_535];
        while let Ok((count, client)) = socket.recv_from(&mut buffer) {
            let answer = [name.as_bytes(), &buffer[..count]].concat();
            socket.send_to(&answer, client).unwrap();
        }
    });
    address
}

/// A client that waits for nothing longer than a test may take.
pub(super) fn connect(service: ServiceKey) -> TcpStream {
    let client = TcpStream::connect_timeout(&endpoint(service), PATIENCE).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client
}

/// As [`connect`], from the address `from`.
pub(super) fn connect_from(from: IpAddr, service: ServiceKey) -> TcpStream {
    let domain = socket2::Domain::for_address(SocketAddr::new(from, 0));
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    socket.connect(&endpoint(service).into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

pub(super) fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The next `count` bytes, as text.
pub(super) fn read(stream: &mut TcpStream, count: usize) -> String {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Whether the other end was reset.
pub(super) fn is_reset(stream: &mut TcpStream) -> bool {
    let error = loop {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    true
}

/// Whether a client is reset, as soon as it is connected or later.
pub(super) fn is_refused(service: ServiceKey) -> bool {
    match TcpStream::connect_timeout(&endpoint(service), PATIENCE) {
        Ok(mut client) => {
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            is_reset(&mut client)
        }
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// Lets the other end see a reset.
pub(super) fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

#[expect(clippy::disallowed_methods, reason = "tests wait in real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}
