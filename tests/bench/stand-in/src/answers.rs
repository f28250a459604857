//! What the kernel would answer, from the made-up table. Numbers of commands and
//! attributes are of `include/uapi/linux/ip_vs.h` and `genetlink.h`.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::wire::{Header, Writer, find};

/// The number that the family has here.
pub(crate) const FAMILY: u16 = 0x20;

const CONTROLLER: u16 = 0x10;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const MULTIPLE: u16 = 2;

const GET_SERVICE: u8 = 4;
const SET_DEST: u8 = 6;
const GET_DEST: u8 = 8;
const GET_CONFIG: u8 = 13;
const GET_INFO: u8 = 15;

const NESTED: u16 = 0x8000;
const ATTR_SERVICE: u16 = 1;
const ATTR_DEST: u16 = 2;
const SERVICE_ADDR: u16 = 3;
const DEST_ADDR: u16 = 1;
const DEST_WEIGHT: u16 = 4;

const TCP: u16 = 6;
const PORT: u16 = 80;
const SERVER_PORT: u16 = 8080;
const SCHEDULER: &[u8] = b"wrr\0";
const HASHED: u32 = 2;
/// Both are of this machine, so that services can be used and real servers be checked:
/// from 127.128.0.0 and 127.1.0.0.
const SERVICES_FROM: u32 = 0x7f80_0000;
const SERVERS_FROM: u32 = 0x7f01_0000;
const SERVERS_APART: u32 = 64;
const MASQUERADE: u32 = 0;

/// The weight of every real server that nobody gave another.
const WEIGHT: u32 = 1;

/// Real servers whose weight can be changed, by their addresses: those of 64 services.
const WEIGHED_MAX: usize = 64 * SERVERS_APART as usize;

/// In what bits their weights differ from [`WEIGHT`]: zeros take no room in a file.
static WEIGHTS: [AtomicU32; WEIGHED_MAX] = [const { AtomicU32::new(0) }; WEIGHED_MAX];

/// How many services there are, and real servers of each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Table {
    services: u32,
    servers: u32,
}

/// One question, and how much of its answer is given.
#[derive(Clone, Copy)]
pub(crate) struct Question {
    pub(crate) sequence: u32,
    pub(crate) port: u32,
    pub(crate) asked: Asked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// For the number of the family.
    Family,
    /// For an acknowledgement, or why not.
    Acknowledgement(i32),
    Info,
    Config,
    /// For one service.
    Service(u32),
    /// For all services, from this on.
    Services(u32),
    /// For the real servers of a service, from this on.
    Servers(u32, u32),
    /// For the end of a dump.
    Done,
}

impl Table {
    /// From `SERVICESxSERVERS`; nonsense is an empty table.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut numbers = text.split(|it| *it == b'x').map(|digits| {
            digits.iter().fold(0_u32, |number, digit| {
                number.wrapping_mul(10).wrapping_add(u32::from(digit.wrapping_sub(b'0')))
            })
        });
        Self { services: numbers.next().unwrap_or(0), servers: numbers.next().unwrap_or(0) }
    }

    /// The service that stands at this place of the listing, which like the kernel's has
    /// no order that anybody would want.
    fn at(self, place: u32) -> u32 {
        u32::try_from(u64::from(place) * 7919 % u64::from(self.services.max(1))).unwrap_or(0)
    }
}

/// What a message to the family asks for; none if nothing is to be said.
pub(crate) fn question(header: &Header, body: &[u8]) -> Option<Asked> {
    const ACK: u16 = 4;
    const DUMP: u16 = 0x300;

    let dump = header.flags & DUMP == DUMP;
    let command = body.first().copied().unwrap_or(0);
    let attributes = body.get(4..).unwrap_or_default();
    match (header.kind, command) {
        (CONTROLLER, _) => Some(Asked::Family),
        (FAMILY, GET_SERVICE) if dump => Some(Asked::Services(0)),
        (FAMILY, GET_SERVICE) => Some(Asked::Service(service(attributes))),
        (FAMILY, GET_DEST) => Some(Asked::Servers(service(attributes), 0)),
        (FAMILY, GET_CONFIG) => Some(Asked::Config),
        (FAMILY, GET_INFO) => Some(Asked::Info),
        _ if dump => Some(Asked::Done),
        (FAMILY, SET_DEST) => {
            set_weight(attributes);
            (header.flags & ACK != 0).then_some(Asked::Acknowledgement(0))
        }
        _ if header.flags & ACK != 0 => Some(Asked::Acknowledgement(0)),
        _ => None,
    }
}

