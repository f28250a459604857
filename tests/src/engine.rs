//! `weir run` in the lab: its configuration, its lines, and what the kernel then shows.

use std::{
    fmt::{Display, Write as _},
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::lab::{Lab, VIP};

/// Weights of the three real servers.
pub const WEIGHTS: [u32; 3] = [3, 2, 1];

/// When a server that crashed must be drained: `interval * 1.1 + 2 * fast` of
/// [`configuration`], and a tenth of a second for the write.
pub const BOUND: Duration = Duration::from_millis(1600);

/// How long to wait for what has no bound of its own.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How real servers are checked: once a second.
pub const CHECK: &str =
    "[check]\ntype = \"http\"\ninterval = \"1s\"\nfast = \"200ms\"\ntimeout = \"500ms\"\n";

/// The lab's service with its three real servers, which are checked.
pub fn configuration() -> String {
    let servers = [1, 2, 3].map(Lab::server_address);
    format!("{CHECK}\n{}", service(&VIP, &servers))
}

/// A service at `address` in front of three real servers.
pub fn service(address: &impl Display, servers: &[SocketAddr; 3]) -> String {
    let mut text =
        format!("[[service]]\nname = \"web\"\naddress = \"{address}\"\nscheduler = \"wrr\"\n");
    for (server, weight) in servers.iter().zip(WEIGHTS) {
        let _ = write!(text, "\n[[service.server]]\naddress = \"{server}\"\nweight = {weight}\n");
    }
    text
}

/// The weights of the three that the kernel shows; none = no such real server.
pub fn weights() -> [Option<u32>; 3] {
    let table = listing();
    [1, 2, 3].map(|number| {
        let address = format!("-> 0A09{number:02X}02:0050 ");
        let line = table.lines().find(|line| line.contains(&address))?;
        line.split_whitespace().nth(3)?.parse().ok()
    })
}

/// The kernel's listing of this thread's network, `/proc/net/ip_vs`; nothing without `ip_vs`.
///
/// It is read a page at a time, as the kernel makes it. Between two reads the kernel finds its
/// place by a count of services: it counts those of all networks while it goes on, and only
/// this network's when it comes back (`ip_vs_info_seq_next` and `ip_vs_info_array` in
/// `net/netfilter/ipvs/ip_vs_ctl.c`). Who reads in small pieces, as `fs::read` does at first,
/// misses services while other networks have some.
pub fn listing() -> String {
    let Ok(mut file) = File::open("/proc/thread-self/net/ip_vs") else { return String::new() };
    let mut listing = Vec::new();
    let mut page = [0; 16 * 1024];
    loop {
        match file.read(&mut page).expect("the kernel lists its table") {
            0 => return String::from_utf8(listing).expect("it is ASCII"),
            length => listing.extend_from_slice(&page[..length]),
        }
    }
}

/// Looks again and again until it happened, or `patience` is over.
pub fn wait_for(patience: Duration, mut happened: impl FnMut() -> bool) -> bool {
    let start = now();
    while start.elapsed() < patience {
        if happened() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    happened()
}

/// `weir run`, killed when dropped.
pub struct Engine {
    child: Child,
    lines: Arc<Lines>,
}

#[derive(Default)]
struct Lines {
    seen: Mutex<Vec<String>>,
    more: Condvar,
}

impl Engine {
    /// Starts it in this thread's network, with a socket beside `config`; `show` gets its
    /// lines as they come.
    pub fn start(weir: &Path, config: &Path, show: impl Fn(&str) + Send + 'static) -> Self {
        Self::start_at(weir, config, &config.with_file_name("weir.sock"), show)
    }

    /// The same with its socket at `socket`.
    pub fn start_at(
        weir: &Path,
        config: &Path,
        socket: &Path,
        show: impl Fn(&str) + Send + 'static,
    ) -> Self {
        let mut command = Command::new(weir);
        command.arg("run").arg("--config").arg(config).arg("--socket").arg(socket);
        Self::spawn(command, show)
    }

    /// Starts it by a command of one's own.
    pub fn spawn(mut command: Command, show: impl Fn(&str) + Send + 'static) -> Self {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("weir can be started");
        let stderr = BufReader::new(child.stderr.take().expect("it is a pipe"));
        let lines = Arc::<Lines>::default();
        let keep = Arc::clone(&lines);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                show(&line);
                keep.seen.lock().expect("nobody panics here").push(line);
                keep.more.notify_all();
            }
        });
        Self { child, lines }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until one of its lines, past ones included, is the one that is `wanted`.
    pub fn wait_for_line(&self, patience: Duration, wanted: impl Fn(&str) -> bool) -> bool {
        let seen = self.lines.seen.lock().expect("nobody panics here");
        let absent = |seen: &mut Vec<String>| !seen.iter().any(|line| wanted(line));
        let waited = self.lines.more.wait_timeout_while(seen, patience, absent);
        !waited.expect("nobody panics here").1.timed_out()
    }

    /// Everything it said so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.seen.lock().expect("nobody panics here").clone()
    }

    /// Asks it to stop, and says whether it did so within `patience` and with success.
    pub fn stop(&mut self, patience: Duration) -> bool {
        let process = self.child.id().cast_signed();
        // SAFETY: kill(2) takes two numbers; the child is not reaped yet, so it is the one.
        unsafe { libc::kill(process, libc::SIGTERM) };
        let mut status = None;
        wait_for(patience, || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        status.is_some_and(|it| it.success())
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(clippy::disallowed_methods, reason = "what is tested is real time")]
fn now() -> Instant {
    Instant::now()
}
