//! Services and real servers as a listing wants them: taken from the host in pages of
//! columns, and put in order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    host::{AddressFamily, Fields, RealServerColumns, Service, ServiceKey, Table, from_host},
    order::{self, ServiceRank},
    wording,
};

/// Services a crossing.
const SERVICES_PER_PAGE: u32 = 1024;
/// Services whose real servers come in the first crossing; later ones adapt.
const SERVICES_PER_PAGE_FIRST: u32 = 64;
/// Real servers a crossing should bring: enough to make it worth its price, and not so
/// many that a copy of them matters.
const ROWS_PER_PAGE: usize = 16 << 10;

/// A table, in the order of its listing.
pub(crate) struct Contents {
    services: Vec<Service>,
    order: Vec<u32>,
    /// Where the real servers of each service are.
    spans: Vec<Span>,
    /// Rows of the pages, service after service, in the order of the listing.
    rows: Vec<u32>,
    pages: Vec<RealServerColumns>,
}

#[derive(Clone, Copy, Default)]
struct Span {
    page: usize,
    start: usize,
    end: usize,
}

/// One real server: a row of a page.
#[derive(Clone, Copy)]
pub(crate) struct Server<'a> {
    columns: &'a RealServerColumns,
    row: usize,
}

impl Contents {
    /// Reads all of `table`; `sorted`, or in the kernel's order.
    pub(crate) fn load(table: &dyn Table, fields: Fields, sorted: bool) -> Self {
        let services = load_services(table);
        let mut contents = Self {
            order: order_services(&services, sorted),
            spans: vec![Span::default(); services.len()],
            services,
            rows: Vec::new(),
            pages: Vec::new(),
        };
        contents.load_servers(table, fields, sorted);
        contents
    }

    /// How many services there are.
    pub(crate) fn size(&self) -> usize {
        self.order.len()
    }

    /// A service by its place in the listing, and its real servers.
    pub(crate) fn get(&self, place: usize) -> (&Service, impl Iterator<Item = Server<'_>>) {
        let index = self.order[place] as usize;
        (&self.services[index], self.servers(self.spans[index]))
    }

    fn servers(&self, span: Span) -> impl Iterator<Item = Server<'_>> {
        let page = self.pages.get(span.page);
        let rows = &self.rows[span.start..span.end];
        page.into_iter()
            .flat_map(|columns| rows.iter().map(move |&row| Server { columns, row: row as usize }))
    }

    fn load_servers(&mut self, table: &dyn Table, fields: Fields, sorted: bool) {
        let mut count = SERVICES_PER_PAGE_FIRST;
        let mut first = 0;
        while (first as usize) < self.services.len() {
            let columns = table.columns(first, count, fields);
            let size = columns.service.len();
            self.add_page(columns, sorted);
            first = first.saturating_add(count);
            count = match size {
                0..ROWS_PER_PAGE => count.saturating_mul(2),
                _ => (count / 2).max(1),
            };
        }
    }

    fn add_page(&mut self, columns: RealServerColumns, sorted: bool) {
        let page = self.pages.len();
        let mut row = 0;
        for group in columns.service.chunk_by(|left, right| left == right) {
            let start = self.rows.len();
            self.rows.extend((row..).take(group.len()));
            row += u32::try_from(group.len()).unwrap_or(u32::MAX);
            if sorted && group.len() > 1 {
                sort_rows(&columns, &mut self.rows[start..]);
            }
            if let Some(span) = self.spans.get_mut(group[0] as usize) {
                *span = Span { page, start, end: self.rows.len() };
            }
        }
        self.pages.push(columns);
    }
}

fn load_services(table: &dyn Table) -> Vec<Service> {
    let mut services = Vec::new();
    let mut first = 0;
    loop {
        let page = table.services(first, SERVICES_PER_PAGE);
        if page.is_empty() {
            return services;
        }
        first += SERVICES_PER_PAGE;
        services.extend(page);
    }
}

