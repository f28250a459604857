//! Traffic of all services together, which the kernel tells in a file only.

use std::{fs, io};

use weir_ipvs::{Error, Stats, Traffic};

use crate::errno;

/// That of this thread: threads may live in network namespaces of their own.
const PATH: &str = "/proc/thread-self/net/ip_vs_stats";

/// Reads them, in the network namespace of this thread.
pub(crate) fn read() -> Result<Stats, Error> {
    let text = fs::read_to_string(PATH).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoIpvs,
        _ => errno::of_io(&error),
    })?;
    parse(&text)
        .ok_or_else(|| Error::Unsupported(format!("{PATH} has a form that weir does not know")))
}

/// Two lines of titles, totals, an empty line, titles, rates; every number hexadecimal.
fn parse(text: &str) -> Option<Stats> {
    let mut rows = text.lines().filter_map(row);
    let (total, per_second) = (rows.next()?, rows.next()?);
    Some(Stats { total, per_second })
}

/// The five numbers of a line, or none if it is not one of numbers.
fn row(line: &str) -> Option<Traffic> {
    let mut numbers = line.split_ascii_whitespace().map(|it| u64::from_str_radix(it, 16).ok());
    let mut next = || numbers.next().flatten();
    let traffic = Traffic {
        connections: next()?,
        packets_in: next()?,
        packets_out: next()?,
        bytes_in: next()?,
        bytes_out: next()?,
    };
    numbers.next().is_none().then_some(traffic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_hexadecimal() {
        let text = "   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
      1A       FF       10       123456789A                0

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       1        A        0               64                0
";
        let stats = parse(text).unwrap();
        assert_eq!(
            stats.total,
            Traffic {
                connections: 26,
                packets_in: 255,
                packets_out: 16,
                bytes_in: 0x12_3456_789a,
                bytes_out: 0,
            }
        );
        assert_eq!(stats.per_second.connections, 1);
        assert_eq!(stats.per_second.packets_in, 10);
        assert_eq!(stats.per_second.bytes_in, 100);
    }

    #[test]
    fn anything_else_is_not_understood() {
        for text in ["", "Conns\n", "1 2 3 4 5\n", "1 2 3 4\n1 2 3 4\n", "1 2 3 4 5 6\n1 2 3 4 5 6"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
