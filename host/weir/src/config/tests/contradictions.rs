//! What each of two keys may say, and both together may not; and what means nothing where it stands.

use super::*;

#[test]
fn thresholds_are_refused_where_they_are_said() {
    check(
        &service(
            "lower-threshold = 20\nupper-threshold = 10\nserver = [\"10.0.0.2\", \"10.0.0.3\"]",
        ),
        "weir.toml:4:19: service web: lower-threshold: expected at most upper-threshold (10), found 20",
    );
    check(
        &service(
            "lower-threshold = 20\nserver = [{ address = \"10.0.0.2\", upper-threshold = 10 }]",
        ),
        "weir.toml:5:53: service web: server: upper-threshold: expected at least lower-threshold (20), found 10",
    );
    check(
        &service("lower-threshold = 20\nserver = [\"10.0.0.2\", \"10.0.0.3\"]"),
        "weir.toml:4:19: lower-threshold: needs upper-threshold: add it",
    );
    check(
        &format!("[defaults]\nlower-threshold = 20\n{}", service("upper-threshold = 10")),
        "weir.toml:6:19: service web: upper-threshold: expected at least lower-threshold (20), found 10",
    );
    check(
        &format!(
            "[defaults]\nupper-threshold = 10\n[profile.p]\nlower-threshold = 20\n{}",
            service("profile = \"p\"\nserver = [\"10.0.0.2\"]")
        ),
        "weir.toml:4:19: profile p: lower-threshold: expected at most upper-threshold (10), found 20",
    );
    let server = "server = [{ address = \"10.0.0.2\", upper-threshold = 30 }]";
    good(&service(&format!("lower-threshold = 20\n{server}")));
}

#[test]
fn what_a_pool_leaves_open_its_services_may_say() {
    let pool = "[pool]\nfarm = [{ address = \"10.0.0.2\", tunnel = { type = \"gre\" }, \
                lower-threshold = 5 }]\n";
    let text = |lines: &str| format!("{pool}{}", service(&format!("pool = \"farm\"\n{lines}")));
    good(&text("forwarding = \"tunnel\"\nupper-threshold = 10"));
    check(
        &text(""),
        "weir.toml:2:42: pool farm: tunnel: is for forwarding = \"tunnel\" only; add it, or remove this\n\
         weir.toml:2:78: pool farm: lower-threshold: needs upper-threshold: add it",
    );
}

#[test]
fn real_servers_that_lead_back_to_their_service_are_refused_where_weir_connects_to_them() {
    let looping = |server: &str, others: &str| {
        format!(
            "backend = \"embedded\"\n[[service]]\nname = \"a\"\naddress = \"127.0.0.1:80\"\n\
             server = [\"127.0.0.1:81\", \"{server}\"]\n{others}"
        )
    };
    let itself = looping("127.0.0.1:80", "");
    check(
        &itself,
        "weir.toml:5:27: service a: server: address: connections to 127.0.0.1:80 come back to service \
         a, without end: give the address of a real server",
    );
    good(&itself.replace("embedded", "kernel"));
    let other = |server: &str| {
        format!("[[service]]\nname = \"b\"\naddress = \"0.0.0.0:90\"\nserver = [\"{server}\"]\n")
    };
    good(&looping("127.0.0.1:90", &other("127.0.0.1:91")));
    check(
        &looping("127.0.0.1:90", &other("127.0.0.1:80")),
        "weir.toml:5:27: service a: server: address: connections to 127.0.0.1:90 come back to service \
         a, by service b, without end: give the address of a real server\n\
         weir.toml:9:11: service b: server: address: connections to 127.0.0.1:80 come back to service \
         b, by service a, without end: give the address of a real server",
    );
    let sorry = other("10.0.0.1:80") + "sorry-server = { address = \"127.0.0.1\" }\n";
    check(
        &looping("127.0.0.1:82", &sorry),
        "weir.toml:10:28: service b: sorry-server: address: connections to 127.0.0.1:90 come back to \
         service b, without end: give the address of a real server",
    );
    good(&looping("127.0.0.1:80", "protocol = \"sctp\"\n"));
}

