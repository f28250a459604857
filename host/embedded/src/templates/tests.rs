//! Persistence, as it was measured on Linux 6.1.

use weir_ipvs::{Change, ServiceKey};

use super::*;
use crate::{
    Direction, Settings, Sysctls,
    testing::{key, packet, server},
};

const VIP: &str = "192.0.2.1:80";
const ONE: &str = "10.0.0.1:8080";
const TWO: &str = "10.0.0.2:8080";

fn web() -> ServiceKey {
    key("tcp 192.0.2.1:80")
}

fn service(key: ServiceKey) -> weir_ipvs::Service {
    weir_ipvs::Service { persistence: Some(300), ..weir_ipvs::Service::new(key, "rr") }
}

fn core(service: weir_ipvs::Service) -> Embedded {
    Embedded::with(service, &[server(ONE, 1), server(TWO, 1)])
}

fn syn(client: &str) -> Packet {
    packet(client, VIP, "syn")
}

#[test]
fn a_client_stays_with_its_server() {
    let mut core = core(service(web()));
    assert_eq!(core.send(&syn("198.51.100.7:4000")), ONE);
    assert_eq!(core.send(&syn("198.51.100.8:4000")), TWO);
    assert_eq!(core.send(&syn("198.51.100.7:4001")), ONE);
    assert_eq!(core.counts(web(), ONE), (2, 0, 1), "templates are counted by themselves");
    assert_eq!(
        core.listed()[..2],
        [
            format!("TCP 198.51.100.7:0 {VIP} {ONE} NONE 300"),
            format!("TCP 198.51.100.7:4000 {VIP} {ONE} SYN_RECV 60"),
        ]
    );
}

#[test]
fn a_netmask_groups_clients() {
    let netmask = 0xffff_ff00;
    let mut core = core(weir_ipvs::Service { netmask, ..service(web()) });
    assert_eq!(core.send(&syn("198.51.100.7:4000")), ONE);
    assert_eq!(core.send(&syn("198.51.101.7:4000")), TWO);
    assert_eq!(core.send(&syn("198.51.100.250:4000")), ONE);
    assert!(core.listed()[0].starts_with("TCP 198.51.100.0:0"));
}

#[test]
fn a_prefix_groups_ipv6_clients() {
    let web = key("tcp [2001:db8::1]:80");
    let config = weir_ipvs::Service { netmask: 64, ..service(web) };
    let servers = [server("[fd00::1]:80", 1), server("[fd00::2]:80", 1)];
    let mut core = Embedded::with(config, &servers);
    let mut send = |client: &str| core.send(&packet(client, "[2001:db8::1]:80", "syn"));
    assert_eq!(send("[2001:db8:1:1::7]:4000"), "[fd00::1]:80");
    assert_eq!(send("[2001:db8:1:2::7]:4000"), "[fd00::2]:80");
    assert_eq!(send("[2001:db8:1:1:ffff::8]:4000"), "[fd00::1]:80");
}

#[test]
fn each_new_connection_begins_the_template_again_and_packets_do_not() {
    let mut core = core(service(web()));
    core.receive(&syn("198.51.100.7:4000"));
    core.wait(10);
    core.receive(&packet("198.51.100.7:4000", VIP, "ack"));
    assert!(core.listed()[0].ends_with("NONE 290") || core.listed()[0].ends_with("ASSURED 290"));
    core.receive(&syn("198.51.100.7:4001"));
    assert!(core.listed()[0].ends_with(" 300"));
}

#[test]
fn a_template_lives_on_while_it_is_followed() {
    let mut core = core(weir_ipvs::Service { persistence: Some(30), ..service(web()) });
    let followed = core.begun(&syn("198.51.100.7:4000"));
    core.carry_one(followed, Direction::In, "ack");
    core.wait(30);
    assert_eq!(core.listed()[0], format!("TCP 198.51.100.7:0 {VIP} {ONE} ASSURED 60"));
    // From now on 60 s, with new connections too.
    core.wait(10);
    core.receive(&syn("198.51.100.7:4001"));
    assert!(core.listed()[0].ends_with(" 60"));
    // The connection ends at 900 s, the template was last found followed at 880 s.
    core.wait(899);
    assert_eq!(core.listed(), [format!("TCP 198.51.100.7:0 {VIP} {ONE} ASSURED 1")]);
    core.wait(1);
    assert!(core.listed().is_empty());
    assert_eq!(core.counts(web(), ONE), (0, 0, 0));
}

