//! Built with WASI. Tries what a program may do elsewhere, and prints what came of it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what it is for")]
#![expect(clippy::disallowed_methods, reason = "to see that there is a clock")]

use std::{fs, net, time};

weir_test_guests::policy!(handle: |batch| {
    println!("file: {}", fs::read("/etc/hostname").is_ok());
    println!("directory: {}", fs::read_dir("/").is_ok());
    println!("environment: {} arguments: {}", std::env::vars().count(), std::env::args().count());
    println!("connect: {}", net::TcpStream::connect("127.0.0.1:80").is_ok());
    println!("listen: {}", net::TcpListener::bind("127.0.0.1:0").is_ok());
    println!("udp: {}", net::UdpSocket::bind("127.0.0.1:0").is_ok());
    println!("names: {}", net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok());
    println!("clock: {}", time::SystemTime::now() > time::SystemTime::UNIX_EPOCH);
    eprint!("no end of line");
    if batch.len() == 2 {
        std::thread::sleep(time::Duration::from_secs(3600));
    }
    Ok(())
});
