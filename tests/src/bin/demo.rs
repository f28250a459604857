//! The policy engine at work on its embedded IPVS: `cargo xtask demo` runs this, anywhere,
//! without root and without a kernel that has IPVS.
//!
//! Three HTTP servers on loopback, clients that keep connecting to a service in front of
//! them, and `weir run` in between. Every step is checked, and the exit status says whether
//! all held. What needs looking at is looked at as an operator would: with `ipvsadm`.

use std::{
    env, fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use weir_tests::{
    engine::{BOUND, CHECK, Engine, PATIENCE, WEIGHTS, service, wait_for},
    lab::{HttpServer, request},
    narrator::{Narrator, now, say},
};

/// Clients that connect, one connection after the other each.
const CLIENTS: usize = 3;

/// Connections after which shares are told.
const ROUND: u32 = 600;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let keep = arguments.iter().any(|it| it == "--keep");
    let Some(weir) = arguments.iter().find(|it| *it != "--keep").map(PathBuf::from) else {
        say("usage: demo WEIR [--keep], WEIR being the path of the program");
        return ExitCode::from(2);
    };
    let failed = Demo::new(weir).play(keep);
    ExitCode::from(u8::from(failed > 0))
}

struct Demo {
    weir: PathBuf,
    directory: PathBuf,
    service: SocketAddr,
    servers: [SocketAddr; 3],
    narrator: Narrator,
}