#[test]
fn a_template_leads_to_overloaded_and_quiesced_servers_too() {
    let mut core = core(service(web()));
    core.receive(&syn("198.51.100.7:4000"));
    let full = weir_ipvs::RealServer { upper_threshold: 1, weight: 0, ..server(ONE, 0) };
    core.make(Change::EditServer(web(), full)).unwrap();
    assert_eq!(core.send(&syn("198.51.100.7:4001")), ONE);
    core.settings_mut().sysctls.expire_quiescent_template = true;
    assert_eq!(core.send(&syn("198.51.100.7:4002")), TWO);
    let invalid = core.listed().into_iter().find(|line| line.contains(":65535")).unwrap();
    assert_eq!(invalid, "TCP 198.51.100.7:0 192.0.2.1:65535 10.0.0.1:65535 NONE 300");
}

#[test]
fn a_template_of_a_deleted_server_leads_nowhere() {
    let mut core = core(service(web()));
    core.receive(&syn("198.51.100.7:4000"));
    core.delete(web(), ONE);
    assert_eq!(core.send(&syn("198.51.100.7:4001")), TWO);
    assert_eq!(core.send(&syn("198.51.100.7:4002")), TWO);
    assert_eq!(core.counts(web(), TWO), (2, 0, 1));
}

#[test]
fn expire_nodest_conn_ends_templates_too() {
    let sysctls = Sysctls { expire_nodest_conn: true, ..Sysctls::default() };
    let settings = Settings { sysctls, ..Settings::default() };
    let mut core = Embedded::with_settings(settings, service(web()), &[server(ONE, 1)]);
    core.receive(&syn("198.51.100.7:4000"));
    core.delete(web(), ONE);
    core.advance(core.next_deadline().unwrap());
    assert!(core.listed().is_empty());
}

#[test]
fn a_mark_has_one_template_for_all_addresses() {
    let mark = key("fwmark 77");
    let mut core =
        Embedded::with(service(mark), &[server("10.0.0.1:0", 1), server("10.0.0.2:0", 1)]);
    let mut send = |destination: &str| {
        let packet = packet("198.51.100.7:4000", destination, "syn");
        core.send(&Packet { mark: 77, ..packet })
    };
    assert_eq!(send("192.0.2.1:80"), "10.0.0.1:80");
    assert_eq!(send("192.0.2.2:443"), "10.0.0.1:443");
    assert_eq!(core.listed()[0], "IP 198.51.100.7:0 0.0.0.77:0 10.0.0.1:0 NONE 300");
}

#[test]
fn any_port_has_one_template() {
    let any = key("tcp 192.0.2.1:0");
    let mut core =
        Embedded::with(service(any), &[server("10.0.0.1:9", 1), server("10.0.0.2:9", 1)]);
    let mut send =
        |port| core.send(&packet("198.51.100.7:4000", &format!("192.0.2.1:{port}"), "syn"));
    assert_eq!(send(80), "10.0.0.1:80", "the packet's port");
    assert_eq!(send(443), "10.0.0.1:443");
    assert_eq!(core.listed()[0], "TCP 198.51.100.7:0 192.0.2.1:0 10.0.0.1:0 NONE 300");
}

#[test]
fn an_engine_finds_nothing() {
    let settings = Settings { engines: vec!["sip".to_owned()], ..Settings::default() };
    let config = weir_ipvs::Service { engine: Some("sip".to_owned()), ..service(web()) };
    let mut core = Embedded::with_settings(settings, config, &[server(ONE, 1)]);
    assert_eq!(core.send(&syn("198.51.100.7:4000")), "drop");
}
