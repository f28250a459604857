//! The words of ipvsadm's command line: commands, options, and values good and odd.

use weir_tests::random::Random;

pub(crate) struct Command {
    pub(crate) short: Option<u8>,
    pub(crate) long: &'static str,
}

pub(crate) const ADD_SERVICE: usize = 0;
pub(crate) const EDIT_SERVICE: usize = 1;
pub(crate) const DELETE_SERVICE: usize = 2;
pub(crate) const CLEAR: usize = 3;
pub(crate) const LIST: usize = 4;
pub(crate) const ADD_SERVER: usize = 5;
pub(crate) const DELETE_SERVER: usize = 6;
pub(crate) const EDIT_SERVER: usize = 7;
pub(crate) const SET: usize = 8;
pub(crate) const START_DAEMON: usize = 9;
pub(crate) const STOP_DAEMON: usize = 10;
pub(crate) const RESTORE: usize = 11;
pub(crate) const SAVE: usize = 12;
pub(crate) const ZERO: usize = 13;

pub(crate) const COMMANDS: [Command; 14] = [
    Command { short: Some(b'A'), long: "add-service" },
    Command { short: Some(b'E'), long: "edit-service" },
    Command { short: Some(b'D'), long: "delete-service" },
    Command { short: Some(b'C'), long: "clear" },
    Command { short: Some(b'L'), long: "list" },
    Command { short: Some(b'a'), long: "add-server" },
    Command { short: Some(b'd'), long: "delete-server" },
    Command { short: Some(b'e'), long: "edit-server" },
    Command { short: None, long: "set" },
    Command { short: None, long: "start-daemon" },
    Command { short: None, long: "stop-daemon" },
    Command { short: Some(b'R'), long: "restore" },
    Command { short: Some(b'S'), long: "save" },
    Command { short: Some(b'Z'), long: "zero" },
];

/// What an option is, whichever of its spellings is used. Exclusive ones are one.
pub(crate) const KINDS: usize = 34;

pub(crate) struct OptionWord {
    /// Its place in the original's order of checks; two options have none.
    pub(crate) kind: Option<usize>,
    pub(crate) short: Option<u8>,
    pub(crate) long: &'static str,
    pub(crate) value: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    None,
    Service,
    Mark,
    Scheduler,
    Seconds,
    Mask,
    Server,
    Number,
    Interface,
    SyncId,
    Engine,
    Flags,
    Group,
    Port,
    Ttl,
    Length,
    TunnelType,
}

const fn option(kind: usize, short: Option<u8>, long: &'static str, value: Value) -> OptionWord {
    OptionWord { kind: Some(kind), short, long, value }
}

pub(crate) const OPTIONS: [OptionWord; 41] = [
    option(0, Some(b'n'), "numeric", Value::None),
    option(1, Some(b'c'), "connection", Value::None),
    option(2, Some(b't'), "tcp-service", Value::Service),
    option(2, Some(b'u'), "udp-service", Value::Service),
    option(2, None, "sctp-service", Value::Service),
    option(2, Some(b'f'), "fwmark-service", Value::Mark),
    option(3, Some(b's'), "scheduler", Value::Scheduler),
    option(4, Some(b'p'), "persistent", Value::Seconds),
    option(5, Some(b'M'), "netmask", Value::Mask),
    option(6, Some(b'r'), "real-server", Value::Server),
    option(7, Some(b'g'), "gatewaying", Value::None),
    option(7, Some(b'i'), "ipip", Value::None),
    option(7, Some(b'm'), "masquerading", Value::None),
    option(8, Some(b'w'), "weight", Value::Number),
    option(9, Some(b'x'), "u-threshold", Value::Number),
    option(10, Some(b'y'), "l-threshold", Value::Number),
    option(11, None, "mcast-interface", Value::Interface),
    option(12, None, "timeout", Value::None),
    option(13, None, "daemon", Value::None),
    option(14, None, "stats", Value::None),
    option(15, None, "rate", Value::None),
    option(16, None, "thresholds", Value::None),
    option(17, None, "persistent-conn", Value::None),
    option(18, None, "nosort", Value::None),
    option(19, None, "syncid", Value::SyncId),
    option(20, Some(b'X'), "exact", Value::None),
    option(21, Some(b'o'), "ops", Value::None),
    option(22, None, "pe", Value::Engine),
    option(23, Some(b'b'), "sched-flags", Value::Flags),
    option(24, None, "mcast-group", Value::Group),
    option(25, None, "mcast-port", Value::Port),
    option(26, None, "mcast-ttl", Value::Ttl),
    option(27, None, "sync-maxlen", Value::Length),
    option(28, None, "tun-info", Value::None),
    option(29, None, "tun-type", Value::TunnelType),
    option(30, None, "tun-port", Value::Port),
    option(31, None, "tun-nocsum", Value::None),
    option(32, None, "tun-csum", Value::None),
    option(33, None, "tun-remcsum", Value::None),
    OptionWord { kind: None, short: None, long: "sort", value: Value::None },
    OptionWord { kind: None, short: Some(b'6'), long: "ipv6", value: Value::None },
];

