//! The policy engine at work on a real kernel: `cargo xtask demo` runs this, as root, in a
//! guest kernel or beside the table of the machine, which it does not touch.
//!
//! Three HTTP servers behind a masquerading service, a client that keeps connecting, and
//! `weir run` in between. Every step is checked, and the exit status says whether all held.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use weir_tests::{
    lab::{Lab, VIP},
    namespace::on_thread,
};

/// Weights of the three real servers.
const WEIGHTS: [u32; 3] = [3, 2, 1];

/// After how many seconds a crashed server must be drained: `interval * 1.1 + 2 * fast`,
/// and a tenth for the write.
const BOUND: Duration = Duration::from_millis(1600);

/// How long to wait for what has no bound of its own.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let Some(weir) = env::args_os().nth(1).map(PathBuf::from) else {
        say("usage: demo WEIR, the path of the program");
        return ExitCode::from(2);
    };
    let failed = on_thread(|| {
        weir_tests::namespace::fresh_network();
        Demo::new(weir).play()
    });
    ExitCode::from(u8::from(failed > 0))
}

struct Demo {
    weir: PathBuf,
    config: PathBuf,
    lab: Lab,
    start: Instant,
    checks: Vec<(String, bool)>,
}

impl Demo {
    fn new(weir: PathBuf) -> Self {
        let config = env::temp_dir().join(format!("weir-demo-{}.toml", std::process::id()));
        Self { weir, config, lab: Lab::set_up(3), start: now(), checks: Vec::new() }
    }

    /// Plays all of it; the number of checks that failed.
    fn play(mut self) -> usize {
        fs::write(&self.config, configuration()).expect("the temporary directory is writable");
        self.step("Three real servers start; the table of this network namespace is empty.");
        let one = self.lab.start_server(1);
        let two = self.lab.start_server(2);
        let three = self.lab.start_server(3);

        self.step("weir run begins, with this configuration:");
        say(configuration().trim_end());
        let mut engine = Engine::start(&self.weir, &self.config);
        let ready = wait_for(PATIENCE, || weights() == WEIGHTS.map(Some));
        self.check("every real server is in the kernel's table with its weight", ready);
        self.list();
        self.share("under wrr each gets its share", &[1, 2, 3]);

        self.step("Real server 2 crashes.");
        let crash = now();
        two.kill();
        let drained = wait_for(PATIENCE, || weights()[1] == Some(0));
        let took = crash.elapsed();
        self.check("its weight becomes 0", drained);
        self.check(&format!("that took {took:.1?}, and may take {BOUND:.1?}"), took <= BOUND);
        self.list();
        self.share("no new connection reaches it, and none fails", &[1, 3]);

        self.step("Real server 2 returns.");
        let two = self.lab.start_server(2);
        let restored = wait_for(PATIENCE, || weights() == WEIGHTS.map(Some));
        self.check("it has its weight again", restored);
        self.list();
        self.share("it gets its share again", &[1, 2, 3]);

        self.step("weir is killed with SIGKILL: the kernel goes on alone.");
        engine.kill();
        self.check("the table is as it was", weights() == WEIGHTS.map(Some));
        self.share("traffic goes on", &[1, 2, 3]);

        self.step("weir starts again, and finds the table as it should be.");
        let engine = Engine::start(&self.weir, &self.config);
        self.check("the table is as it was", weights() == WEIGHTS.map(Some));
        drop((engine, one, two, three));
        self.summary()
    }

    fn step(&self, text: &str) {
        say(&format!("\n[{:5.1} s] {text}", self.start.elapsed().as_secs_f64()));
    }

    fn check(&mut self, text: &str, holds: bool) {
        say(&format!("          {} {text}", if holds { "ok:" } else { "FAILED:" }));
        self.checks.push((text.to_owned(), holds));
    }

