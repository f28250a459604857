//! The six layouts: what each needs to read, its titles, and its columns.

use crate::{
    host::{Fields, Service, Traffic},
    listing::{
        counters,
        service::{self, Lookup},
    },
    names::Names,
    options::{Kind, Kinds},
    table::Server,
    text,
};

/// Bytes of a real server's name, and of its column.
const SERVER_WIDTH: usize = 28;
/// Room for the text of a tunnel.
const TUNNEL_BYTES_MAX: usize = 15;

/// How services and real servers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Plain,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    TunnelInfo,
}

impl Layout {
    /// The first of several that were asked for, in this order.
    pub(crate) fn of(given: Kinds) -> Self {
        [
            (Kind::Stats, Self::Stats),
            (Kind::Rate, Self::Rate),
            (Kind::Thresholds, Self::Thresholds),
            (Kind::PersistentConn, Self::PersistentConn),
            (Kind::TunnelInfo, Self::TunnelInfo),
        ]
        .into_iter()
        .find(|(kind, _)| given.contains(*kind))
        .map_or(Self::Plain, |(_, layout)| layout)
    }

    /// What is shown beside address, forwarding method and weight.
    pub(crate) fn fields(self) -> Fields {
        match self {
            Self::Plain => Fields::CONNECTIONS,
            Self::Stats | Self::Rate => Fields::STATS,
            Self::Thresholds | Self::TunnelInfo => Fields::DETAILS | Fields::CONNECTIONS,
            Self::PersistentConn => Fields::TEMPLATES | Fields::CONNECTIONS,
        }
    }

    /// The two lines at the top, some with blanks at the end.
    pub(crate) fn titles(self) -> &'static [u8] {
        match self {
            Self::Plain => {
                b"Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
            }
            Self::Stats => {
                b"Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  -> RemoteAddress:Port\n"
            }
            Self::Rate => {
                b"Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  -> RemoteAddress:Port\n"
            }
            Self::Thresholds => {
                b"Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  -> RemoteAddress:Port\n"
            }
            Self::PersistentConn => {
                b"Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  -> RemoteAddress:Port\n"
            }
            Self::TunnelInfo => {
                b"Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
            }
        }
    }

    /// Appends the line of a service.
    pub(crate) fn put_service(
        self,
        out: &mut Vec<u8>,
        names: &Names,
        service: &Service,
        exact: bool,
    ) {
        let start = out.len();
        service::put_name(out, names, &service.config.key);
        let traffic = match self {
            Self::Stats => &service.stats.total,
            Self::Rate => &service.stats.per_second,
            _ => return service::put_configuration(out, service),
        };
        text::pad(out, start, service::NAME_WIDTH);
        for value in numbers(traffic) {
            counters::put(out, value, exact);
        }
        out.push(b'\n');
    }

    /// Appends the line of a real server.
    pub(crate) fn put_server(
        self,
        out: &mut Vec<u8>,
        names: &Names,
        server: Server<'_>,
        lookup: Lookup,
        exact: bool,
    ) {
        put_server_name(out, names, server, lookup);
        match self {
            Self::Plain => put_forwarding(out, server, false),
            Self::TunnelInfo => put_forwarding(out, server, true),
            Self::Thresholds => put_columns(
                out,
                [
                    (server.upper_threshold(), 10),
                    (server.lower_threshold(), 10),
                    (server.active(), 10),
                    (server.inactive(), 10),
                ],
            ),
            Self::PersistentConn => put_columns(
                out,
                [
                    (server.weight(), 9),
                    (server.persistent(), 11),
                    (server.active(), 10),
                    (server.inactive(), 10),
                ],
            ),
            Self::Stats => {
                server.totals().into_iter().for_each(|value| counters::put(out, value, exact))
            }
            Self::Rate => put_rates(out, server.per_second(), exact),
        }
        out.push(b'\n');
    }
}

fn numbers(traffic: &Traffic) -> [u64; 5] {
    [
        traffic.connections,
        traffic.packets_in,
        traffic.packets_out,
        traffic.bytes_in,
        traffic.bytes_out,
    ]
}

fn put_server_name(out: &mut Vec<u8>, names: &Names, server: Server<'_>, lookup: Lookup) {
    out.extend_from_slice(b"  -> ");
    let start = out.len();
    let address = server.address();
    names.put(out, address, server.port(), lookup);
    if address.is_ipv4() {
        text::cut(out, start, SERVER_WIDTH);
    }
    text::pad(out, start, SERVER_WIDTH);
}

fn put_columns(out: &mut Vec<u8>, columns: [(u32, usize); 4]) {
    for (number, width) in columns {
        out.push(b' ');
        text::put_decimal_left(out, number.into(), width);
    }
}

fn put_forwarding(out: &mut Vec<u8>, server: Server<'_>, tunnel: bool) {
    out.push(b' ');
    text::put_left(out, forwarding_name(server.forwarding()), 7);
    out.push(b' ');
    if tunnel {
        let start = out.len();
        put_tunnel(out, server);
        text::cut(out, start, TUNNEL_BYTES_MAX);
        text::pad(out, start, 13);
        out.push(b' ');
    }
    let start = out.len();
    text::put_signed(out, server.weight());
    text::pad(out, start, 6);
    for number in [server.active(), server.inactive()] {
        out.push(b' ');
        text::put_decimal_left(out, number.into(), 10);
    }
}

/// Methods without a name were never meant to be seen.
fn forwarding_name(method: u8) -> &'static [u8] {
    match method {
        0 => b"Masq",
        1 => b"Local",
        2 => b"Tunnel",
        3 => b"Route",
        _ => b"(null)",
    }
}

fn put_tunnel(out: &mut Vec<u8>, server: Server<'_>) {
    match (server.forwarding(), server.tunnel_kind()) {
        (2, 0) => out.extend_from_slice(b"ipip"),
        (2, 1) => {
            out.extend_from_slice(b"gue:");
            text::put_decimal(out, server.tunnel_port().into());
            put_checksum(out, server.tunnel_checksum());
        }
        (2, 2) => {
            out.extend_from_slice(b"gre");
            put_checksum(out, server.tunnel_checksum());
        }
        _ => out.extend_from_slice(b"n/a"),
    }
}

fn put_checksum(out: &mut Vec<u8>, bits: u16) {
    out.extend_from_slice(match bits {
        _ if bits & 1 != 0 => b":+c",
        _ if bits & 2 != 0 => b":r+c",
        _ => b":-c",
    });
}

/// Connections and packets are shown in full, bytes as counters.
fn put_rates(out: &mut Vec<u8>, rates: [u64; 5], exact: bool) {
    let (full, scaled) = rates.split_at(3);
    for &rate in full {
        out.push(b' ');
        text::put_decimal_right(out, rate, 8);
    }
    for &rate in scaled {
        counters::put(out, rate, exact);
    }
}