/// The place where the difference of the weight of this real server is kept.
fn weight_of(address: u32) -> Option<&'static AtomicU32> {
    WEIGHTS.get(address.wrapping_sub(SERVERS_FROM) as usize)
}

/// Takes note of the weight that a change gives.
fn set_weight(attributes: &[u8]) {
    let Some(server) = find(attributes, ATTR_DEST) else { return };
    let address = find(server, DEST_ADDR).and_then(<[u8]>::first_chunk::<4>);
    let weight = find(server, DEST_WEIGHT).and_then(<[u8]>::first_chunk::<4>);
    if let (Some(address), Some(weight)) = (address, weight)
        && let Some(kept) = weight_of(u32::from_be_bytes(*address))
    {
        kept.store(u32::from_ne_bytes(*weight) ^ WEIGHT, Ordering::Relaxed);
    }
}

/// Which service is named.
fn service(attributes: &[u8]) -> u32 {
    let address = find(attributes, ATTR_SERVICE).and_then(|it| find(it, SERVICE_ADDR));
    let octets = address.and_then(<[u8]>::first_chunk::<4>);
    octets.map_or(u32::MAX, |it| u32::from_be_bytes(*it).wrapping_sub(SERVICES_FROM))
}

/// Writes one datagram of the answer; what is left to be asked after it.
pub(crate) fn answer(out: &mut Writer<'_>, question: Question, table: Table) -> Option<Asked> {
    let mut reply = |flags, command, body: &dyn Fn(&mut Writer<'_>)| {
        generic(out, question, FAMILY, flags, command, body);
    };
    match question.asked {
        Asked::Family => generic(out, question, CONTROLLER, 0, 1, &|out| {
            out.attribute(2, b"IPVS\0");
            out.attribute(1, &FAMILY.to_ne_bytes());
            out.attribute(3, &1_u32.to_ne_bytes());
            out.attribute(4, &0_u32.to_ne_bytes());
            out.attribute(5, &6_u32.to_ne_bytes());
        }),
        Asked::Acknowledgement(errno) => acknowledge(out, question, errno),
        Asked::Info => reply(0, 14, &|out| {
            out.attribute(1, &0x0001_0201_u32.to_ne_bytes());
            out.attribute(2, &4096_u32.to_ne_bytes());
        }),
        Asked::Config => reply(0, 12, &|out| {
            for (kind, seconds) in [(4, 900_u32), (5, 120), (6, 300)] {
                out.attribute(kind, &seconds.to_ne_bytes());
            }
        }),
        Asked::Service(number) if number < table.services => {
            reply(0, 1, &|out| put_service(out, number));
        }
        Asked::Service(_) => acknowledge(out, question, libc::ESRCH),
        Asked::Services(from) => {
            return Some(
                fill(out, question, from, table.services, 1, &|out, place| {
                    put_service(out, table.at(place));
                })
                .map_or(Asked::Done, Asked::Services),
            );
        }
        Asked::Servers(service, from) => {
            let count = if service < table.services { table.servers } else { 0 };
            return Some(
                fill(out, question, from, count, 5, &|out, place| {
                    put_server(out, service, place);
                })
                .map_or(Asked::Done, |place| Asked::Servers(service, place)),
            );
        }
        Asked::Done => {
            let header = header(question, DONE, MULTIPLE);
            out.message(&header, |out| out.put(&0_i32.to_ne_bytes()));
        }
    }
    None
}

