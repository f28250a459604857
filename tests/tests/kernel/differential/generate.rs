//! Invents command lines that suit the table as it is, and then spoils some of them.

use std::net::IpAddr;

use weir_tests::{
    random::Random,
    table::{Key, Server, Service, State},
};

use super::{
    line::{Line, Word},
    words::*,
};

const TCP: u16 = 6;
const UDP: u16 = 17;
const SCTP: u16 = 132;

/// A few of these are enough for every kind of table.
const SERVICES_MAX: usize = 12;
const SERVERS_MAX: usize = 8;

/// A line that does something, for a table like `state`.
pub(crate) fn change(state: &State, random: &mut Random) -> Line {
    let Some(service) = any_service(state, random) else { return add_service(random) };
    let crowded = state.services.len() >= SERVICES_MAX;
    match random.below(100) {
        0..18 if !crowded => add_service(random),
        0..50 if service.servers.len() < SERVERS_MAX => add_server(service, random),
        50..64 => Line::new(EDIT_SERVICE, service_words(&service.key, true, random)),
        64..84 => with_server(EDIT_SERVER, service, random),
        84..89 => with_server(DELETE_SERVER, service, random),
        89..92 => Line::new(DELETE_SERVICE, name_words(&service.key, random)),
        92..95 => set(random),
        95..97 => daemon(state, random),
        97 => Line::new(CLEAR, Vec::new()),
        _ => with_server(EDIT_SERVER, service, random),
    }
}

/// A line that only looks, or zeroes counters.
pub(crate) fn look(state: &State, random: &mut Random) -> Line {
    let service = any_service(state, random).filter(|_| random.percent(30));
    let named =
        |random: &mut Random| service.map_or_else(Vec::new, |it| name_words(&it.key, random));
    match random.below(10) {
        0 => Line::new(ZERO, named(random)),
        1 | 2 => Line::new(SAVE, numeric(random)),
        3 => {
            let what = random.pick(&["connection", "timeout", "daemon"]);
            let mut words = vec![Word::flag(what)];
            words.extend(numeric(random));
            Line::new(LIST, words)
        }
        _ => {
            let mut words = named(random);
            words.extend(numeric(random));
            const LAYOUTS: [&str; 7] =
                ["stats", "rate", "thresholds", "persistent-conn", "tun-info", "exact", "nosort"];
            for layout in LAYOUTS {
                if random.percent(18) {
                    words.push(Word::flag(layout));
                }
            }
            Line::new(LIST, words)
        }
    }
}

/// A line of that command, right but for the option, which it has in any case.
pub(crate) fn pair(
    command: usize,
    option: &'static OptionWord,
    state: &State,
    random: &mut Random,
) -> Line {
    let mut line = of_command(command, state, random);
    if !line.has(option.kind.expect("only such options are paired")) {
        let at = random.below(line.words.len() + 1);
        line.words.insert(at, Word::good(option, random));
    }
    line
}

fn of_command(command: usize, state: &State, random: &mut Random) -> Line {
    let service = any_service(state, random);
    let key = service.map_or_else(|| any_key(random), |it| it.key.clone());
    match (command, service) {
        (ADD_SERVICE, _) => add_service(random),
        (EDIT_SERVICE, _) => Line::new(command, service_words(&key, true, random)),
        (DELETE_SERVICE, _) => Line::new(command, name_words(&key, random)),
        (ADD_SERVER, Some(service)) => add_server(service, random),
        (EDIT_SERVER | DELETE_SERVER, Some(service)) => with_server(command, service, random),
        (ADD_SERVER | EDIT_SERVER | DELETE_SERVER, None) => {
            let mut words = name_words(&key, random);
            words.push(Word::good(named("real-server"), random));
            Line::new(command, words)
        }
        (SET, _) => set(random),
        (START_DAEMON | STOP_DAEMON, _) => {
            Line { state: daemon_state(random), ..Line::new(command, Vec::new()) }
        }
        _ => Line::new(command, Vec::new()),
    }
}

/// Makes a line wrong, or at least unusual.
pub(crate) fn spoil(line: &mut Line, random: &mut Random) {
    match random.below(12) {
        0 if !line.words.is_empty() => {
            let at = random.below(line.words.len());
            line.words.remove(at);
        }
        1 if !line.words.is_empty() => {
            let word = random.pick(&line.words).clone();
            line.words.push(word);
        }
        2 | 3 => line.words.push(Word::good(random.pick(&OPTIONS), random)),
        4 => line.words.push(Word::odd(random.pick(&OPTIONS), random)),
        5 => random.shuffle(&mut line.words),
        6 => line
            .plain
            .push(random.pick(&["foo", "", "-", "10.0.0.1", "1", "--"]).as_bytes().to_vec()),
        _ => {
            let valued: Vec<_> =
                line.words.iter_mut().filter(|it| it.option.value != Value::None).collect();
            let count = valued.len();
            if let Some(word) = valued.into_iter().nth(random.below(count.max(1))) {
                word.value = Some(odd(word.option.value, random));
            } else if line.command == SET {
                line.plain = vec![odd(Value::Seconds, random), b"2".to_vec(), b"3".to_vec()];
            }
        }
    }
}