/// The option with that long name.
pub(crate) fn named(long: &str) -> &'static OptionWord {
    OPTIONS.iter().find(|it| it.long == long).expect("the table has every option")
}

/// One of the options of that kind.
pub(crate) fn of_kind(kind: usize, random: &mut Random) -> &'static OptionWord {
    let same: Vec<_> = OPTIONS.iter().filter(|it| it.kind == Some(kind)).collect();
    same[random.below(same.len())]
}

pub(crate) const SCHEDULERS: [&str; 13] =
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"];

pub(crate) const ADDRS_V4: [&str; 11] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.255.0.9",
    "100.64.0.1",
    "127.0.0.1",
    "172.16.0.1",
    "192.0.2.200",
    "192.168.0.1",
    "198.51.100.7",
    "203.0.113.7",
];

pub(crate) const ADDRS_V6: [&str; 7] = [
    "2001:db8::80",
    "2001:db8::2",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "fd00::1",
    "2001:db8::a00:1",
    "::1",
    "fe00:1::7",
];

pub(crate) const PORTS: [u16; 10] = [80, 443, 53, 5060, 9899, 7777, 21, 8080, 1, 65535];

const SERVICES_ODD: &[&[u8]] = &[
    b"",
    b"80",
    b":80",
    b"10.0.0.1",
    b"10.0.0.1:",
    b"10.0.0.1:0",
    b"10.0.0.1:+80",
    b"10.0.0.1:080",
    b"10.0.0.1: 80",
    b"10.0.0.1:80 ",
    b"10.0.0.1:0x50",
    b"10.0.0.1:65536",
    b"10.0.0.1:-1",
    b"10.0.0.1:80:90",
    b"10.1:80",
    b"0x0a000001:80",
    b"012.0.0.1:80",
    b"167772161:80",
    b"10.0.0.1 x:80",
    b"10.0.0.256:80",
    b"1.2.3.4.5:80",
    b"0.0.0.0:80",
    b"0.0.0.0",
    b"255.255.255.255:80",
    b"224.0.0.1:80",
    b"vip.test:http",
    b"vip.test:www",
    b"VIP.test:80",
    b"vip.test:HTTP",
    b"rs2-alias:ssh",
    b"nohost.test:80",
    b"vip6.test:80",
    b"[vip6.test]:80",
    b"[vip.test]:80",
    b"[2001:db8::80]",
    b"[2001:db8::80]:",
    b"[2001:db8::80]:http",
    b"[2001:db8::80]x80",
    b"[2001:db8::80",
    b"2001:db8::80",
    b"2001:db8::80:80",
    b"[::]:80",
    b"::",
    b"[]:80",
    b"[10.0.0.1]:80",
    b"::ffff:10.0.0.1",
    b"[::ffff:10.0.0.1]:80",
    b"[fe80::1%eth0]:80",
    b"[fe80::1]:80",
    b"*:80",
    b"-1:80",
    b"\xff\xfe:80",
    b"10.0.0.1:\xc3\xa9",
    b"10.0.0.1:domain",
    b"10.0.0.1:sctpsvc",
    b"10.0.0.1:tftp",
    b"localhost:7777",
    b"1:80",
    b"a:b:c",
    b":",
    b"::1:80",
    b"10.0.0.1:99999999999999999999",
    b"!#:+",
    b"10.0.0.1:!#:+",
];

const NUMBERS_ODD: &[&[u8]] = &[
    b"",
    b"0",
    b"-0",
    b"-1",
    b"+5",
    b" 9",
    b"\t9",
    b"9 ",
    b"007",
    b"0x10",
    b"1e3",
    b"1.5",
    b"abc",
    b"255",
    b"256",
    b"65507",
    b"65508",
    b"65535",
    b"65536",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"-2147483648",
    b"9223372036854775808",
    b"99999999999999999999",
    b"\xd9\xa1",
    b"1,000",
    b"--5",
    b"-",
    b"2678400",
    b"2678401",
    b"!#:+",
];