/// Writes as many entries as there is room for; where to go on, if not at the end.
fn fill(
    out: &mut Writer<'_>,
    question: Question,
    from: u32,
    count: u32,
    command: u8,
    body: &dyn Fn(&mut Writer<'_>, u32),
) -> Option<u32> {
    for place in from..count {
        let start = out.len();
        generic(out, question, FAMILY, MULTIPLE, command, &|out| body(out, place));
        if out.overflown {
            out.truncate(start);
            return Some(place);
        }
    }
    None
}

fn generic(
    out: &mut Writer<'_>,
    question: Question,
    kind: u16,
    flags: u16,
    command: u8,
    body: &dyn Fn(&mut Writer<'_>),
) {
    out.message(&header(question, kind, flags), |out| {
        out.put(&[command, 1, 0, 0]);
        body(out);
    });
}

fn acknowledge(out: &mut Writer<'_>, question: Question, errno: i32) {
    out.message(&header(question, ERROR, 0), |out| {
        out.put(&(-errno).to_ne_bytes());
        // The header of the request, which nobody looks at.
        out.put(&[0; 8]);
        out.put(&question.sequence.to_ne_bytes());
        out.put(&question.port.to_ne_bytes());
    });
}

fn header(question: Question, kind: u16, flags: u16) -> Header {
    Header { kind, flags, sequence: question.sequence, port: question.port }
}

fn put_service(out: &mut Writer<'_>, number: u32) {
    out.nest(ATTR_SERVICE | NESTED, |out| {
        out.attribute(1, &2_u16.to_ne_bytes());
        out.attribute(2, &TCP.to_ne_bytes());
        put_address(out, SERVICE_ADDR, SERVICES_FROM.wrapping_add(number));
        out.attribute(4, &PORT.to_be_bytes());
        out.attribute(6, SCHEDULER);
        out.nest(7, |out| {
            out.put(&HASHED.to_ne_bytes());
            out.put(&u32::MAX.to_ne_bytes());
        });
        out.attribute(8, &0_u32.to_ne_bytes());
        out.attribute(9, &u32::MAX.to_ne_bytes());
        put_stats(out, 10, 12);
    });
}

fn put_server(out: &mut Writer<'_>, service: u32, number: u32) {
    out.nest(ATTR_DEST | NESTED, |out| {
        let servers = SERVERS_FROM.wrapping_add(service.wrapping_mul(SERVERS_APART));
        let address = servers.wrapping_add(number);
        let weight = weight_of(address).map_or(0, |it| it.load(Ordering::Relaxed)) ^ WEIGHT;
        put_address(out, DEST_ADDR, address);
        out.attribute(2, &SERVER_PORT.to_be_bytes());
        out.attribute(3, &MASQUERADE.to_ne_bytes());
        for (kind, value) in [(DEST_WEIGHT, weight), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0)] {
            out.attribute(kind, &value.to_ne_bytes());
        }
        out.attribute(11, &2_u16.to_ne_bytes());
        out.attribute(13, &[0]);
        out.attribute(14, &[0; 2]);
        out.attribute(15, &[0; 2]);
        put_stats(out, 10, 12);
    });
}

fn put_address(out: &mut Writer<'_>, kind: u16, address: u32) {
    out.nest(kind, |out| {
        out.put(&address.to_be_bytes());
        out.put(&[0; 12]);
    });
}

/// Nothing has passed yet.
fn put_stats(out: &mut Writer<'_>, narrow: u16, wide: u16) {
    const BYTES: [u16; 2] = [4, 5];

    out.nest(narrow | NESTED, |out| {
        for kind in 1..=10 {
            let width = if BYTES.contains(&kind) { 8 } else { 4 };
            out.attribute(kind, [0; 8].get(..width).unwrap_or_default());
        }
    });
    out.nest(wide | NESTED, |out| {
        for kind in 1..=10 {
            out.attribute(kind, &[0; 8]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_the_table_is_read() {
        assert_eq!(Table::parse(b"1000x10"), Table { services: 1000, servers: 10 });
        assert_eq!(Table::parse(b""), Table::default());
    }

    #[test]
    fn every_service_is_listed_once() {
        let table = Table { services: 1000, servers: 0 };
        let mut places: Vec<_> = (0..1000).map(|it| table.at(it)).collect();
        places.sort_unstable();
        assert!(places.into_iter().eq(0..1000));
    }

    #[test]
    fn a_weight_that_is_set_is_kept() {
        let mut bytes = [0; 512];
        let mut out = Writer::new(&mut bytes);
        put_server(&mut out, 63, 63);
        let length = out.len();
        let last = SERVERS_FROM + 64 * 64 - 1;
        let kept = weight_of(last).unwrap();
        kept.store(7, Ordering::Relaxed);
        set_weight(&bytes[..length]);
        assert_eq!(kept.load(Ordering::Relaxed) ^ WEIGHT, 1, "as the entry had it");
        assert!(weight_of(last + 1).is_none() && weight_of(0).is_none());
    }

    #[test]
    fn a_service_is_found_by_its_address() {
        let mut bytes = [0; 512];
        let mut out = Writer::new(&mut bytes);
        put_service(&mut out, 258);
        let length = out.len();
        assert_eq!(service(&bytes[..length]), 258);
    }
}
