//! Flows: datagrams there and back, and how flows end.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use weir_ipvs::{Endpoint, Ipvs as _, Protocol, Service, ServiceFlags, ServiceKey, Traffic};

use super::bed::{Bed, PATIENCE, address, endpoint, named_udp};
use crate::forward::datagrams::Datagrams;

struct Client(UdpSocket);

impl Client {
    fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// What is answered, and from where.
    fn ask(&self, service: ServiceKey, question: &str) -> (String, SocketAddr) {
        self.0.send_to(question.as_bytes(), endpoint(service)).unwrap();
        let mut buffer = [0; 65_535];
        let (count, from) = self.0.recv_from(&mut buffer).unwrap();
        (String::from_utf8(buffer[..count].to_vec()).unwrap(), from)
    }
}

#[test]
fn a_client_stays_with_its_real_server_and_is_counted() {
    let mut bed = Bed::new();
    let [a, b] = ["a", "b"].map(named_udp);
    let service = bed.serve(Protocol::Udp, "rr", &[a, b]);
    let clients = [Client::new(), Client::new()];
    let [first, second] = clients.each_ref().map(|it| it.ask(service, "?"));
    assert_eq!(first.1, endpoint(service), "it is answered from where it asked");
    assert_ne!(first.0, second.0);
    for _ in 0..3 {
        assert_eq!(clients[0].ask(service, "?"), first);
    }
    assert_eq!(bed.open_flows(), 2);
    bed.skip(Duration::from_secs(2));
    let expected =
        Traffic { connections: 2, packets_in: 5, packets_out: 5, bytes_in: 145, bytes_out: 150 };
    assert_eq!(bed.handle.totals().unwrap().total, expected);
}

#[test]
fn the_largest_datagram_passes() {
    let mut bed = Bed::new();
    let service = bed.serve(Protocol::Udp, "rr", &[named_udp("")]);
    let question = "x".repeat(65_507);
    assert_eq!(Client::new().ask(service, &question).0, question);
}

#[test]
fn flows_end_with_their_time_out_and_leave_nothing_behind() {
    let mut bed = Bed::new();
    let service = bed.serve(Protocol::Udp, "rr", &[named_udp("a")]);
    bed.change(&weir_ipvs::Change::SetTimeouts(weir_ipvs::Timeouts {
        udp: 30,
        ..weir_ipvs::Timeouts::default()
    }));
    let before = bed.used_descriptors();
    for _ in 0..3 {
        let clients: Vec<_> = (0..200).map(|_| Client::new()).collect();
        for client in &clients {
            client.ask(service, "?");
        }
        assert_eq!((bed.open_flows(), bed.used_descriptors()), (200, before + 200));
        bed.skip(Duration::from_secs(29));
        assert_eq!(clients[0].ask(service, "?").0, "a?");
        bed.skip(Duration::from_secs(2));
        assert_eq!(bed.open_flows(), 1, "only the one that was used");
        bed.skip(Duration::from_secs(31));
        assert_eq!((bed.open_flows(), bed.used_descriptors()), (0, before));
    }
}

/// A hundred thousand flows come and go, and those that come last find the room of those
/// that went first.
#[test]
fn many_flows_leave_no_memory_behind() {
    /// For as many there are descriptors everywhere.
    const AT_ONCE: u32 = 1000;
    const WAVES: u32 = 100;
    /// So many datagrams fit into the buffer of a socket.
    const BURST: u32 = 100;
    let mut bed = Bed::new();
    // Nobody answers: that costs no flow anything.
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let service = bed.serve(Protocol::Udp, "rr", &[server.local_addr().unwrap()]);
    bed.change(&weir_ipvs::Change::SetTimeouts(weir_ipvs::Timeouts {
        udp: 10,
        ..weir_ipvs::Timeouts::default()
    }));
    // One socket is all of the clients, each of which has an address of its own.
    let clients = Datagrams::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let mut settled = 0;
    for wave in 0..WAVES {
        for client in 0..AT_ONCE {
            let address = Ipv4Addr::from(0x7f10_0000 + wave * AT_ONCE + client);
            clients.send(b"?", endpoint(service), address.into()).unwrap();
            if (client + 1) % BURST == 0 {
                bed.wait_until("they are there", |bed| bed.open_flows() > client as usize);
            }
        }
        bed.skip(Duration::from_secs(11));
        assert_eq!(bed.open_flows(), 0);
        if wave == WAVES / 4 {
            settled = resident_bytes();
        }
    }
    let grown = resident_bytes().saturating_sub(settled);
    // A tenth of what 75,000 flows take.
    assert!(grown < 3 << 20, "{grown} bytes more than after a quarter");
}