const MASKS_ODD: &[&[u8]] = &[
    b"",
    b"24",
    b"64",
    b"64x",
    b"0",
    b"128",
    b"129",
    b"-1",
    b"/24",
    b"255.255.255.0",
    b"0.0.0.0",
    b"255.0.255.0",
    b"255.255.255.256",
    b"ffff::",
    b"vip.test",
    b"0xffffff00",
    b" 64",
    b"nohost.test",
];

const NAMES_ODD: &[&[u8]] = &[
    b"",
    b"nosuch",
    b"RR",
    b"rr ",
    b" rr",
    b"wlc-much-too-long-for-a-name",
    b"a/b",
    b"sip",
    b"\xff",
    b"-n",
    b"rr,wrr",
    b"../rr",
    b"sh",
];

const FLAGS_ODD: &[&[u8]] = &[
    b"",
    b"flag-4",
    b"sh-port,nosuch",
    b"mh-port",
    b"sh-fallback",
    b",sh-port",
    b"flag-1,,flag-2",
    b"flag-1 ",
    b"Flag-1",
    b"flag-1,flag-1",
    b"flag-3",
    b"persistent",
];

const GROUPS_ODD: &[&[u8]] = &[
    b"",
    b"10.0.0.1",
    b"fe80::1",
    b"239.1.2",
    b"239.1.2.3.4",
    b"ff02:",
    b"224.0.0.256",
    b"nosuch",
    b"ff02::1%lo",
    b"::",
    b"255.255.255.255",
    b"ff0e::1:2",
];

const INTERFACES_ODD: &[&[u8]] =
    &[b"", b"nosuch0", b"a-name-longer-than-fifteen", b"eth0 ", b"dummy0"];

const TUNNELS_ODD: &[&[u8]] = &[b"", b"xyz", b"GUE", b"vxlan", b"gue "];

const NUMBERS: &[&[u8]] = &[b"0", b"1", b"2", b"3", b"5", b"10", b"100", b"65535"];

/// A value that is right for the option, wherever the option is.
pub(crate) fn good(value: Value, random: &mut Random) -> Vec<u8> {
    match value {
        Value::None => Vec::new(),
        Value::Service | Value::Server => {
            let addr = random.pick(&ADDRS_V4);
            format!("{addr}:{}", random.pick(&PORTS)).into()
        }
        Value::Scheduler => random.pick(&SCHEDULERS).as_bytes().to_vec(),
        Value::Seconds => random.pick(&["1", "60", "360", "2678400"]).as_bytes().to_vec(),
        Value::Mask => random.pick(&["255.255.255.0", "255.255.0.0"]).as_bytes().to_vec(),
        Value::Interface => random.pick(&["eth0", "lo"]).as_bytes().to_vec(),
        Value::Engine => b"sip".to_vec(),
        Value::Flags => random.pick(&["flag-1", "flag-2", "flag-1,flag-3"]).as_bytes().to_vec(),
        Value::Group => random.pick(&["224.0.0.81", "239.1.2.3", "ff02::99"]).as_bytes().to_vec(),
        Value::Mark => {
            random.pick(&["1", "2", "9", "4294967295", "2147483648"]).as_bytes().to_vec()
        }
        Value::SyncId => random.pick(&["0", "7", "255"]).as_bytes().to_vec(),
        Value::Number => random.pick(NUMBERS).to_vec(),
        Value::Port => random.pick(&["1", "6080", "8848", "65535"]).as_bytes().to_vec(),
        Value::Ttl => random.pick(&["1", "7", "255"]).as_bytes().to_vec(),
        Value::Length => random.pick(&["1000", "1472", "65507", "1"]).as_bytes().to_vec(),
        Value::TunnelType => random.pick(&["ipip", "gue", "gre"]).as_bytes().to_vec(),
    }
}

/// A value that one may try and is often wrong.
pub(crate) fn odd(value: Value, random: &mut Random) -> Vec<u8> {
    let choices = match value {
        Value::None => return Vec::new(),
        Value::Service | Value::Server => SERVICES_ODD,
        Value::Scheduler | Value::Engine => NAMES_ODD,
        Value::Mask => MASKS_ODD,
        Value::Interface => INTERFACES_ODD,
        Value::Flags => FLAGS_ODD,
        Value::Group => GROUPS_ODD,
        Value::TunnelType => TUNNELS_ODD,
        Value::Mark
        | Value::Seconds
        | Value::SyncId
        | Value::Number
        | Value::Port
        | Value::Ttl
        | Value::Length => NUMBERS_ODD,
    };
    random.pick(choices).to_vec()
}
