//! A director with its configuration, real servers to be killed and silenced, and clients.

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use weir_tests::{
    engine::{Engine, PATIENCE, wait_for},
    guest,
    lab::{Lab, VIP},
    namespace::{in_fresh_network, scratch},
    narrator::now,
    program::{Invocation, Outcome},
};

use super::{
    always,
    record::{Observer, Record, Seen, Weights},
};

/// The port of the service that all scenarios have.
pub(super) const WEB: u16 = 80;

/// What a write takes, over what checks take.
pub(super) const WRITE: Duration = Duration::from_millis(100);

/// How often weir looks for edits by others.
pub(super) const CYCLE: Duration = Duration::from_secs(10);

/// How long a client waits for an answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Between two new connections.
const PAUSE: Duration = Duration::from_millis(50);

/// The four real servers of all scenarios, and the one that stands by.
pub(super) const ALL: [u8; 4] = [1, 2, 3, 4];
const SERVERS: u8 = 5;

/// How often servers are asked, and how long is waited for an answer.
pub(super) struct Check {
    pub(super) interval: Duration,
    pub(super) fast: Duration,
    pub(super) timeout: Duration,
}

impl Check {
    pub(super) fn usual() -> Self {
        Self { interval: length(1000, 5000), fast: length(200, 1000), timeout: length(400, 2000) }
    }

    /// Until a server that refuses is out of service.
    pub(super) fn refused(&self) -> Duration {
        self.interval.mul_f64(1.1) + 2 * self.fast + WRITE
    }

    /// The same of one that is silent.
    pub(super) fn silent(&self) -> Duration {
        self.interval.mul_f64(1.1) + 2 * self.fast.max(self.timeout) + self.timeout + WRITE
    }

    /// Until a server that is back has passed twice.
    pub(super) fn passed(&self) -> Duration {
        self.interval.mul_f64(1.1) + self.fast + WRITE
    }
}

/// So many milliseconds, or as many at full length.
pub(super) fn length(short_ms: u64, full_ms: u64) -> Duration {
    let is_full = std::env::var_os("WEIR_FULL_LENGTH").is_some_and(|it| it == "1");
    Duration::from_millis(if is_full { full_ms } else { short_ms })
}

/// Weights of the four.
pub(super) fn weights(of: [u32; 4]) -> Weights {
    ALL.into_iter().zip(of).collect()
}

pub(super) struct Stage {
    pub(super) record: Record,
    pub(super) check: Check,
    lab: Lab,
    config: PathBuf,
    engine: Option<Engine>,
    servers: Vec<(u8, Child)>,
    observers: Vec<Observer>,
    began: Instant,
}

/// Plays a scenario: the four serve, each with weight 100, when `body` begins. The service has
/// these `keys` beside its name, address, scheduler and real servers, and the configuration has
/// `more` beside the service.
pub(super) fn play(name: &str, keys: &str, more: &str, body: impl FnOnce(&mut Stage) + Send) {
    let _together = guest::together();
    guest::load_modules();
    in_fresh_network(|| {
        let mut stage = Stage::set_up(name, keys, more);
        body(&mut stage);
        stage.end();
        always::check(&stage.record.seen());
    });
}

impl Stage {
    fn set_up(name: &str, keys: &str, more: &str) -> Self {
        let check = Check::usual();
        let config = scratch(&format!("scenario-{name}")).join("weir.toml");
        fs::write(&config, configuration(&check, keys, more)).unwrap();
        let mut stage = Self {
            record: Record::default(),
            check,
            lab: Lab::set_up(SERVERS),
            config,
            engine: None,
            servers: Vec::new(),
            observers: Vec::new(),
            began: now(),
        };
        fs::write("/proc/sys/net/ipv4/vs/expire_nodest_conn", "1").unwrap();
        for number in 1..=SERVERS {
            stage.start_server(number);
        }
        stage.observers.push(stage.record.observe_table());
        stage.start_weir();
        stage.settled(WEB);
        stage
    }