#[test]
fn real_servers_that_lead_to_a_loop_and_are_not_of_it_are_good() {
    let link = |from: u16, to: u16| {
        format!(
            "[[service]]\nname = \"s{from}\"\naddress = \"127.0.0.1:{from}\"\n\
             server = [\"127.0.0.1:{to}\"]\n"
        )
    };
    let chain: String = (1000..1100).map(|it| link(it, it + 1)).collect();
    let chain = format!("backend = \"embedded\"\n{chain}");
    good(&chain);
    check(
        &(chain + &link(1100, 1099)),
        "weir.toml:401:11: service s1099: server: address: connections to 127.0.0.1:1100 come back to \
         service s1099, by service s1100, without end: give the address of a real server\n\
         weir.toml:405:11: service s1100: server: address: connections to 127.0.0.1:1099 come back to \
         service s1100, by service s1099, without end: give the address of a real server",
    );
}

#[test]
fn what_the_embedded_backend_does_not_have_is_refused() {
    let embedded = |lines: &str| format!("backend = \"embedded\"\n{}", service(lines));
    check(
        &embedded("scheduler = \"wllc\""),
        "weir.toml:5:13: service web: scheduler: the embedded backend has no \"wllc\"; did you mean \
         \"wlc\"?",
    );
    check(
        "backend = \"embedded\"\n[defaults]\nscheduler = \"maglev\"\n[[service]]\nname = \"web\"\n\
         address = \"10.0.0.1:80\"",
        "weir.toml:3:13: defaults: scheduler: the embedded backend has no \"maglev\"; it has dh, fo, \
         lblc, lblcr, lc, mh, none, nq, ovf, rr, sed, sh, twos, wlc, wrr",
    );
    check(
        &embedded("persistence = \"5m\"\npersistence-engine = \"sip\""),
        "weir.toml:6:22: service web: persistence-engine: the embedded backend has none: remove this",
    );
    good(&service("scheduler = \"wllc\""));
}

#[test]
fn flags_without_a_meaning_are_refused() {
    check(
        &service("scheduler = \"wrr\"\nflags = [\"sh-port\", \"mh-fallback\", \"flag-3\"]"),
        "weir.toml:5:9: service web: flags: the flag \"mh-fallback\" is for scheduler = \"mh\" only, \
         found \"wrr\": change the one or the other\n\
         weir.toml:5:9: service web: flags: the flag \"sh-port\" is for scheduler = \"sh\" only, found \
         \"wrr\": change the one or the other",
    );
    check(
        &service("flags = [\"sh-port\"]"),
        "weir.toml:4:9: service web: flags: the flag \"sh-port\" is for scheduler = \"sh\" only, found \
         \"wlc\": change the one or the other",
    );
    let profile = "[profile.p]\nscheduler = \"sh\"\nflags = [\"sh-port\"]\n";
    let with_profile =
        |lines: &str| format!("{profile}{}", service(&format!("profile = \"p\"\n{lines}")));
    good(&with_profile(""));
    good(&with_profile("scheduler = \"mh\"\nflags = []"));
    check(
        &with_profile("scheduler = \"mh\""),
        "weir.toml:8:13: service web: scheduler: the flag \"sh-port\" is for scheduler = \"sh\" only, \
         found \"mh\": change it, or add flags of its own",
    );
    good(&with_profile("scheduler = \"wrr\""));
    let defaults = |flags: &str, lines: &str| {
        good(&format!("[defaults]\nflags = [{flags}]\n{}", service(lines)))
    };
    defaults("\"sh-port\"", "");
    defaults("\"sh-port\", \"mh-port\"", "scheduler = \"mh\"");
    check(
        &service("flags = [\"one-packet\"]"),
        "weir.toml:4:9: service web: flags: \"one-packet\" is for protocol = \"udp\" only, found tcp: \
         remove it, or change the protocol",
    );
    good(&service("protocol = \"udp\"\nflags = [\"one-packet\"]"));
    good(&format!("[defaults]\nflags = [\"one-packet\"]\n{}", service("")));
}

#[test]
fn what_persistence_needs_is_refused_without_it() {
    let remedy = "has no effect without persistence: add persistence = \"300s\", or remove this";
    let expected = format!(
        "weir.toml:4:11: service web: netmask: {remedy}\n\
         weir.toml:5:22: service web: persistence-engine: {remedy}"
    );
    check(&service("netmask = 24\npersistence-engine = \"sip\""), &expected);
    good(&format!("[defaults]\nnetmask = 24\n{}", service("")));
    good(&format!("[defaults]\npersistence = \"5m\"\n{}", service("netmask = 24")));
    check(
        &service("persistence = \"1500ms\""),
        "weir.toml:4:15: service web: persistence: expected whole seconds",
    );
}

