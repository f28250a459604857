//! Traffic through a proxy: weir's embedded backend against HAProxy in TCP mode.
//!
//! Each has one thread that forwards, both on the same processor; clients and real servers
//! have another. Both run all the time, and are used in turns.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    bed::{Bed, Size, scratch},
    daemon::Daemon,
    load::{self, Afterwards},
    namespace, processor,
    row::{Goal, Row},
    sample,
};

/// Clients that stay.
const IDLE: usize = 4000;

/// HAProxy's limit, which it wants to be told; four pipes for each ten connections.
const CONNECTIONS_MAX: usize = IDLE + 100;

/// How long a proxy may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// Both of them, in front of the same real servers.
struct Proxies {
    haproxy: Proxy,
    weir: Proxy,
}

struct Proxy {
    address: SocketAddr,
    daemon: Daemon,
}

/// What one of them did in one round.
struct Work {
    seconds: f64,
    cpu_seconds: f64,
}

pub(crate) fn connections(bed: &Bed) -> Result<Vec<Row>> {
    let count = bed.rounds(10_000, 3_000);
    let proxies = Proxies::start(bed, || load::answer(Afterwards::Close))?;
    let rounds = bed.rounds(9, 3);
    let [haproxy, weir] = proxies.in_turns(rounds, |address| load::come_and_go(address, count))?;
    let clients = f64::from(u32::try_from(count)?);
    let rate = |work: &[Work]| median(work, |it| clients / it.seconds);
    let cost = |work: &[Work]| median(work, |it| it.cpu_seconds * 1e6 / clients);
    let note =
        format!("{count} clients a round, 64 at a time, 64 bytes up and 256 down; {THREADS}");
    Ok(vec![
        Row {
            name: "proxy-connections".to_owned(),
            original: Some(rate(&haproxy)),
            weir: rate(&weir),
            goal: Some(Goal::RatioAtLeast(1.0)),
            samples: rounds,
            note: note.clone(),
            ..bed.row("new connections a second, HAProxy", "1/s")
        },
        Row {
            name: "proxy-connections-cpu".to_owned(),
            original: Some(cost(&haproxy)),
            weir: cost(&weir),
            goal: Some(Goal::RatioAtMost(1.0)),
            samples: rounds,
            note,
            ..bed.row("processor time of a new connection, HAProxy", "us")
        },
    ])
}

pub(crate) fn bulk(bed: &Bed) -> Result<Vec<Row>> {
    let bytes = bed.rounds(4 << 30, 1 << 30);
    let proxies = Proxies::start(bed, || load::send_bulk(bytes))?;
    let rounds = bed.rounds(9, 3);
    let [haproxy, weir] = proxies.in_turns(rounds, |address| load::receive_bulk(address, bytes))?;
    let gigabytes = bytes as f64 / 1e9;
    let rate = |work: &[Work]| median(work, |it| gigabytes / it.seconds);
    let cost = |work: &[Work]| median(work, |it| it.cpu_seconds / gigabytes);
    let note = format!("{gigabytes:.1} GB in one connection, both splice; {THREADS}");
    Ok(vec![
        Row {
            name: "proxy-bulk".to_owned(),
            original: Some(rate(&haproxy)),
            weir: rate(&weir),
            goal: Some(Goal::RatioAtLeast(1.0)),
            samples: rounds,
            note: note.clone(),
            ..bed.row("bulk transfer, HAProxy", "GB/s")
        },
        Row {
            name: "proxy-bulk-cpu".to_owned(),
            original: Some(cost(&haproxy)),
            weir: cost(&weir),
            goal: Some(Goal::RatioAtMost(1.0)),
            samples: rounds,
            note,
            ..bed.row("processor time of a gigabyte, HAProxy", "s")
        },
    ])
}