    /// Starts `weir run`, and waits until it is ready.
    pub(super) fn start_weir(&mut self) {
        let record = self.record.clone();
        let keep = move |line: &str| record.add_line(line);
        let engine = Engine::start(&guest::weir(), &self.config, keep);
        let is_ready = engine.wait_for_line(PATIENCE, |line| line.contains(" ready "));
        assert!(is_ready, "never ready:\n{}", self.record.seen().story(self.began));
        self.engine = Some(engine);
    }

    /// Waits until all of a service have their weight 100, and weir said so.
    pub(super) fn settled(&self, port: u16) {
        let of = format!("10.9.0.100:{port}\"");
        self.expect("the four serve", PATIENCE, |seen| {
            let lines = seen.lines("weight", None, self.began);
            let said =
                lines.iter().filter(|(_, it)| it.contains(&of) && it.contains(" after=100 "));
            said.count() == ALL.len() && seen.weights(port) == weights([100; 4])
        });
    }

    /// Starts the process of a real server.
    pub(super) fn start_server(&mut self, number: u8) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_real_server"));
        command.arg(Lab::server_address(number).to_string()).arg(number.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = self.lab.as_server(number, || command.spawn());
        let mut child = child.expect("a server can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        assert_eq!(lines.next().and_then(Result::ok).as_deref(), Some("listening"));
        let record = self.record.clone();
        thread::spawn(move || {
            for peer in lines.map_while(Result::ok).filter_map(|it| it.parse().ok()) {
                record.seen().arrivals.push((now(), number, peer));
            }
        });
        self.servers.push((number, child));
    }

    /// Kills the process of a real server: what was sent to it is refused from now on.
    pub(super) fn crash(&mut self, number: u8) -> Instant {
        let at = self.servers.iter().position(|(it, _)| *it == number).expect("it runs");
        let (_, mut child) = self.servers.swap_remove(at);
        let crash = now();
        end(&mut child);
        crash
    }

    /// Loses every packet to and from a real server; since when it is so.
    pub(super) fn silence(&self, number: u8) -> Instant {
        self.lab.silence(number);
        now()
    }

    pub(super) fn unsilence(&self, number: u8) -> Instant {
        self.lab.unsilence(number);
        now()
    }

    /// Stops weir in an orderly way.
    pub(super) fn stop_weir(&mut self) {
        let mut engine = self.engine.take().expect("it runs");
        assert!(engine.stop(PATIENCE), "{}", self.record.seen().story(self.began));
    }

    /// Stops weir, and waits for its last line.
    fn end(&mut self) {
        let stop = now();
        self.stop_weir();
        self.expect("its last line", PATIENCE, |seen| {
            !seen.lines("stopped", None, stop).is_empty()
        });
    }

    /// Ends weir as `kill -9` does.
    pub(super) fn kill_weir(&mut self) {
        self.engine.take().expect("it runs").kill();
    }

    /// What weir answers to an operator, who has to be obeyed.
    pub(super) fn weir(&self, arguments: &str) -> String {
        said(arguments, &self.try_weir(arguments))
    }

    /// The same where it may refuse.
    pub(super) fn try_weir(&self, arguments: &str) -> Outcome {
        let socket = self.config.with_file_name("weir.sock");
        run(&guest::weir(), &format!("--socket {} {arguments}", socket.display()))
    }

    /// What the original ipvsadm does to the kernel, past weir.
    pub(super) fn ipvsadm(&self, arguments: &str) -> String {
        said(arguments, &run(Path::new(guest::ORIGINAL), arguments))
    }

    /// Removes everything from the table, past weir.
    pub(super) fn clear(&self) {
        self.record.seen().clears += 1;
        self.ipvsadm("-C");
    }

    /// Where weir keeps what must survive it.
    pub(super) fn state(&self) -> PathBuf {
        self.config.with_file_name("weir.sock.state.redb")
    }

    /// Opens a connection through the director.
    pub(super) fn connect(&self) -> io::Result<Connection> {
        self.lab.as_client(Connection::open)
    }

    /// From now on somebody keeps connecting.
    pub(super) fn start_clients(&mut self) {
        let record = self.record.clone();
        let client = self.lab.as_client(|| {
            Observer::start(move || {
                let began = now();
                let answer = Connection::open().and_then(|mut it| it.ask());
                record.seen().answers.push((began, answer.ok()));
                thread::sleep(PAUSE);
            })
        });
        self.observers.push(client);
    }

    /// Waits until it happened, which has to be within `bound` from now; how long it took.
    pub(super) fn expect(
        &self,
        what: &str,
        bound: Duration,
        happened: impl Fn(&Seen) -> bool,
    ) -> Duration {
        self.expect_since(now(), what, bound, happened)
    }

    /// The same, counted from `since`.
    pub(super) fn expect_since(
        &self,
        since: Instant,
        what: &str,
        bound: Duration,
        happened: impl Fn(&Seen) -> bool,
    ) -> Duration {
        loop {
            let seen = self.record.seen();
            let took = since.elapsed();
            if happened(&seen) {
                return took;
            }
            let lag = seen.lag(since);
            assert!(
                took <= bound + lag,
                "{what}: not within {bound:?} (and {lag:?} that the machine was late)\n{}",
                seen.story(since)
            );
            drop(seen);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// For so long, it has to stay true.
    pub(super) fn hold(&self, what: &str, length: Duration, holds: impl Fn(&Seen) -> bool) {
        let since = now();
        let mut broken = false;
        wait_for(length, || {
            broken = !holds(&self.record.seen());
            broken
        });
        assert!(!broken, "{what}: no more\n{}", self.record.seen().story(since));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.observers.clear();
        for (_, child) in &mut self.servers {
            end(child);
        }
    }
}

/// Ends a process as `kill -9` does.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn run(program: &Path, arguments: &str) -> Outcome {
    let mut invocation = Invocation::new(program);
    invocation.args = arguments.split_whitespace().map(Into::into).collect();
    invocation.run()
}

fn said(arguments: &str, outcome: &Outcome) -> String {
    assert_eq!(outcome.status, 0, "{arguments}: {outcome}");
    String::from_utf8_lossy(&outcome.stdout).into_owned()
}

/// Another service in front of the same four.
pub(super) fn second_service(port: u16, keys: &str, weight: u32) -> String {
    service(&format!("web-{port}"), &format!("10.9.0.100:{port}"), keys, weight)
}

fn service(name: &str, address: &str, keys: &str, weight: u32) -> String {
    let mut text = format!(
        "[[service]]\nname = \"{name}\"\naddress = \"{address}\"\nscheduler = \"wrr\"\n{keys}server = [\n"
    );
    for number in ALL {
        let address = Lab::server_address(number);
        let _ = writeln!(text, "    {{ address = \"{address}\", weight = {weight} }},");
    }
    text + "]\n\n"
}

/// The common setup.
fn configuration(check: &Check, keys: &str, more: &str) -> String {
    let ms = |it: Duration| it.as_millis();
    format!(
        "[check]\ninterval = \"{}ms\"\nfast = \"{}ms\"\ntimeout = \"{}ms\"\n\n{}{more}",
        ms(check.interval),
        ms(check.fast),
        ms(check.timeout),
        service("web", VIP, keys, 100)
    )
}

/// A connection of a client through the director.
pub(super) struct Connection(TcpStream);

impl Connection {
    fn open() -> io::Result<Self> {
        let vip: SocketAddr = VIP.parse().expect("an address");
        let stream = TcpStream::connect_timeout(&vip, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(Self(stream))
    }

    /// Who serves it.
    pub(super) fn ask(&mut self) -> io::Result<u8> {
        self.0.write_all(b"?")?;
        let mut number = [0];
        self.0.read_exact(&mut number)?;
        Ok(number[0])
    }
}