fn order_services(services: &[Service], sorted: bool) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(services.len()).collect();
    if sorted {
        let ranks: Vec<_> = services.iter().map(|service| rank(&service.config.key)).collect();
        order::sort(&mut order, &|&left, &right| {
            order::compare_services(&ranks[left as usize], &ranks[right as usize])
        });
    }
    order
}

fn rank(key: &ServiceKey) -> ServiceRank {
    match key {
        ServiceKey::Vip(vip) => ServiceRank {
            fwmark: 0,
            protocol: wording::protocol_number(&vip.protocol),
            address: from_host(&vip.endpoint.address),
            port: vip.endpoint.port,
        },
        ServiceKey::Fwmark(fwmark) => {
            let address = match fwmark.family {
                AddressFamily::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                AddressFamily::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            ServiceRank { fwmark: fwmark.mark, protocol: 0, address, port: 0 }
        }
    }
}

fn sort_rows(columns: &RealServerColumns, rows: &mut [u32]) {
    let mut keyed: Vec<_> = rows
        .iter()
        .map(|&row| {
            let server = Server { columns, row: row as usize };
            ((server.address(), server.port()), row)
        })
        .collect();
    order::sort(&mut keyed, &|left, right| order::compare_endpoints(&left.0, &right.0));
    for (row, (_, sorted)) in rows.iter_mut().zip(keyed) {
        *row = sorted;
    }
}

/// A number that is 0 where the column was not asked for.
fn at<T: Copy + Default>(column: &[T], row: usize) -> T {
    column.get(row).copied().unwrap_or_default()
}

impl Server<'_> {
    pub(crate) fn address(&self) -> IpAddr {
        let bytes: [u8; 16] = self
            .columns
            .address
            .get(16 * self.row..)
            .and_then(|bytes| bytes.first_chunk())
            .copied()
            .unwrap_or_default();
        match (at(&self.columns.family, self.row), bytes) {
            (6, bytes) => IpAddr::from(bytes),
            (_, [a, b, c, d, ..]) => IpAddr::from([a, b, c, d]),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        at(&self.columns.port, self.row)
    }

    /// The kernel's number of the forwarding method.
    pub(crate) fn forwarding(&self) -> u8 {
        at(&self.columns.forwarding, self.row)
    }

    pub(crate) fn weight(&self) -> u32 {
        at(&self.columns.weight, self.row)
    }

    pub(crate) fn upper_threshold(&self) -> u32 {
        at(&self.columns.upper_threshold, self.row)
    }

    pub(crate) fn lower_threshold(&self) -> u32 {
        at(&self.columns.lower_threshold, self.row)
    }

    /// The kernel's number of the type of tunnel.
    pub(crate) fn tunnel_kind(&self) -> u8 {
        at(&self.columns.tunnel_kind, self.row)
    }

    pub(crate) fn tunnel_port(&self) -> u16 {
        at(&self.columns.tunnel_port, self.row)
    }

    /// The kernel's bits: 1 checksum, 2 remote checksum.
    pub(crate) fn tunnel_checksum(&self) -> u16 {
        at(&self.columns.tunnel_checksum, self.row)
    }

    pub(crate) fn active(&self) -> u32 {
        at(&self.columns.active, self.row)
    }

    pub(crate) fn inactive(&self) -> u32 {
        at(&self.columns.inactive, self.row)
    }

    pub(crate) fn persistent(&self) -> u32 {
        at(&self.columns.persistent, self.row)
    }

    /// Connections, packets in and out, bytes in and out since zeroed.
    pub(crate) fn totals(&self) -> [u64; 5] {
        std::array::from_fn(|index| at(&self.columns.totals, 5 * self.row + index))
    }

    /// The same, per second.
    pub(crate) fn per_second(&self) -> [u64; 5] {
        std::array::from_fn(|index| at(&self.columns.per_second, 5 * self.row + index))
    }
}
