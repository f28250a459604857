//! A real server as a process of its own, for tests that kill it: `real_server ADDRESS NUMBER`.
//!
//! To every byte of every connection it answers the byte NUMBER, until the client closes. A
//! line on standard output says who connected.

use std::{
    env,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::ExitCode,
    thread,
};

/// As little as a thread can have: one for each of hundreds of connections.
const STACK_BYTES: usize = 64 << 10;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let done = match &args[..] {
        [address, number] => serve(address, number),
        _ => Err(io::Error::other("usage: real_server ADDRESS NUMBER")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error itself is gone.
            let _ = writeln!(io::stderr(), "real_server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str, number: &str) -> io::Result<()> {
    let number: u8 = number.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind(address)?;
    let mut out = io::stdout();
    writeln!(out, "listening")?;
    loop {
        let (stream, peer) = listener.accept()?;
        writeln!(out, "{}", peer.ip())?;
        thread::Builder::new().stack_size(STACK_BYTES).spawn(move || answer(stream, number))?;
    }
}

/// A client that went away, as health checks do, is no fault.
fn answer(mut stream: TcpStream, number: u8) -> io::Result<()> {
    let mut asked = [0; 64];
    loop {
        let count = stream.read(&mut asked)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&vec![number; count])?;
    }
}