pub(crate) fn idle(bed: &Bed) -> Result<Row> {
    let proxies = Proxies::start(bed, || load::answer(Afterwards::Stay))?;
    let cost = |proxy: &Proxy| -> Result<f64> {
        let before = proxy.daemon.resident_bytes()?;
        let clients = load::stay(proxy.address, IDLE)?;
        let each = (proxy.daemon.resident_bytes()? - before) / IDLE as f64;
        drop(clients);
        Ok(each / 1024.0)
    };
    Ok(Row {
        original: Some(cost(&proxies.haproxy)?),
        weir: cost(&proxies.weir)?,
        goal: Some(Goal::RatioAtMost(1.0)),
        samples: IDLE,
        note: "what the process grew by, over connections that were answered once and stay"
            .to_owned(),
        ..bed.row(format!("memory of an idle connection, of {IDLE}, HAProxy"), "KiB")
    })
}

const THREADS: &str = "one forwarding thread each, on the same processor; clients and real \
                       servers on the other";

impl Proxies {
    /// Starts both in front of two real servers.
    fn start(bed: &Bed, server: impl Fn() -> Result<SocketAddr>) -> Result<Self> {
        namespace::fresh_network()?;
        processor::stay_on(1)?;
        let servers = [server()?, server()?];
        processor::stay_on(0)?;
        let haproxy = start_haproxy(bed, &servers)?;
        let weir = start_weir(bed, &servers)?;
        processor::stay_on(1)?;
        for proxy in [&haproxy, &weir] {
            proxy.wait()?;
        }
        Ok(Self { haproxy, weir })
    }

    /// Has both do the same in turns: what each needed for it, round by round.
    fn in_turns(
        &self,
        rounds: usize,
        what: impl Fn(SocketAddr) -> Result<()>,
    ) -> Result<[Vec<Work>; 2]> {
        let mut work = [Vec::new(), Vec::new()];
        for round in 0..=rounds {
            for (proxy, work) in [&self.haproxy, &self.weir].into_iter().zip(&mut work) {
                let (start, cpu) = (sample::now(), proxy.daemon.cpu()?);
                what(proxy.address)?;
                let seconds = start.elapsed().as_secs_f64();
                let cpu_seconds = (proxy.daemon.cpu()? - cpu).as_secs_f64();
                // The first round warms up.
                if round > 0 {
                    work.push(Work { seconds, cpu_seconds });
                }
            }
        }
        Ok(work)
    }
}

impl Proxy {
    /// Waits until it forwards.
    fn wait(&self) -> Result<()> {
        let start = sample::now();
        while let Err(error) = std::net::TcpStream::connect(self.address) {
            if start.elapsed() > PATIENCE {
                return Err(error).with_context(|| format!("nobody listens at {}", self.address));
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

fn start_haproxy(bed: &Bed, servers: &[SocketAddr]) -> Result<Proxy> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8001));
    let mut text = format!(
        "global\n nbthread 1\n maxconn {CONNECTIONS_MAX}\n maxpipes 100\ndefaults\n mode tcp\n \
         timeout connect 5s\n timeout client 60s\n timeout server 60s\n option splice-response\n\
         listen web\n bind {address}\n balance roundrobin\n"
    );
    for (number, server) in servers.iter().enumerate() {
        text += &format!(" server s{number} {server}\n");
    }
    let mut command = bed.haproxy();
    command.arg("-db").arg("-f").arg(write("haproxy.cfg", &text)?);
    Ok(Proxy { address, daemon: Daemon::start(command)? })
}

fn start_weir(bed: &Bed, servers: &[SocketAddr]) -> Result<Proxy> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8002));
    let mut text = format!(
        "backend = \"embedded\"\n[[service]]\nname = \"web\"\naddress = \"{address}\"\n\
         scheduler = \"rr\"\n"
    );
    for server in servers {
        text += &format!("[[service.server]]\naddress = \"{server}\"\nweight = 1\n");
    }
    let command = bed.run_weir(Size::EMPTY, &write("proxy.toml", &text)?)?;
    Ok(Proxy { address, daemon: Daemon::start(command)? })
}

fn write(name: &str, text: &str) -> Result<PathBuf> {
    let path = scratch().join(name);
    fs::write(&path, text)?;
    Ok(path)
}

fn median(work: &[Work], of: impl Fn(&Work) -> f64) -> f64 {
    sample::median(&work.iter().map(of).collect::<Vec<_>>())
}