/// Spoils the tokens themselves: unknown options, clusters, a second command.
pub(crate) fn spoil_tokens(tokens: &mut Vec<Vec<u8>>, random: &mut Random) {
    const STRAY: [&[u8]; 22] = [
        b"-q",
        b"--foo",
        b"--list",
        b"-D",
        b"-h",
        b"--help",
        b"-v",
        b"--stats=1",
        b"-n=3",
        b"--stat",
        b"-Lnq",
        b"-gm",
        b"--",
        b"-",
        b"",
        b"-6",
        b"--sort",
        b"--numeric=",
        b"-I",
        b"--persistent=",
        b"--tcp-service",
        b"\xc3\xa4",
    ];
    match random.below(8) {
        0 => drop(tokens.pop()),
        1 if tokens.len() > 1 => {
            let (a, b) = (random.below(tokens.len()), random.below(tokens.len()));
            tokens.swap(a, b);
        }
        2 => tokens.insert(0, random.pick(&STRAY).to_vec()),
        3 if !tokens.is_empty() => {
            let at = random.below(tokens.len());
            tokens[at].push(*random.pick(b"xnL=0 -"));
        }
        _ => {
            let at = random.below(tokens.len() + 1);
            tokens.insert(at, random.pick(&STRAY).to_vec());
        }
    }
}

fn any_service<'a>(state: &'a State, random: &mut Random) -> Option<&'a Service> {
    (!state.services.is_empty()).then(|| random.pick(&state.services))
}

fn any_key(random: &mut Random) -> Key {
    if random.percent(15) {
        let mark = *random.pick(&[1, 2, 3, 9, 80, 0x7fff_ffff, 0x8000_0000, u32::MAX]);
        return Key::Fwmark { mark, ipv6: random.percent(40) };
    }
    let protocol = *random.pick(&[TCP, TCP, TCP, UDP, UDP, SCTP]);
    let port = if random.percent(8) { 0 } else { *random.pick(&PORTS) };
    Key::Address { protocol, addr: any_addr(random.percent(30), random), port }
}

fn any_addr(ipv6: bool, random: &mut Random) -> IpAddr {
    let text = if ipv6 { random.pick(&ADDRS_V6) } else { random.pick(&ADDRS_V4) };
    text.parse().expect("the table holds addresses")
}

fn add_service(random: &mut Random) -> Line {
    let key = any_key(random);
    Line::new(ADD_SERVICE, service_words(&key, true, random))
}

/// What names a service, and if asked for, what it is to be.
fn service_words(key: &Key, described: bool, random: &mut Random) -> Vec<Word> {
    let mut words = name_words(key, random);
    if !described {
        return words;
    }
    let (udp, ipv6) = match key {
        Key::Address { protocol, addr, .. } => (*protocol == UDP, addr.is_ipv6()),
        Key::Fwmark { ipv6, .. } => (true, *ipv6),
    };
    let scheduler = random.percent(75).then(|| *random.pick(&SCHEDULERS));
    if let Some(name) = scheduler {
        words.push(Word::with("scheduler", name));
    }
    if random.percent(20) {
        words.push(Word::with("sched-flags", scheduler_flags(scheduler, random)));
    }
    if random.percent(35) || matches!(key, Key::Address { port: 0, .. }) {
        words.push(match random.percent(25) {
            true => Word::flag("persistent"),
            false => Word::good(named("persistent"), random),
        });
        if random.percent(30) {
            let mask = if ipv6 { *random.pick(&["64", "128", "1"]) } else { "255.255.255.0" };
            words.push(Word::with("netmask", mask));
        }
    }
    if udp && random.percent(15) {
        words.push(Word::flag("ops"));
    }
    if udp && random.percent(12) {
        words.push(Word::with("pe", "sip"));
    }
    words
}

fn scheduler_flags(scheduler: Option<&str>, random: &mut Random) -> &'static str {
    match scheduler {
        Some("sh") => random.word(&["sh-port", "sh-fallback", "sh-port,sh-fallback", "flag-3"]),
        Some("mh") => {
            random.word(&["mh-port", "mh-fallback", "mh-fallback,mh-port", "flag-1,flag-3"])
        }
        _ => random.word(&["flag-1", "flag-2", "flag-3", "flag-3,flag-1", ""]),
    }
}

fn name_words(key: &Key, random: &mut Random) -> Vec<Word> {
    match key {
        Key::Fwmark { mark, ipv6 } => {
            let mut words = vec![Word::with("fwmark-service", mark.to_string())];
            words.extend(ipv6.then(|| Word::flag("ipv6")));
            words
        }
        Key::Address { protocol, addr, port } => {
            let long = match *protocol {
                TCP => "tcp-service",
                UDP => "udp-service",
                _ => "sctp-service",
            };
            vec![Word::with(long, endpoint(*addr, *port, *protocol, random))]
        }
    }
}

