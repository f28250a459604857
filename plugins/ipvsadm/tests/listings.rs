//! Listings: what the recorded cases do not show.

use ipvsadm::host::{
    Connection, Endpoint, Error, Protocol, Refusal, ServiceKey, TunnelType, to_host,
};

use crate::{
    kernel::{Process, stats},
    shell::Machine,
};

/// A machine on which `lines` were carried out.
fn machine(lines: &str) -> Machine {
    let mut machine = Machine::default();
    let output = machine.ipvsadm(&["ipvsadm", "-R"], Vec::new(), lines.into());
    assert_eq!((output, machine.stderr.len()), (Vec::new(), 0));
    machine
}

fn list(machine: &mut Machine, words: &str) -> String {
    let words: Vec<&str> = std::iter::once("ipvsadm").chain(words.split(' ')).collect();
    String::from_utf8(machine.ipvsadm(&words, Vec::new(), Vec::new())).unwrap()
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
    let mut machine = machine(&lines);
    let expected: String = (1..=2000)
        .map(|mark| {
            let servers =
                (1..=(mark % 7)).map(|it| format!("-a -f {mark} -r 10.0.{it}.1:0 -g -w {mark}\n"));
            format!("-A -f {mark} -s wlc\n{}", servers.collect::<String>())
        })
        .collect();
    assert_eq!(list(&mut machine, "-Sn"), expected);
    let mut process = Process::new(&mut machine.kernel, Vec::new());
    let arguments = ["ipvsadm", "-L"].map(|word| word.as_bytes().to_vec()).to_vec();
    let terminals = ipvsadm::host::Terminals::empty();
    ipvsadm::run(
        &mut process,
        &ipvsadm::host::Invocation { arguments, environment: Vec::new(), terminals },
    );
    let sizes: Vec<usize> = process.writes.iter().map(|(_, size)| *size).collect();
    assert!(sizes.len() > 2 && sizes.iter().all(|&size| size <= 65536), "{sizes:?}");
    assert_eq!(process.lookups, [6], "names are looked up once, many at a time");
}

#[test]
fn counters_and_rates() {
    let mut machine = machine("-A -u 10.0.0.1:53\n-a -u 10.0.0.1:53 -r 10.0.0.2\n");
    let values = [5, 100_000_000, 1 << 33, 999_999_999_999, u64::MAX];
    machine.kernel.stats = stats(values, values);
    assert_eq!(
        tail(&list(&mut machine, "-Ln --stats"), 2),
        "UDP  10.0.0.1:53                         5  100000K    8589M     999G18446744T\n  -> 10.0.0.2:53                         5  100000K    8589M     999G18446744T\n"
    );
    assert_eq!(
        tail(&list(&mut machine, "-Ln --rate --exact"), 2),
        "UDP  10.0.0.1:53                         5 100000000 8589934592 999999999999 18446744073709551615\n  -> 10.0.0.2:53                         5 100000000 8589934592 999999999999 18446744073709551615\n"
    );
    assert_eq!(
        tail(&list(&mut machine, "-Ln --rate"), 1),
        "  -> 10.0.0.2:53                         5 100000000 8589934592     999G18446744T\n"
    );
}

#[test]
fn numbers_without_a_name() {
    let mut machine =
        machine("-A -t 10.0.0.1:80 -s sh -b flag-3\n-a -t 10.0.0.1:80 -r 10.0.0.2 -i\n");
    let entry = &mut machine.kernel.services[0];
    let ServiceKey::Vip(vip) = &mut entry.config.key else { panic!("a service by address") };
    vip.protocol = Protocol::Other(50);
    entry.servers[0].tunnel.kind = TunnelType::Other(9);
    assert_eq!(
        tail(&list(&mut machine, "-L --tun-info"), 2),
        "?    vip.test:80 sh ()\n  -> rs1.test:80                  Tunnel  n/a           1      0          0         \n"
    );
    assert_eq!(
        tail(&list(&mut machine, "-S"), 2).lines().next(),
        Some("-A --xxx-service vip.test:80 -s sh -b ")
    );
    machine.kernel.services[0].servers[0].forwarding = ipvsadm::host::Forwarding::Bypass;
    assert_eq!(
        tail(&list(&mut machine, "-Ln"), 1),
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
    let mut machine = Machine::default();
    machine.kernel.connections = Ok(vec![
        connection("TCP", ("10.0.0.1", 40001), "ESTABLISHED", 899, None),
        connection("UDP", ("10.0.0.1", 0), "NONE", 6005, Some(("sip", b"a@\xff"))),
        connection("IP", ("10.0.0.9", 0), "ASSURED", 59, None),
    ]);
    let plain = "IPVS connection entries\n\
        pro expire state       source             virtual            destination\n\
        TCP 14:59  ESTABLISHED 10.0.0.1:40001     10.0.0.1:5060      [2001:db8::2]:5060\n\
        UDP 100:05 NONE        10.0.0.1:0         10.0.0.1:5060      [2001:db8::2]:5060\n\
        IP  00:59  ASSURED     10.0.0.9:0         10.0.0.1:5060      [2001:db8::2]:5060\n";
    assert_eq!(list(&mut machine, "-Lcn"), plain);
    assert_eq!(
        tail(&list(&mut machine, "-Lc"), 2),
        "UDP 100:05 NONE        vip.test:0         vip.test:sip       [rs6.test]:sip\n\
        IP  00:59  ASSURED     10.0.0.9:0         vip.test:5060      [rs6.test]:5060\n"
    );
    let output = machine.ipvsadm(&["ipvsadm", "-Lcn", "--persistent-conn"], Vec::new(), Vec::new());
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
        let mut machine = Machine::default();
        machine.kernel.connections = Err(error);
        assert_eq!(machine.run("ipvsadm -Lc"), 1);
        assert_eq!(
            (machine.stdout.as_slice(), machine.stderr.as_slice()),
            (&b""[..], message.as_bytes())
        );
    }
}