/// Memory that this process has.
fn resident_bytes() -> usize {
    const PAGE_BYTES: usize = 4096;
    let numbers = std::fs::read_to_string("/proc/self/statm").unwrap();
    numbers.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * PAGE_BYTES
}

#[test]
fn each_datagram_is_scheduled_by_itself_with_one_packet_scheduling() {
    let mut bed = Bed::new();
    let key = ServiceKey::from((Protocol::Udp, address().into()));
    let service = Service { flags: ServiceFlags::ONE_PACKET, ..Service::new(key, "rr") };
    bed.add(service, &["a", "b"].map(named_udp));
    let client = Client::new();
    let mut answers: Vec<_> = (0..6).map(|_| client.ask(key, "?").0).collect();
    answers.sort();
    assert_eq!(answers, ["a?", "a?", "a?", "b?", "b?", "b?"]);
    assert_eq!(bed.handle.connections().unwrap().count(), 0);
    assert_eq!(bed.open_flows(), 2, "one for each that may answer");
    bed.skip(Duration::from_secs(11));
    bed.skip(Duration::from_secs(11));
    assert_eq!(bed.open_flows(), 0);
}

#[test]
fn a_service_of_every_address_answers_from_the_one_that_was_asked() {
    let mut bed = Bed::new();
    for (every, asked) in [("0.0.0.0", "127.8.8.8"), ("::", "::1")] {
        let port = address_port(every);
        let key = ServiceKey::from((Protocol::Udp, every.parse().unwrap(), port));
        let server = if every == "::" { named_udp6() } else { named_udp("a") };
        bed.add(Service::new(key, "rr"), &[server]);
        let asked = SocketAddr::new(asked.parse().unwrap(), port);
        let client = Client(UdpSocket::bind((asked.ip(), 0)).unwrap());
        client.0.set_read_timeout(Some(PATIENCE)).unwrap();
        let (answer, from) = client.ask((Protocol::Udp, Endpoint::from(asked)).into(), "?");
        assert_eq!((answer.as_str(), from), ("a?", asked));
    }
}

/// A port that is free at this address.
fn address_port(address: &str) -> u16 {
    let ip: std::net::IpAddr = address.parse().unwrap();
    UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap().port()
}

fn named_udp6() -> SocketAddr {
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((count, client)) = socket.recv_from(&mut buffer) {
            socket.send_to(&[b"a", &buffer[..count]].concat(), client).unwrap();
        }
    });
    address
}

#[test]
fn a_refusal_costs_no_later_datagram() {
    let mut bed = Bed::new();
    let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = gone.local_addr().unwrap();
    drop(gone);
    let service = bed.serve(Protocol::Udp, "rr", &[server]);
    let client = Client::new();
    client.0.send_to(b"1", endpoint(service)).unwrap();
    assert!(bed.wait_for_line("unreachable").contains(&format!("server={server}")));
    let back = UdpSocket::bind(server).unwrap();
    back.set_read_timeout(Some(PATIENCE)).unwrap();
    client.0.send_to(b"2", endpoint(service)).unwrap();
    assert_eq!(back.recv_from(&mut [0; 8]).unwrap().0, 1);
}