/// The address and port as one may write them, by name now and then.
fn endpoint(addr: IpAddr, port: u16, protocol: u16, random: &mut Random) -> String {
    let host = match addr.to_string().as_str() {
        "10.0.0.1" if random.percent(15) => "vip.test".to_owned(),
        "10.0.0.2" if random.percent(15) => "rs1.test".to_owned(),
        "10.0.0.3" if random.percent(15) => "rs2-alias".to_owned(),
        other => other.to_owned(),
    };
    let port = match (port, protocol) {
        (80, TCP) if random.percent(20) => "http".to_owned(),
        (53, UDP) if random.percent(20) => "domain".to_owned(),
        (0, _) if random.percent(50) => return host,
        _ => port.to_string(),
    };
    if addr.is_ipv6() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn add_server(service: &Service, random: &mut Random) -> Line {
    let ipv6 = match &service.key {
        Key::Address { addr, .. } => addr.is_ipv6(),
        Key::Fwmark { ipv6, .. } => *ipv6,
    };
    let other_family = random.percent(6);
    let addr = any_addr(ipv6 != other_family, random);
    let port = match &service.key {
        Key::Address { port, .. } if random.percent(60) => *port,
        _ => *random.pick(&PORTS),
    };
    let mut words = name_words(&service.key, random);
    words.extend(server_words(service, addr, port, random));
    if random.percent(8) {
        random.shuffle(&mut words);
    }
    Line::new(ADD_SERVER, words)
}

fn with_server(command: usize, service: &Service, random: &mut Random) -> Line {
    if service.servers.is_empty() {
        return add_server(service, random);
    }
    let Server { addr, port, .. } = random.pick(&service.servers);
    let mut words = name_words(&service.key, random);
    if command == DELETE_SERVER {
        words.push(Word::with("real-server", endpoint(*addr, *port, protocol(service), random)));
    } else {
        words.extend(server_words(service, *addr, *port, random));
    }
    Line::new(command, words)
}

fn server_words(service: &Service, addr: IpAddr, port: u16, random: &mut Random) -> Vec<Word> {
    let (service_ipv6, service_port) = match &service.key {
        Key::Address { addr, port, .. } => (addr.is_ipv6(), Some(*port)),
        Key::Fwmark { ipv6, .. } => (*ipv6, None),
    };
    let mut words =
        vec![Word::with("real-server", endpoint(addr, port, protocol(service), random))];
    let method = if addr.is_ipv6() != service_ipv6 {
        "ipip"
    } else if service_port.is_some_and(|it| it != port) {
        "masquerading"
    } else {
        random.pick(&["masquerading", "gatewaying", "ipip", ""])
    };
    if !method.is_empty() {
        words.push(Word::flag(method));
    }
    if method == "ipip" {
        words.extend(tunnel_words(random));
    }
    if random.percent(60) {
        words.push(Word::good(named("weight"), random));
    }
    if random.percent(25) {
        let upper = random.below(1000) + 2;
        words.push(Word::with("u-threshold", upper.to_string()));
        if random.percent(50) {
            words.push(Word::with("l-threshold", random.below(upper).to_string()));
        }
    }
    words
}

fn tunnel_words(random: &mut Random) -> Vec<Word> {
    let checksum = |random: &mut Random, choices: &[&str]| {
        random.percent(70).then(|| Word::flag(random.word(choices)))
    };
    match random.below(4) {
        0 => vec![Word::with("tun-type", "ipip")],
        1 => {
            let mut words = vec![Word::with("tun-type", "gre")];
            words.extend(checksum(random, &["tun-csum", "tun-nocsum"]));
            words
        }
        2 => {
            let port = Word::good(named("tun-port"), random);
            let mut words = vec![Word::with("tun-type", "gue"), port];
            words.extend(checksum(random, &["tun-csum", "tun-nocsum", "tun-remcsum"]));
            words
        }
        _ => Vec::new(),
    }
}

fn set(random: &mut Random) -> Line {
    let seconds =
        |random: &mut Random| random.pick(&["0", "1", "20", "900", "2678400"]).as_bytes().to_vec();
    let plain = (0..3).map(|_| seconds(random)).collect();
    Line { plain, ..Line::new(SET, Vec::new()) }
}

fn daemon(state: &State, random: &mut Random) -> Line {
    let command =
        if state.daemons.is_empty() || random.percent(20) { START_DAEMON } else { STOP_DAEMON };
    let mut words = Vec::new();
    const SETTINGS: [&str; 6] =
        ["mcast-interface", "syncid", "mcast-group", "mcast-port", "mcast-ttl", "sync-maxlen"];
    for setting in SETTINGS {
        if command == START_DAEMON && random.percent(30) {
            words.push(Word::good(named(setting), random));
        }
    }
    Line { state: daemon_state(random), ..Line::new(command, words) }
}

fn daemon_state(random: &mut Random) -> &'static str {
    random.word(&["master", "backup"])
}

fn numeric(random: &mut Random) -> Vec<Word> {
    random.percent(75).then(|| Word::flag("numeric")).into_iter().collect()
}

fn protocol(service: &Service) -> u16 {
    match &service.key {
        Key::Address { protocol, .. } => *protocol,
        Key::Fwmark { .. } => TCP,
    }
}
