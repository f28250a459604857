//! Listings: what the recorded cases do not show.

use ipvsadm::host::{
    Connection, Endpoint, Error, Invocation, Protocol, Refusal, ServiceKey, Terminals, TunnelType,
    to_host,
};

use crate::kernel::{Kernel, Process, stats};

/// A kernel with which `lines` were carried out.
fn kernel(lines: &str) -> Kernel {
    let mut kernel = Kernel::default();
    assert_eq!(ipvsadm(&mut kernel, "-R", lines), (0, Vec::new(), Vec::new()));
    kernel
}

/// Runs ipvsadm: status, and what it wrote.
fn ipvsadm(kernel: &mut Kernel, words: &str, input: &str) -> (u8, Vec<u8>, Vec<u8>) {
    let arguments = std::iter::once("ipvsadm").chain(words.split(' '));
    let mut process = Process::new(kernel, input.into());
    let status = ipvsadm::run(
        &mut process,
        &Invocation {
            arguments: arguments.map(|word| word.as_bytes().to_vec()).collect(),
            environment: Vec::new(),
            terminals: Terminals::empty(),
        },
    );
    (status, process.stdout, process.stderr)
}

fn list(kernel: &mut Kernel, words: &str) -> String {
    String::from_utf8(ipvsadm(kernel, words, "").1).unwrap()
}

/// The last `count` lines.
fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines[lines.len() - count..].concat()
}

#[test]
fn large_tables_come_in_order_and_in_large_pieces() {
    let mut lines = String::new();
    for mark in (1..=2000).rev() {
        lines += &format!("-A -f {mark}\n");
        for server in 1..=(mark % 7) {
            lines += &format!("-a -f {mark} -r 10.0.{server}.1 -w {mark}\n");
        }
    }
    let mut kernel = kernel(&lines);
    let expected: String = (1..=2000)
        .map(|mark| {
            let servers =
                (1..=(mark % 7)).map(|it| format!("-a -f {mark} -r 10.0.{it}.1:0 -g -w {mark}\n"));
            format!("-A -f {mark} -s wlc\n{}", servers.collect::<String>())
        })
        .collect();
    assert_eq!(list(&mut kernel, "-Sn"), expected);
    let mut process = Process::new(&mut kernel, Vec::new());
    let arguments = ["ipvsadm", "-L"].map(|word| word.as_bytes().to_vec()).to_vec();
    let terminals = Terminals::empty();
    ipvsadm::run(&mut process, &Invocation { arguments, environment: Vec::new(), terminals });
    let sizes: Vec<usize> = process.writes.iter().map(|(_, size)| *size).collect();
    assert!(sizes.len() > 2 && sizes.iter().all(|&size| size <= 65536), "{sizes:?}");
    assert_eq!(process.lookups, [6], "names are looked up once, many at a time");
}

#[test]
fn counters_and_rates() {
    let mut kernel = kernel("-A -u 10.0.0.1:53\n-a -u 10.0.0.1:53 -r 10.0.0.2\n");
    let values = [5, 100_000_000, 1 << 33, 999_999_999_999, u64::MAX];
    kernel.stats = stats(values, values);
    assert_eq!(
        tail(&list(&mut kernel, "-Ln --stats"), 2),
        "UDP  10.0.0.1:53                         5  100000K    8589M     999G18446744T\n  -> 10.0.0.2:53                         5  100000K    8589M     999G18446744T\n"
    );
    assert_eq!(
        tail(&list(&mut kernel, "-Ln --rate --exact"), 2),
        "UDP  10.0.0.1:53                         5 100000000 8589934592 999999999999 18446744073709551615\n  -> 10.0.0.2:53                         5 100000000 8589934592 999999999999 18446744073709551615\n"
    );
    assert_eq!(
        tail(&list(&mut kernel, "-Ln --rate"), 1),
        "  -> 10.0.0.2:53                         5 100000000 8589934592     999G18446744T\n"
    );
}

