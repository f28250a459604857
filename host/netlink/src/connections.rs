//! The connection table, which the kernel tells in a file only, a line at a time.
//!
//! Columns: protocol; client, service and real server, each with a port; state; seconds
//! left; with a persistence engine, its name and data.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr},
};

use weir_ipvs::{Connection, Connections, Endpoint, Error};

use crate::errno;

/// That of this thread: threads may live in network namespaces of their own.
const PATH: &str = "/proc/thread-self/net/ip_vs_conn";

/// The kernel hands out a page at a time; more spares nothing.
const BUFFER_BYTES: usize = 16 * 1024;

/// More than any line has: the data of an engine is at most 255 bytes. A bound on what one
/// line can make us hold.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Begins a walk, in the network namespace of this thread.
pub(crate) fn open() -> Result<Connections, Error> {
    let file = File::open(PATH).map_err(|error| errno::of_file(&error))?;
    Ok(Box::new(Walk::begin(BufReader::with_capacity(BUFFER_BYTES, file))?))
}

/// Memory: one buffer and one line, however many entries there are.
struct Walk<R> {
    lines: Option<R>,
    line: Vec<u8>,
}

impl<R: BufRead> Walk<R> {
    fn begin(lines: R) -> Result<Self, Error> {
        let mut walk = Self { lines: Some(lines), line: Vec::new() };
        if !walk.next_line()? {
            return Err(Error::Unsupported(format!("{PATH} lacks its heading")));
        }
        Ok(walk)
    }

    /// False at the end.
    fn next_line(&mut self) -> Result<bool, Error> {
        self.line.clear();
        let Some(lines) = &mut self.lines else { return Ok(false) };
        let limit = u64::try_from(LINE_BYTES_MAX).expect("it is small");
        let read = lines.by_ref().take(limit).read_until(b'\n', &mut self.line);
        let length = read.map_err(|error| errno::of_file(&error))?;
        if length == LINE_BYTES_MAX && self.line.last() != Some(&b'\n') {
            return Err(Error::Unsupported(format!("{PATH} has a line without an end")));
        }
        Ok(length > 0)
    }

    fn next_connection(&mut self) -> Result<Option<Connection>, Error> {
        if !self.next_line()? {
            return Ok(None);
        }
        parse(&self.line).map(Some).ok_or_else(|| {
            let line = String::from_utf8_lossy(&self.line);
            Error::Unsupported(format!("{PATH} has a line weir does not know: {}", line.trim()))
        })
    }
}

impl<R: BufRead> Iterator for Walk<R> {
    type Item = Result<Connection, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_connection().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.lines = None;
        }
        next
    }
}

fn parse(line: &[u8]) -> Option<Connection> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let protocol = text(words.next()?);
    let mut endpoint =
        || Some(Endpoint { address: address(words.next()?)?, port: port(words.next()?)? });
    let (client, virtual_address, server) = (endpoint()?, endpoint()?, endpoint()?);
    let state = text(words.next()?);
    let expires_in = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let engine = match (words.next(), words.next()) {
        (Some(name), Some(data)) => Some((text(name), data.to_vec())),
        _ => None,
    };
    Some(Connection { protocol, client, virtual_address, server, state, expires_in, engine })
}

/// The kernel's own words are ASCII; others are shown as well as they can be.
fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// IPv6 in its usual form, IPv4 as eight hexadecimal digits.
fn address(word: &[u8]) -> Option<IpAddr> {
    let word = std::str::from_utf8(word).ok()?;
    match word.parse() {
        Ok(address) => Some(address),
        Err(_) => Some(Ipv4Addr::from(u32::from_str_radix(word, 16).ok()?).into()),
    }
}

fn port(word: &[u8]) -> Option<u16> {
    u16::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str =
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

    /// Reads a table through a buffer of a few bytes, as if every line were long.
    fn read(lines: &[u8]) -> Vec<Result<Connection, Error>> {
        let table = [HEADING.as_bytes(), lines].concat();
        Walk::begin(BufReader::with_capacity(7, table.as_slice())).unwrap().collect()
    }

    fn connection(protocol: &str, ends: [&str; 3], state: &str, expires_in: u32) -> Connection {
        let [client, virtual_address, server] = ends.map(|it| it.parse().unwrap());
        Connection {
            protocol: protocol.to_owned(),
            client,
            virtual_address,
            server,
            state: state.to_owned(),
            expires_in,
            engine: None,
        }
    }

    #[test]
    fn addresses_are_hexadecimal_or_ipv6() {
        let lines = "\
TCP C0000201 0FA0 0A630001 0050 0A010003 1F90 ESTABLISHED     899
TCP 2001:0db8:0000:0000:0000:0000:0000:0080 9C41 2001:0db8:0000:0000:0000:0000:0000:0001 0050 0A000002 0050 SYN_RECV         9
IP  0A000001 0000 0000004D 0000 0A000002 0000 NONE            300
";
        let found: Vec<_> = read(lines.as_bytes()).into_iter().map(Result::unwrap).collect();
        assert_eq!(
            found,
            [
                connection(
                    "TCP",
                    ["192.0.2.1:4000", "10.99.0.1:80", "10.1.0.3:8080"],
                    "ESTABLISHED",
                    899
                ),
                connection(
                    "TCP",
                    ["[2001:db8::80]:40001", "[2001:db8::1]:80", "10.0.0.2:80"],
                    "SYN_RECV",
                    9
                ),
                connection("IP", ["10.0.0.1:0", "0.0.0.77:0", "10.0.0.2:0"], "NONE", 300),
            ]
        );
    }

    #[test]
    fn data_of_an_engine_is_bytes() {
        let line =
            b"UDP 0A000001 0000 0A000001 13C4 0A000002 13C4 NONE   58 sip abc\xff@host.test\n";
        let found = read(line);
        let engine = found[0].as_ref().unwrap().engine.clone();
        assert_eq!(engine, Some(("sip".to_owned(), b"abc\xff@host.test".to_vec())));
    }

    #[test]
    fn an_empty_table_has_a_heading_still() {
        assert_eq!(read(b""), []);
        let error = Walk::begin(std::io::empty()).err();
        assert!(matches!(error, Some(Error::Unsupported(_))), "{error:?}");
    }

    #[test]
    fn the_walk_ends_with_the_first_line_that_is_not_understood() {
        let good = "TCP C0000201 0FA0 0A630001 0050 0A010003 1F90 ESTABLISHED     899\n";
        let found = read(format!("{good}TCP nonsense\n{good}").as_bytes());
        assert_eq!(found.len(), 2);
        let error = found[1].as_ref().unwrap_err().to_string();
        assert!(error.ends_with("a line weir does not know: TCP nonsense"), "{error}");
    }

    #[test]
    fn a_line_without_an_end_is_not_held() {
        let found = read(&vec![b'x'; LINE_BYTES_MAX + 1]);
        assert_eq!(found.len(), 1);
        assert!(found[0].as_ref().unwrap_err().to_string().ends_with("without an end"));
    }
}
