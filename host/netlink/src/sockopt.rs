//! Real servers by the older way to ask, `getsockopt`: one system call a service where
//! netlink takes three, which is most of the time of a plain listing.
//!
//! Source: `include/uapi/linux/ip_vs.h`. It tells what netlink tells, in the same order,
//! but knows no tunnels, cuts counters to 32 bits, and passes over what has an IPv6
//! address, without a word. So it is asked first how many real servers each service has,
//! and a service of which it does not tell just as many, or of which a tunnel is asked for,
//! is left to netlink; as is everything where the kernel does not know this way.
//!
//! `/proc/net/ip_vs`, the third way, tells less and costs more: each page of it is found by
//! a walk from the first service, and it lacks thresholds and templates. From page to page it
//! leaves services out while other network namespaces have some (`ip_vs_info_seq_next` in
//! `net/netfilter/ipvs/ip_vs_ctl.c` counts theirs, `ip_vs_info_array` does not).

use std::{
    collections::HashMap,
    io,
    mem::offset_of,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use weir_ipvs::{
    Endpoint, Family, Fields, Forwarding, Protocol, RealServer, RealServerStatus, ServiceKey, Stats,
};

/// Fewer services are not worth a socket.
pub(crate) const SERVICES_MIN: usize = 3;

/// `IP_VS_SO_GET_SERVICES` and `IP_VS_SO_GET_DESTS`.
const GET_SERVICES: libc::c_int = 1154;
const GET_DESTS: libc::c_int = 1156;

/// Services that came since they were counted over netlink still fit.
const SERVICES_SPARE: usize = 16;

/// `struct ip_vs_stats_user`. Of these structs only the layout is used; what is in network
/// byte order says so.
#[repr(C)]
struct StatsUser {
    counts: [u32; 3],
    bytes: [u64; 2],
    rates: [u32; 5],
}

/// `struct ip_vs_get_services`; entries follow.
#[repr(C)]
struct GetServices {
    count: u32,
}

/// `struct ip_vs_service_entry`.
#[repr(C)]
struct ServiceEntry {
    protocol: u16,
    address_be: u32,
    port_be: u16,
    fwmark: u32,
    scheduler: [u8; 16],
    flags: u32,
    timeout: u32,
    netmask_be: u32,
    servers: u32,
    stats: StatsUser,
}

/// `struct ip_vs_get_dests`; entries follow.
#[repr(C)]
struct GetDests {
    protocol: u16,
    address_be: u32,
    port_be: u16,
    fwmark: u32,
    count: u32,
}

/// `struct ip_vs_dest_entry`.
#[repr(C)]
struct DestEntry {
    address_be: u32,
    port_be: u16,
    flags: u32,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    active: u32,
    inactive: u32,
    persistent: u32,
    stats: StatsUser,
}

const SERVICE_BYTES: usize = size_of::<ServiceEntry>();
const SERVICES_AT: usize = size_of::<GetServices>().next_multiple_of(align_of::<ServiceEntry>());
const DEST_BYTES: usize = size_of::<DestEntry>();
const DESTS_AT: usize = size_of::<GetDests>().next_multiple_of(align_of::<DestEntry>());

/// What no entry has for its flags or its count: such a place was not filled.
const UNFILLED: [u8; 4] = [0xff; 4];

/// The other way to ask, once it is known to work here.
pub(crate) struct Sockopt {
    socket: OwnedFd,
    /// How many real servers each IPv4 service has.
    counts: HashMap<ServiceKey, usize>,
    buffer: Vec<u8>,
}

impl Sockopt {
    /// Opens it for a table of about so many services; none if it cannot be used.
    pub(crate) fn open(services: usize) -> Option<Self> {
        // SAFETY: a plain system call.
        let socket =
            unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return None;
        }
        // SAFETY: the descriptor was just opened, and nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        let mut sockopt = Self { socket, counts: HashMap::new(), buffer: Vec::new() };
        sockopt.count(services + SERVICES_SPARE).ok()?;
        Some(sockopt)
    }

    fn count(&mut self, services: usize) -> io::Result<()> {
        let count_at = offset_of!(ServiceEntry, servers);
        let fwmark_at = offset_of!(ServiceEntry, fwmark);
        self.buffer.clear();
        self.buffer.resize(SERVICES_AT + services * SERVICE_BYTES, 0);
        put(&mut self.buffer, offset_of!(GetServices, count), &count_of(services)?);
        for entry in self.buffer[SERVICES_AT..].chunks_exact_mut(SERVICE_BYTES) {
            put(entry, count_at, &UNFILLED);
        }
        self.get(GET_SERVICES)?;
        let entries = self.buffer[SERVICES_AT..].chunks_exact(SERVICE_BYTES);
        let filled = entries.take_while(|entry| bytes(entry, count_at) != UNFILLED);
        self.counts = filled
            .map(|entry| {
                let key = match u32::from_ne_bytes(bytes(entry, fwmark_at)) {
                    0 => ServiceKey::Address {
                        protocol: Protocol::from_number(u16::from_ne_bytes(bytes(
                            entry,
                            offset_of!(ServiceEntry, protocol),
                        ))),
                        endpoint: endpoint(
                            entry,
                            offset_of!(ServiceEntry, address_be),
                            offset_of!(ServiceEntry, port_be),
                        ),
                    },
                    mark => ServiceKey::Fwmark { mark, family: Family::V4 },
                };
                let servers = u32::from_ne_bytes(bytes(entry, count_at));
                (key, usize::try_from(servers).unwrap_or(usize::MAX))
            })
            .collect();
        Ok(())
    }

    /// The real servers of a service, newest first, without traffic; none if it cannot tell
    /// all of them, or not all of `fields`.
    pub(crate) fn servers(
        &mut self,
        key: &ServiceKey,
        fields: Fields,
    ) -> Option<Vec<RealServerStatus>> {
        let expected = *self.counts.get(key)?;
        if expected == 0 {
            return Some(Vec::new());
        }
        // A place too many, so that one that has come since shows.
        self.ask(key, expected + 1).ok()?;
        let entries = self.buffer[DESTS_AT..].chunks_exact(DEST_BYTES);
        let mut servers = Vec::with_capacity(expected);
        let flags_at = offset_of!(DestEntry, flags);
        servers.extend(
            entries
                .take_while(|entry| bytes(entry, flags_at) != UNFILLED)
                .take(expected)
                .map(server),
        );
        let last = &self.buffer[DESTS_AT + expected * DEST_BYTES..];
        let is_whole = servers.len() == expected && bytes(last, flags_at) == UNFILLED;
        let has_tunnel = servers.iter().any(|it| it.config.forwarding == Forwarding::Tunnel);
        (is_whole && !(fields.details && has_tunnel)).then_some(servers)
    }

    fn ask(&mut self, key: &ServiceKey, places: usize) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.resize(DESTS_AT + places * DEST_BYTES, 0);
        let header = &mut self.buffer;
        put(header, offset_of!(GetDests, count), &count_of(places)?);
        match key {
            ServiceKey::Address {
                protocol,
                endpoint: Endpoint { address: IpAddr::V4(it), port },
            } => {
                put(header, offset_of!(GetDests, protocol), &protocol.number().to_ne_bytes());
                put(header, offset_of!(GetDests, address_be), &it.octets());
                put(header, offset_of!(GetDests, port_be), &port.to_be_bytes());
            }
            ServiceKey::Fwmark { mark, family: Family::V4 } => {
                put(header, offset_of!(GetDests, fwmark), &mark.to_ne_bytes());
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        for entry in self.buffer[DESTS_AT..].chunks_exact_mut(DEST_BYTES) {
            put(entry, offset_of!(DestEntry, flags), &UNFILLED);
        }
        self.get(GET_DESTS)
    }

    /// Has the kernel fill the buffer.
    fn get(&mut self, option: libc::c_int) -> io::Result<()> {
        let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let mut length = libc::socklen_t::try_from(self.buffer.len()).map_err(too_long)?;
        // SAFETY: the buffer is `length` bytes, of which the kernel writes no more.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::IPPROTO_IP,
                option,
                self.buffer.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Whether it may tell all that is asked for.
pub(crate) fn tells(fields: Fields) -> bool {
    !fields.stats
}

fn server(entry: &[u8]) -> RealServerStatus {
    let number = |at| u32::from_ne_bytes(bytes(entry, at));
    let endpoint =
        endpoint(entry, offset_of!(DestEntry, address_be), offset_of!(DestEntry, port_be));
    let forwarding = Forwarding::from_number(number(offset_of!(DestEntry, flags)));
    let weight = number(offset_of!(DestEntry, weight));
    RealServerStatus {
        config: RealServer {
            upper_threshold: number(offset_of!(DestEntry, upper_threshold)),
            lower_threshold: number(offset_of!(DestEntry, lower_threshold)),
            ..RealServer::new(endpoint, forwarding, weight)
        },
        active: number(offset_of!(DestEntry, active)),
        inactive: number(offset_of!(DestEntry, inactive)),
        persistent: number(offset_of!(DestEntry, persistent)),
        stats: Stats::default(),
    }
}

fn endpoint(entry: &[u8], address_at: usize, port_at: usize) -> Endpoint {
    let address: [u8; 4] = bytes(entry, address_at);
    Endpoint::new(Ipv4Addr::from(address), u16::from_be_bytes(bytes(entry, port_at)))
}

fn count_of(places: usize) -> io::Result<[u8; 4]> {
    let places = u32::try_from(places).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(places.to_ne_bytes())
}

fn put(buffer: &mut [u8], at: usize, value: &[u8]) {
    buffer[at..at + value.len()].copy_from_slice(value);
}

fn bytes<const N: usize>(buffer: &[u8], at: usize) -> [u8; N] {
    *buffer[at..].first_chunk().expect("entries are whole")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured with a C compiler on x86-64; another layout would make the kernel refuse.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_layout_is_that_of_the_kernel() {
        assert_eq!([SERVICES_AT, SERVICE_BYTES, DESTS_AT, DEST_BYTES], [8, 104, 24, 96]);
        assert_eq!([offset_of!(ServiceEntry, servers), offset_of!(DestEntry, active)], [44, 24]);
    }

    #[test]
    fn a_real_server_is_read_from_its_entry() {
        let mut entry = vec![0; DEST_BYTES];
        for (at, number) in (8..).step_by(4).zip([0x183_u32, 7, 9, 8, 1, 2, 3]) {
            put(&mut entry, at, &number.to_ne_bytes());
        }
        put(&mut entry, 0, &[10, 1, 0, 3, 0x1f, 0x90]);
        let found = server(&entry);
        let endpoint = "10.1.0.3:8080".parse().unwrap();
        let plain = RealServer::new(endpoint, Forwarding::Direct, 7);
        let expected = RealServer { upper_threshold: 9, lower_threshold: 8, ..plain };
        assert_eq!(found.config, expected);
        assert_eq!((found.active, found.inactive, found.persistent), (1, 2, 3));
    }
}