    /// Makes 60 connections and shows who answered.
    fn share(&mut self, text: &str, expected: &[u8]) {
        let mut answers = [0; 4];
        for _ in 0..60 {
            let answer = self.lab.request().map_or(0, usize::from);
            answers[answer.min(3)] += 1;
        }
        let [failed, counts @ ..] = answers;
        let mut line = format!("{text}: of 60 connections");
        for (number, count) in (1..).zip(counts) {
            let _ = write!(line, ", {count} to server {number}");
        }
        let _ = write!(line, ", {failed} failed");
        let total: u32 = expected.iter().map(|&number| WEIGHTS[usize::from(number) - 1]).sum();
        let fair = (1..).zip(counts).all(|(number, count)| {
            let weight =
                if expected.contains(&number) { WEIGHTS[usize::from(number) - 1] } else { 0 };
            count == 60 * weight / total
        });
        self.check(&line, failed == 0 && fair);
    }

    fn list(&self) {
        say("          $ ipvsadm -Ln");
        let output = Command::new(&self.weir).args(["ipvsadm", "-Ln"]).output();
        let output = output.expect("weir can be started");
        let text = [output.stdout, output.stderr].concat();
        for line in String::from_utf8_lossy(&text).lines() {
            say(&format!("          {line}"));
        }
    }

    fn summary(self) -> usize {
        let _ = fs::remove_file(&self.config);
        let failed: Vec<_> = self.checks.iter().filter(|(_, holds)| !holds).collect();
        say(&format!(
            "\n{} of {} checks held, in {:.0} s on {VIP}.",
            self.checks.len() - failed.len(),
            self.checks.len(),
            self.start.elapsed().as_secs_f64()
        ));
        for (text, _) in &failed {
            say(&format!("failed: {text}"));
        }
        failed.len()
    }
}

/// `weir run`, whose lines are shown as they come.
struct Engine {
    child: Child,
}

impl Engine {
    /// Starts it and waits until it says that it is ready.
    fn start(weir: &Path, config: &Path) -> Self {
        let mut command = Command::new(weir);
        command.arg("run").arg("--config").arg(config);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("weir can be started");
        let lines = BufReader::new(child.stderr.take().expect("it is a pipe"));
        let (ready, is_ready) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                say(&format!("   weir | {line}"));
                if line.contains("ready") {
                    let _ = ready.send(());
                }
            }
        });
        if is_ready.recv_timeout(PATIENCE).is_err() {
            say("          FAILED: weir did not become ready");
        }
        Self { child }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

fn configuration() -> String {
    let mut text = format!(
        "[check]\ntype = \"http\"\ninterval = \"1s\"\nfast = \"200ms\"\ntimeout = \"500ms\"\n\n\
         [[service]]\nname = \"web\"\naddress = \"{VIP}\"\nscheduler = \"wrr\"\n"
    );
    for (number, weight) in (1..).zip(WEIGHTS) {
        let address = Lab::server_address(number);
        let _ = write!(text, "\n[[service.server]]\naddress = \"{address}\"\nweight = {weight}\n");
    }
    text
}

/// The weights that the kernel shows; none = no such real server.
fn weights() -> [Option<u32>; 3] {
    let table = fs::read_to_string("/proc/thread-self/net/ip_vs").unwrap_or_default();
    [1, 2, 3].map(|number| {
        let address = format!("-> 0A09{number:02X}02:0050 ");
        let line = table.lines().find(|line| line.contains(&address))?;
        line.split_whitespace().nth(3)?.parse().ok()
    })
}

fn wait_for(patience: Duration, mut happened: impl FnMut() -> bool) -> bool {
    let start = now();
    while start.elapsed() < patience {
        if happened() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    happened()
}

#[expect(clippy::disallowed_methods, reason = "a demonstration is a shell: it owns its clock")]
fn now() -> Instant {
    Instant::now()
}

/// Lines of two threads do not mix.
fn say(text: &str) {
    static OUTPUT: Mutex<()> = Mutex::new(());
    let _guard = OUTPUT.lock();
    let _ = writeln!(io::stdout(), "{text}");
}
