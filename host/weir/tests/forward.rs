//! `weir run` with the embedded backend: it forwards, and stops in good order.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
};

use crate::daemon::{Daemon, PATIENCE, config, server, service, weir};

fn connect(service: SocketAddr) -> TcpStream {
    let client = TcpStream::connect_timeout(&service, PATIENCE).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn passes(mut from: &TcpStream, mut to: &TcpStream) {
    from.write_all(b"ping").unwrap();
    let mut bytes = [0; 4];
    to.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"ping");
}

#[test]
fn it_forwards_and_lets_connections_finish() {
    let (listener, address) = server();
    let service = service(1);
    let (mut daemon, _) = Daemon::start(weir(), &config(service, address));
    let (client, server) = (connect(service), accept(&listener));
    passes(&client, &server);
    passes(&server, &client);
    daemon.signal("TERM");
    assert!(daemon.wait_for("draining").contains("connections=1"));
    assert!(TcpStream::connect(service).is_err(), "nobody is let in any more");
    passes(&client, &server);
    drop(client);
    assert_eq!((&server).read(&mut [0; 1]).unwrap(), 0);
    drop(server);
    let (is_good, said) = daemon.end();
    assert!(is_good, "{said}");
}

#[test]
fn its_backend_is_for_life() {
    let (_listener, address) = server();
    let config = config(service(7), address);
    let (mut daemon, _) = Daemon::start(weir(), &config);
    let other = format!("{config}[embedded]\ndrain = \"1s\"\n");
    daemon.reload(&other);
    let said = daemon.wait_for("reload-refused");
    assert!(said.contains("backend, or its settings, are others than weir runs with"), "{said}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (listener, address) = server();
    let service = service(2);
    let (mut daemon, _) = Daemon::start(weir(), &config(service, address));
    let (client, server) = (connect(service), accept(&listener));
    passes(&client, &server);
    daemon.signal("TERM");
    daemon.wait_for("draining");
    daemon.signal("TERM");
    let (is_good, said) = daemon.end();
    assert!(is_good && said.contains("connections-reset connections=1"), "{said}");
    assert!((&client).read(&mut [0; 1]).is_err() && (&server).read(&mut [0; 1]).is_err());
}

#[test]
fn the_drain_time_is_an_end() {
    let (listener, address) = server();
    let service = service(3);
    let config = format!("{}[embedded]\ndrain = \"50ms\"\n", config(service, address));
    let (mut daemon, _) = Daemon::start(weir(), &config);
    let (client, server) = (connect(service), accept(&listener));
    passes(&client, &server);
    daemon.signal("TERM");
    let (is_good, said) = daemon.end();
    assert!(is_good && said.contains("connections-reset"), "{said}");
}

#[test]
fn a_service_that_cannot_be_had_keeps_no_other_from_running() {
    let (listener, address) = server();
    let taken = TcpListener::bind(service(4)).unwrap();
    let service = service(5);
    let taken_address = taken.local_addr().unwrap();
    let config = format!(
        "{}[[service]]\nname = \"taken\"\naddress = \"{taken_address}\"\n\
         scheduler = \"rr\"\n",
        config(service, address)
    );
    let (mut daemon, said) = Daemon::start(weir(), &config);
    let expected = format!("error listen-failed service=\"tcp {taken_address}\"");
    assert!(said.contains(&expected) && said.contains("remedy="), "{said}");
    passes(&connect(service), &accept(&listener));
    drop(taken);
    daemon.wait_for("listening");
}

#[test]
fn clients_wait_while_there_are_no_descriptors() {
    let (listener, address) = server();
    let service = service(6);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 80; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_weir")]);
    let (mut daemon, _) = Daemon::start(limited, &config(service, address));
    let clients: Vec<_> = (0..100).map(|_| connect(service)).collect();
    let serving = thread::spawn(move || {
        for _ in 0..100 {
            let server = accept(&listener);
            thread::spawn(move || std::io::copy(&mut &server, &mut &server));
        }
    });
    daemon.wait_for("descriptors-exhausted");
    for client in clients {
        passes(&client, &client);
    }
    serving.join().unwrap();
    let said = daemon.wait_for("descriptors-recovered");
    assert!(!said.contains("exhausted"), "it is told once: {said}");
}