#[test]
fn a_real_server_has_the_address_of_one_machine() {
    let said = |address: &str, kind: &str| {
        let expected = format!(
            "weir.toml:4:11: service web: server: address: expected the address of one machine, found \
             \"{address}\", which is {kind}"
        );
        check(&service(&format!("server = [\"{address}\"]")), &expected);
    };
    said("0.0.0.0", "no address");
    said("[::]:80", "no address");
    said("224.0.0.1:80", "multicast");
    said("ff02::1", "multicast");
    said("255.255.255.255", "broadcast");
    said("fe80::1", "link-local");
}

#[test]
fn an_address_has_no_scope_and_is_of_one_machine_where_one_is_asked() {
    check(
        "[[service]]\nname = \"web\"\naddress = \"[2001:db8::1%2]:80\"\nserver = [\"[2001:db8::2%2]:80\"]",
        "weir.toml:3:11: service web: address: expected an address and port such as \"192.0.2.1:80\" or \
         \"[2001:db8::1]:80\", found \"[2001:db8::1%2]:80\"\n\
         weir.toml:4:11: service web: server: address: expected an address such as \"192.0.2.1:80\" or \
         \"192.0.2.1\", found \"[2001:db8::2%2]:80\"",
    );
    check(
        "[[self-probe]]\naddress = \"0.0.0.0\"\nport = 22",
        "weir.toml:2:11: self-probe: address: expected the address of one machine, found \"0.0.0.0\", \
         which is no address",
    );
    let every = "[[service]]\nname = \"web\"\naddress = \"0.0.0.0:80\"";
    check(
        every,
        "weir.toml:3:11: service web: address: the kernel has no service of every address: name one",
    );
    good(&format!("backend = \"embedded\"\n{every}"));
}

#[test]
fn a_path_is_not_empty() {
    check(
        "[state]\ndirectory = \"\"\n[control]\nsocket = \"\"\n[log]\ndecisions = \"\"",
        "weir.toml:2:13: state: directory: expected a path, found \"\"\n\
         weir.toml:4:10: control: socket: expected a path, found \"\"\n\
         weir.toml:6:13: log: decisions: expected a path, found \"\"",
    );
}

#[test]
fn a_list_that_selects_is_not_empty() {
    let remedy = "expected at least one; for any, leave this out";
    let expected = format!(
        "weir.toml:3:13: match m: addresses: {remedy}\n\
         weir.toml:4:9: match m: ports: {remedy}\n\
         weir.toml:5:11: match m: servers: {remedy}"
    );
    check("[[match]]\nname = \"m\"\naddresses = []\nports = []\nservers = []", &expected);
    let structure = "[plugin.p]\ncomponent = \"discovery\"\n[plugin.p.grant.structure]\n";
    let expected = format!("weir.toml:5:9: plugin p: grant: structure: ports: {remedy}");
    check(&format!("{structure}addresses = []\nports = []"), &expected);
}

#[test]
fn sync_daemons_and_servers_of_another_family_are_refused_together() {
    let mixed = service("forwarding = \"tunnel\"\nserver = [\"2001:db8::1\"]");
    good(&mixed);
    check(
        &format!("[[sync]]\nrole = \"master\"\ninterface = \"eth0\"\n{mixed}"),
        "weir.toml:1:1: sync: is refused by IPVS beside real servers of another address family, found \
         [2001:db8::1]:80 of service web: remove the one or the other",
    );
}

#[test]
fn intents_that_are_misread_leave_bounds_in_peace() {
    check(
        "[plugin.p]\nsource = \"p.wasm\"\n[plugin.p.grant.weights]\nintents = [\"width\"]\n\
         scale = [100, 1500]",
        "weir.toml:4:12: plugin p: grant: weights: intents: expected \"base\" or \"scale\" or \"floor\" \
         or \"cap\" or \"drain\", found \"width\"",
    );
}

#[test]
fn a_profile_may_leave_the_quorum_to_its_services() {
    let profile = "[profile.p]\nhysteresis = 5\n";
    let text = |lines: &str| format!("{profile}{}", service(&format!("profile = \"p\"\n{lines}")));
    good(&text("quorum = 6"));
    check(
        &text("quorum = 5"),
        "weir.toml:7:10: service web: quorum: expected more than the hysteresis (5), found 5",
    );
    check(&text(""), "weir.toml:2:14: hysteresis: needs quorum: add it");
    check(
        &format!("[pool]\na = [\"10.0.0.2\"]\n{}", service("pool = [\"a\", \"a\"]")),
        "weir.toml:6:8: service web: pool: \"a\" is there twice: remove one",
    );
}
