//! Too few descriptors: clients wait, are told of once, and are served when there are more.

use std::{io::Write as _, net::UdpSocket, time::Duration};

use weir_embedded::Settings;
use weir_ipvs::Protocol;

use super::bed::{Bed, PATIENCE, accept, connect, endpoint, listen, named_udp, read};
use crate::forward::descriptors::Descriptors;

fn bed_with(descriptors: usize) -> Bed {
    Bed::with(Settings::default(), |it| {
        it.means.tools.descriptors = Descriptors::new(descriptors);
    })
}

#[test]
fn clients_wait_for_descriptors() {
    let mut bed = bed_with(8);
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let mut clients: Vec<_> = (0..12).map(|_| connect(service)).collect();
    let mut servers = Vec::new();
    for turn in 0..3 {
        servers.extend((0..4).map(|_| accept(&listener)));
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "only four fit");
        listener.set_nonblocking(false).unwrap();
        if turn == 0 {
            assert!(bed.wait_for_line("descriptors-exhausted").contains("limit=8"));
        }
        for (client, server) in clients.iter_mut().zip(&mut servers) {
            client.write_all(b"served").unwrap();
            assert_eq!(read(server, 6), "served");
        }
        clients.drain(..4);
        servers.clear();
    }
    bed.wait_for_line("descriptors-recovered");
    let again = bed.lines().into_iter().filter(|it| it.contains("exhausted")).count();
    assert_eq!(again, 0, "it is told once");
    assert_eq!(bed.used_descriptors(), 0);
}

#[test]
fn a_forwarder_that_waits_for_descriptors_does_nothing() {
    let mut bed = bed_with(2);
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let _clients = [connect(service), connect(service)];
    let _server = accept(&listener);
    bed.wait_for_line("descriptors-exhausted");
    let turns = bed.turns();
    std::thread::sleep(Duration::from_millis(300));
    assert!(bed.turns() - turns < 10, "it turned {} times", bed.turns() - turns);
}

#[test]
fn new_flows_are_dropped_and_old_ones_go_on() {
    let mut bed = bed_with(1);
    let service = bed.serve(Protocol::Udp, "rr", &[named_udp("a")]);
    let ask = |client: &UdpSocket| {
        client.send_to(b"?", endpoint(service)).unwrap();
        client.recv_from(&mut [0; 8]).map(|it| it.0)
    };
    let clients = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    clients[0].set_read_timeout(Some(PATIENCE)).unwrap();
    clients[1].set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert_eq!(ask(&clients[0]).unwrap(), 2);
    assert!(ask(&clients[1]).is_err());
    bed.wait_for_line("descriptors-exhausted");
    assert_eq!(ask(&clients[0]).unwrap(), 2);
    bed.skip(Duration::from_secs(301));
    bed.wait_for_line("descriptors-recovered");
    assert_eq!(ask(&clients[1]).unwrap(), 2);
}