impl Demo {
    fn new(weir: PathBuf) -> Self {
        let directory = env::temp_dir().join(format!("weir-demo-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("the temporary directory is writable");
        let [service, one, two, three] = free_addresses();
        let narrator = Narrator::default();
        Self { weir, directory, service, servers: [one, two, three], narrator }
    }

    /// Plays all of it; the number of checks that failed.
    fn play(mut self, keep: bool) -> usize {
        let config = self.directory.join("weir.toml");
        let text =
            format!("backend = \"embedded\"\n\n{CHECK}\n{}", service(&self.service, &self.servers));
        fs::write(&config, &text).expect("the temporary directory is writable");
        self.narrator.step("Three HTTP servers start on loopback.");
        let [one, two, three] = [1, 2, 3].map(|number| self.start_server(number));

        self.narrator.step("weir run begins, with this configuration:");
        say(text.trim_end());
        let mut engine = self.start(&config);
        let ready = wait_for(PATIENCE, || self.weights() == WEIGHTS.map(Some));
        self.narrator.check("every real server is in the table with its weight", ready);
        self.list(&["ipvsadm", "-Ln"]);

        self.narrator.step(&format!("{CLIENTS} clients begin to connect, and never stop."));
        let clients = Clients::start(self.service);
        self.share(&clients, "under wrr each gets its share", &[1, 2, 3]);

        self.narrator.step("Real server 2 crashes.");
        let crash = now();
        two.kill();
        let drained = wait_for(PATIENCE, || self.weights()[1] == Some(0));
        let took = crash.elapsed();
        self.narrator.check("its weight becomes 0", drained);
        let within = took <= BOUND;
        self.narrator.check(&format!("that took {took:.1?}, and may take {BOUND:.1?}"), within);
        let failed = clients.take()[0];
        say(&format!("          {failed} connections failed between the crash and the verdict"));
        self.list(&["ipvsadm", "-Ln"]);
        self.share(&clients, "no new connection reaches it, and none fails", &[1, 3]);

        self.narrator.step("Real server 2 returns.");
        let two = self.start_server(2);
        let restored = wait_for(PATIENCE, || self.weights() == WEIGHTS.map(Some));
        self.narrator.check("it has its weight again", restored);
        clients.take();
        self.share(&clients, "it gets its share again", &[1, 2, 3]);
        self.list(&["ipvsadm", "-Ln", "--stats"]);

        if keep {
            self.stay();
        }
        self.narrator.step("The clients stop, and then weir.");
        let failed = clients.stop();
        let stopped = engine.stop(PATIENCE);
        self.narrator.check("weir stops in good order", stopped);
        say(&format!("          since the last share was told, {failed} connections failed"));
        drop((one, two, three));
        let _ = fs::remove_dir_all(&self.directory);
        self.narrator.summary(&format!("the embedded IPVS at {}", self.service))
    }

    fn start_server(&self, number: u8) -> HttpServer {
        let address = self.servers[usize::from(number) - 1];
        let listener = TcpListener::bind(address).expect("the address was free a moment ago");
        HttpServer::start(listener, number)
    }

    fn start(&mut self, config: &Path) -> Engine {
        let engine = Engine::start_at(&self.weir, config, &self.socket(), |line| {
            say(&format!("   weir | {line}"));
        });
        if !engine.wait_for_line(PATIENCE, |line| line.contains(" ready ")) {
            self.narrator.check("weir is ready", false);
        }
        engine
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("weir.sock")
    }

    /// The weights of the three that `ipvsadm` shows; none = no such real server.
    fn weights(&self) -> [Option<u32>; 3] {
        let rules = self.command(&["ipvsadm", "-Sn"]);
        self.servers.map(|server| {
            let rule = rules.lines().find(|line| line.contains(&format!(" -r {server} ")))?;
            rule.rsplit(" -w ").next()?.split(' ').next()?.parse().ok()
        })
    }

    fn list(&self, arguments: &[&str]) {
        say(&format!("          $ {}", arguments.join(" ")));
        for line in self.command(arguments).lines() {
            say(&format!("          {line}"));
        }
    }

    fn command(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.weir)
            .arg("--socket")
            .arg(self.socket())
            .args(arguments)
            .output()
            .expect("weir can be started");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Waits for a round of connections, and tells who answered.
    fn share(&mut self, clients: &Clients, text: &str, expected: &[u8]) {
        clients.take();
        let enough = wait_for(PATIENCE, || clients.count() >= ROUND);
        let [failed, counts @ ..] = clients.take();
        let total: u32 = counts.iter().sum();
        let weights: u32 = expected.iter().map(|&number| WEIGHTS[usize::from(number) - 1]).sum();
        let fair = (1..).zip(counts).all(|(number, count)| {
            let weight =
                if expected.contains(&number) { WEIGHTS[usize::from(number) - 1] } else { 0 };
            // Connections under way when counting began or ended are told to no round.
            count.abs_diff(total * weight / weights) <= total / 50
        });
        let shares: Vec<_> = (1..)
            .zip(counts)
            .map(|(number, count)| format!("{count} to server {number}"))
            .collect();
        let line = format!("{text}: of {total} connections {}; {failed} failed", shares.join(", "));
        self.narrator.check(&line, enough && failed == 0 && fair);
    }

    /// Leaves everything running until standard input ends or a line comes.
    fn stay(&self) {
        let socket = self.socket();
        self.narrator.step("Everything stays as it is. In another terminal, try:");
        let weir = self.weir.display();
        say(&format!("    export WEIR_SOCKET={}", socket.display()));
        for command in ["ipvsadm -Ln", "ipvsadm -Ln --rate", "ipvsadm -Lnc"] {
            say(&format!("    {weir} {command}"));
        }
        say(&format!("    curl http://{}/", self.service));
        say("Enter ends it.");
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

/// Clients that make one connection after the other, and count who answered.
struct Clients {
    counts: Arc<[AtomicU32; 4]>,
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(service: SocketAddr) -> Self {
        let counts = Arc::<[AtomicU32; 4]>::default();
        let stopped = Arc::<AtomicBool>::default();
        let client = || {
            let (counts, stopped) = (Arc::clone(&counts), Arc::clone(&stopped));
            thread::spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    let answer = request(service).map_or(0, usize::from);
                    counts[answer.min(3)].fetch_add(1, Ordering::AcqRel);
                    // A client thinks; an idle director is no use to see either.
                    thread::sleep(Duration::from_millis(1));
                }
            })
        };
        let threads = (0..CLIENTS).map(|_| client()).collect();
        Self { counts, stopped, threads }
    }

    /// Connections since they were last taken.
    fn count(&self) -> u32 {
        self.counts.iter().map(|it| it.load(Ordering::Acquire)).sum()
    }

    /// Connections since this was last asked, by who answered; the first failed.
    fn take(&self) -> [u32; 4] {
        [0, 1, 2, 3].map(|number: usize| self.counts[number].swap(0, Ordering::AcqRel))
    }

    /// Ends them; how many connections failed since they were last taken.
    fn stop(self) -> u32 {
        self.stopped.store(true, Ordering::Release);
        for thread in self.threads {
            let _ = thread.join();
        }
        self.counts[0].load(Ordering::Acquire)
    }
}

/// Addresses on loopback at which nobody listens.
fn free_addresses() -> [SocketAddr; 4] {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.each_ref().map(|it| it.local_addr().expect("it is bound"))
}
