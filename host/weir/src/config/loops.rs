//! Services of the embedded backend whose real servers are services of it again.
//!
//! weir connects to such a real server as to any other, and so to itself. That is well as long as
//! it comes to an end; what comes back to the service where it began is connected anew for ever,
//! until no descriptor is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use weir_ipvs::{Endpoint, Protocol, ServiceKey};

use super::{reader::Section, server::ADDRESS, service::NamedService};

/// Where each real server of a service is stated, its sorry server included.
pub(super) type Stated<'t> = BTreeMap<Endpoint, Section<'t>>;

/// Notes each real server from which connections come back to its service.
pub(super) fn check(services: &[(NamedService, Stated<'_>)]) {
    let listeners = Listeners::of(services);
    let leads: Vec<_> = services.iter().map(|it| listeners.leads(it)).collect();
    let ends = ends(&leads);
    for (index, (service, stated)) in services.iter().enumerate() {
        let comes_back = |it: &&(Endpoint, usize)| !ends[it.1] && reaches(&leads, it.1, index);
        for &(server, target) in leads[index].iter().filter(comes_back) {
            let by = match target == index {
                true => String::new(),
                false => format!(", by service {}", services[target].0.name),
            };
            let name = &service.name;
            let message = format!("connections to {server} come back to service {name}{by}");
            let remedy = "without end: give the address of a real server";
            stated[&server].note_at(ADDRESS.name, format!("{message}, {remedy}"));
        }
    }
}

/// Real servers of a service that are services themselves, each with the number of that.
type Leads = Vec<(Endpoint, usize)>;

/// Of each service, whether its connections come to an end whichever way they go: found once for
/// all, for services may be many, and those that do not end are few.
fn ends(leads: &[Leads]) -> Vec<bool> {
    let mut leading_to = vec![Vec::new(); leads.len()];
    for (service, leads) in leads.iter().enumerate() {
        leads.iter().for_each(|it| leading_to[it.1].push(service));
    }
    let mut open: Vec<usize> = leads.iter().map(Vec::len).collect();
    let mut ended: Vec<usize> = (0..leads.len()).filter(|it| open[*it] == 0).collect();
    let mut ends = vec![false; leads.len()];
    while let Some(service) = ended.pop() {
        ends[service] = true;
        for &it in &leading_to[service] {
            open[it] -= 1;
            if open[it] == 0 {
                ended.push(it);
            }
        }
    }
    ends
}

/// Whether connections to the service `from` come to the service `to`.
fn reaches(leads: &[Leads], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut left = vec![from];
    while let Some(next) = left.pop() {
        if next == to {
            return true;
        }
        if seen.insert(next) {
            left.extend(leads[next].iter().map(|it| it.1));
        }
    }
    false
}

/// Where weir listens.
struct Listeners {
    /// The number of each service that is forwarded.
    services: BTreeMap<ServiceKey, usize>,
    /// Addresses of this machine, as far as the configuration tells.
    addresses: BTreeSet<IpAddr>,
}

impl Listeners {
    fn of(services: &[(NamedService, Stated<'_>)]) -> Self {
        let keys = services.iter().map(|it| it.0.service.key).enumerate();
        let all = keys.filter_map(|(index, key)| Some((key, index, forwarded(&key)?.1)));
        let all: Vec<_> = all.collect();
        Self {
            addresses: all.iter().map(|it| it.2.address).collect(),
            services: all.iter().map(|it| (it.0, it.1)).collect(),
        }
    }

    fn leads(&self, (service, stated): &(NamedService, Stated<'_>)) -> Leads {
        let Some((protocol, _)) = forwarded(&service.service.key) else { return Leads::new() };
        let lead = |it: &Endpoint| Some((*it, self.service_at(protocol, *it)?));
        stated.keys().filter_map(lead).collect()
    }

    /// The service that a connection to `server` comes to: the one that has this address, before
    /// the one that has every address of this machine.
    fn service_at(&self, protocol: Protocol, server: Endpoint) -> Option<usize> {
        let exact = Endpoint { address: server.address.to_canonical(), ..server };
        let every = Endpoint { address: exact.family().unspecified(), ..server };
        let is_own = exact.address.is_loopback() || self.addresses.contains(&exact.address);
        let service = |it: Endpoint| self.services.get(&ServiceKey::from((protocol, it)));
        service(exact).or_else(|| service(every).filter(|_| is_own)).copied()
    }
}

/// Where it listens, if the embedded backend forwards it.
fn forwarded(key: &ServiceKey) -> Option<(Protocol, Endpoint)> {
    match *key {
        ServiceKey::Address { protocol: protocol @ (Protocol::Tcp | Protocol::Udp), endpoint } => {
            (endpoint.port != 0).then_some((protocol, endpoint))
        }
        _ => None,
    }
}