#[test]
fn numbers_without_a_name() {
    let mut kernel =
        kernel("-A -t 10.0.0.1:80 -s sh -b flag-3\n-a -t 10.0.0.1:80 -r 10.0.0.2 -i\n");
    let entry = &mut kernel.services[0];
    let ServiceKey::Vip(vip) = &mut entry.config.key else { panic!("a service by address") };
    vip.protocol = Protocol::Other(50);
    entry.servers[0].tunnel.kind = TunnelType::Other(9);
    assert_eq!(
        tail(&list(&mut kernel, "-L --tun-info"), 2),
        "?    vip.test:80 sh ()\n  -> rs1.test:80                  Tunnel  n/a           1      0          0         \n"
    );
    assert_eq!(
        tail(&list(&mut kernel, "-S"), 2).lines().next(),
        Some("-A --xxx-service vip.test:80 -s sh -b ")
    );
    kernel.services[0].servers[0].forwarding = ipvsadm::host::Forwarding::Bypass;
    assert_eq!(
        tail(&list(&mut kernel, "-Ln"), 1),
        "  -> 10.0.0.2:80                  (null)  1      0          0         \n"
    );
}

fn connection(
    protocol: &str,
    client: (&str, u16),
    state: &str,
    seconds: u32,
    engine: Option<(&str, &[u8])>,
) -> Connection {
    let endpoint = |(address, port): (&str, u16)| Endpoint {
        address: to_host(address.parse().unwrap()),
        port,
    };
    Connection {
        protocol: protocol.into(),
        client: endpoint(client),
        virtual_address: endpoint(("10.0.0.1", 5060)),
        server: endpoint(("2001:db8::2", 5060)),
        state: state.into(),
        expires_in: seconds,
        engine: engine.map(|(name, data)| (name.into(), data.to_vec())),
    }
}

#[test]
fn connections_are_shown_as_the_kernel_tells_them() {
    let connections = Ok(vec![
        connection("TCP", ("10.0.0.1", 40001), "ESTABLISHED", 899, None),
        connection("UDP", ("10.0.0.1", 0), "NONE", 6005, Some(("sip", b"a@\xff"))),
        connection("IP", ("10.0.0.9", 0), "ASSURED", 59, None),
    ]);
    let mut kernel = Kernel { connections, ..Kernel::default() };
    let plain = "IPVS connection entries\n\
        pro expire state       source             virtual            destination\n\
        TCP 14:59  ESTABLISHED 10.0.0.1:40001     10.0.0.1:5060      [2001:db8::2]:5060\n\
        UDP 100:05 NONE        10.0.0.1:0         10.0.0.1:5060      [2001:db8::2]:5060\n\
        IP  00:59  ASSURED     10.0.0.9:0         10.0.0.1:5060      [2001:db8::2]:5060\n";
    assert_eq!(list(&mut kernel, "-Lcn"), plain);
    assert_eq!(
        tail(&list(&mut kernel, "-Lc"), 2),
        "UDP 100:05 NONE        vip.test:0         vip.test:sip       [rs6.test]:sip\n\
        IP  00:59  ASSURED     10.0.0.9:0         vip.test:5060      [rs6.test]:5060\n"
    );
    let (_, output, _) = ipvsadm(&mut kernel, "-Lcn --persistent-conn", "");
    let line = output.split(|&byte| byte == b'\n').nth(3).unwrap();
    assert_eq!(line, b"UDP 100:05 NONE        10.0.0.1:0         10.0.0.1:5060      [2001:db8::2]:5060 sip                a@\xff");
}

#[test]
fn a_connection_table_that_is_not_there() {
    let missing = Error::Refused(Refusal { errno: 2, text: "No such file or directory".into() });
    for (error, message) in [
        (missing, "cannot open file /proc/net/ip_vs_conn\n"),
        (Error::Other("no heading".into()), "unexpected input from /proc/net/ip_vs_conn\n"),
    ] {
        let mut kernel = Kernel { connections: Err(error), ..Kernel::default() };
        let expected = (1, Vec::new(), message.as_bytes().to_vec());
        assert_eq!(ipvsadm(&mut kernel, "-Lc", ""), expected);
    }
}
