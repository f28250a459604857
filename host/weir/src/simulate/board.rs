//! What is so at this moment, as facts ask for it: the table, what checks say, and what was
//! counted so far.

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::{Change, Endpoint, RealServerKey, ServiceKey, Snapshot};
use weir_wasm::HealthStatus;

use super::scenario::{
    Claim, Fact, Guard, Names, Percentile, ServerNumber, Servers, ServiceNumber, Total, Written,
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The table.
    pub(crate) table: BTreeMap<ServiceKey, BTreeMap<Endpoint, Row>>,
    /// What checks say of real servers that are checked.
    pub(crate) health: BTreeMap<RealServerKey, Health>,
    /// Why the weight of a real server was last changed.
    pub(crate) reasons: BTreeMap<RealServerKey, String>,
    /// Requests that wait at each real server that is described.
    pub(crate) waiting: BTreeMap<Endpoint, u32>,
    /// What weir wrote.
    pub(crate) writes: Vec<(Duration, Change)>,
    /// What weir logged.
    pub(crate) lines: Vec<(Duration, String)>,
    /// New connections of each real server.
    pub(crate) new: BTreeMap<RealServerKey, u64>,
    /// What came of the requests of each kind of clients.
    pub(crate) clients: Vec<Counts>,
    /// A change of a weight that weir gave no reason for.
    pub(crate) unexplained: Option<String>,
}

/// A real server in the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its weight.
    pub(crate) weight: u32,
    /// Active connections.
    pub(crate) active: u32,
    /// Inactive connections.
    pub(crate) inactive: u32,
}

/// What checks say of a real server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Their verdict.
    pub(crate) status: HealthStatus,
    /// Failed probes in a row.
    pub(crate) failing: u32,
    /// Probes so far.
    pub(crate) probes: u64,
}

/// What came of requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Those that were answered, with the time it took.
    pub(crate) latencies: Vec<Duration>,
    /// Those that failed, and were not tried again.
    pub(crate) failures: u64,
}

impl Board {
    /// Takes in a reading of the whole table.
    pub(crate) fn read(&mut self, snapshot: &Snapshot) {
        self.table = snapshot
            .entries
            .iter()
            .map(|entry| {
                let rows = entry.servers.iter().map(|it| {
                    let (weight, active) = (it.config.weight, it.active);
                    (it.config.endpoint, Row { weight, active, inactive: it.inactive })
                });
                (entry.service.config.key, rows.collect())
            })
            .collect();
    }

    /// Whether `fact` is so, while `guard` is.
    pub(crate) fn holds(&self, fact: &Fact, guard: Option<&Guard>) -> bool {
        match guard {
            Some(Guard::Other(condition)) if !self.holds(condition, None) => true,
            Some(Guard::Same(condition)) => match fact {
                Fact::Servers(servers, claim) => self
                    .keys(servers)
                    .into_iter()
                    .all(|key| !self.is_so(key, condition) || self.is_so(key, claim)),
                Fact::Service(..) => true,
            },
            _ => self.is_fact(fact),
        }
    }

    fn is_fact(&self, fact: &Fact) -> bool {
        match fact {
            Fact::Service(key, number, comparison) => {
                comparison.holds(self.service_number(key, *number).into())
            }
            Fact::Servers(servers, claim) => {
                let keys = self.keys(servers);
                let named = servers.which.iter().flatten();
                let is_there = |it: &Endpoint| keys.iter().any(|key| key.server == *it);
                match claim {
                    Claim::Present(present) => {
                        let in_table = |it: &Endpoint| {
                            keys.iter().any(|key| key.server == *it && self.row(*key).is_some())
                        };
                        named.clone().all(|it| in_table(it) == *present)
                    }
                    // What is said of one that is nowhere does not hold.
                    _ => {
                        named.clone().all(is_there)
                            && keys.into_iter().all(|key| self.is_so(key, claim))
                    }
                }
            }
        }
    }

    /// The real servers that are meant, in every service that has or checks them.
    fn keys(&self, servers: &Servers) -> Vec<RealServerKey> {
        let in_table = self.table.iter().flat_map(|(service, rows)| {
            rows.keys().map(|server| RealServerKey { service: *service, server: *server })
        });
        let mut keys: Vec<_> = in_table.chain(self.health.keys().copied()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| {
            servers.service.is_none_or(|it| it == key.service)
                && servers.which.as_ref().is_none_or(|it| it.contains(&key.server))
        });
        keys
    }

    /// The weight of a real server, if it is in the table.
    pub(crate) fn weight(&self, key: RealServerKey) -> Option<u32> {
        self.row(key).map(|it| it.weight)
    }

    fn row(&self, key: RealServerKey) -> Option<Row> {
        self.table.get(&key.service)?.get(&key.server).copied()
    }

    fn is_so(&self, key: RealServerKey, claim: &Claim) -> bool {
        match claim {
            Claim::Number(number, comparison) => {
                self.server_number(key, *number).is_some_and(|it| comparison.holds(it.into()))
            }
            Claim::Status(status) => self.status(key) == *status,
            Claim::Present(present) => self.row(key).is_some() == *present,
            Claim::Reason(text) => self.reasons.get(&key).is_some_and(|it| it.contains(text)),
        }
    }

    fn status(&self, key: RealServerKey) -> HealthStatus {
        self.health.get(&key).map_or(HealthStatus::Unknown, |it| it.status)
    }

    fn server_number(&self, key: RealServerKey, number: ServerNumber) -> Option<u32> {
        let row = self.row(key);
        match number {
            ServerNumber::Weight => row.map(|it| it.weight),
            ServerNumber::Active => row.map(|it| it.active),
            ServerNumber::Inactive => row.map(|it| it.inactive),
            ServerNumber::Connections => row.map(|it| it.active.saturating_add(it.inactive)),
            ServerNumber::Failing => Some(self.health.get(&key).map_or(0, |it| it.failing)),
            ServerNumber::Waiting => Some(self.waiting.get(&key.server).copied().unwrap_or(0)),
        }
    }

    fn service_number(&self, service: &ServiceKey, number: ServiceNumber) -> u32 {
        let Some(rows) = self.table.get(service) else { return 0 };

        let is_up = |server: &Endpoint| {
            let key = RealServerKey { service: *service, server: *server };
            self.status(key) == HealthStatus::Up
        };
        let count = match number {
            ServiceNumber::Servers => rows.len(),
            ServiceNumber::Eligible => rows.values().filter(|it| it.weight > 0).count(),
            ServiceNumber::Up => rows.keys().filter(|it| is_up(it)).count(),
            ServiceNumber::Weight => {
                return rows.values().fold(0, |sum: u32, it| sum.saturating_add(it.weight));
            }
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// New connections of one real server since `since`.
    pub(crate) fn new_of(&self, service: ServiceKey, server: Endpoint, since: &Mark) -> u64 {
        let key = RealServerKey { service, server };
        let now = self.new.get(&key).copied().unwrap_or(0);
        now - since.new.get(&key).copied().unwrap_or(0)
    }

    /// What checks say of one real server.
    pub(crate) fn status_of(&self, service: ServiceKey, server: Endpoint) -> HealthStatus {
        self.status(RealServerKey { service, server })
    }

    /// What was counted of `total` from `since` on, a moment that [`Board::mark`] kept.
    /// None = nothing to compare with: no request, no connection.
    pub(crate) fn total(&self, total: &Total, since: &Mark) -> Option<f64> {
        let (all, sum) = (self.clients.len(), |it: &[u64]| it.iter().sum::<u64>());
        let chosen = |clients: Option<usize>| match clients {
            Some(it) => it..it + 1,
            None => 0..all,
        };
        let number = match total {
            Total::Writes(to) => count(self.written(since, to.as_ref())),
            Total::Log(text) => {
                count(self.lines[since.lines..].iter().filter(|it| it.1.contains(text)))
            }
            Total::New(servers) => sum(&self.new_since(servers, since)),
            Total::Share(servers) => {
                let mut all = Servers { which: None, ..servers.clone() };
                if all.service.is_none() {
                    all.service = self.keys(servers).first().map(|it| it.service);
                }
                let (own, all) =
                    (sum(&self.new_since(servers, since)), sum(&self.new_since(&all, since)));
                return (all > 0).then(|| ratio(own, all));
            }
            Total::Probes(servers) => {
                let probes = |key: &RealServerKey| {
                    let before = since.probes.get(key).copied().unwrap_or(0);
                    // A restart of weir begins to count anew.
                    self.health.get(key).map_or(0, |it| it.probes.saturating_sub(before))
                };
                self.keys(servers).iter().map(probes).sum()
            }
            Total::Turns(servers) => {
                self.keys(servers).iter().map(|it| self.turns(*it, since)).sum()
            }
            Total::Requests(clients) => chosen(*clients)
                .map(|it| {
                    let (counts, (answers, failures)) = (&self.clients[it], since.clients[it]);
                    count(counts.latencies[answers..].iter()) + counts.failures - failures
                })
                .sum(),
            Total::Failures(clients) => {
                chosen(*clients).map(|it| self.clients[it].failures - since.clients[it].1).sum()
            }
            Total::Latency(part, clients) => {
                let mut all: Vec<Duration> = chosen(*clients)
                    .flat_map(|it| &self.clients[it].latencies[since.clients[it].0..])
                    .copied()
                    .collect();
                return percentile(&mut all, *part).map(|it| it.as_secs_f64());
            }
        };
        Some(from_u64(number))
    }

    /// What weir wrote since `since`, to what is meant; none = to anything.
    pub(crate) fn written<'b>(
        &'b self,
        since: &Mark,
        to: Option<&'b Written>,
    ) -> impl Iterator<Item = &'b (Duration, Change)> {
        self.writes[since.writes..].iter().filter(move |it| is_written(&it.1, to))
    }

    /// This moment, to count from.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            writes: self.writes.len(),
            lines: self.lines.len(),
            new: self.new.clone(),
            probes: self.health.iter().map(|(key, it)| (*key, it.probes)).collect(),
            clients: self.clients.iter().map(|it| (it.latencies.len(), it.failures)).collect(),
        }
    }

    /// How often the weight of one real server turned round.
    fn turns(&self, key: RealServerKey, since: &Mark) -> u64 {
        let written = self.writes[since.writes..].iter().filter_map(|(_, change)| match change {
            Change::AddServer(service, it) | Change::EditServer(service, it)
                if *service == key.service && it.endpoint == key.server =>
            {
                Some(it.weight)
            }
            _ => None,
        });
        let weights: Vec<u32> = written.collect();
        let ways: Vec<_> = weights.windows(2).map(|it| it[0].cmp(&it[1])).collect();
        count(ways.windows(2).filter(|it| it[0] == it[1].reverse() && it[0].is_ne()))
    }

    fn new_since(&self, servers: &Servers, since: &Mark) -> Vec<u64> {
        let keys = self.keys(servers);
        let new = self.new.iter().filter(|it| keys.contains(it.0));
        new.map(|(key, it)| it - since.new.get(key).copied().unwrap_or(0)).collect()
    }
}

/// Whether a write is to what is meant; none = anything.
fn is_written(change: &Change, to: Option<&Written>) -> bool {
    let Some(to) = to else { return true };
    let (service, server) = match change {
        Change::AddService(it) | Change::EditService(it) => (Some(it.key), None),
        Change::DeleteService(key) => (Some(*key), None),
        Change::AddServer(service, it) | Change::EditServer(service, it) => {
            (Some(*service), Some(it.endpoint))
        }
        Change::DeleteServer(key) => (Some(key.service), Some(key.server)),
        _ => (None, None),
    };
    match to {
        Written::Service(key) => service == Some(*key),
        Written::Servers(servers) => {
            let named = |it: Endpoint| servers.which.as_ref().is_none_or(|w| w.contains(&it));
            server.is_some_and(named) && servers.service.is_none_or(|it| Some(it) == service)
        }
    }
}

/// A moment, to count from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mark {
    writes: usize,
    lines: usize,
    new: BTreeMap<RealServerKey, u64>,
    probes: BTreeMap<RealServerKey, u64>,
    /// Of each kind: answers and failures.
    clients: Vec<(usize, u64)>,
}

impl Mark {
    /// Answers and failures of these clients at this moment; none before they began.
    pub(crate) fn of_clients(&self, clients: usize) -> (usize, u64) {
        self.clients.get(clients).copied().unwrap_or_default()
    }

    /// The number of writes at this moment.
    pub(crate) fn writes(&self) -> usize {
        self.writes
    }
}

/// The value that so many of all are at or below.
pub(crate) fn percentile(values: &mut [Duration], part: Percentile) -> Option<Duration> {
    let last = values.len().checked_sub(1)?;
    let rank = (values.len() * part.0).div_ceil(Percentile::ALL);
    Some(*values.select_nth_unstable(rank.saturating_sub(1).min(last)).1)
}

/// What is seen where `fact` was looked for, in words: of several real servers, those of
/// which it `holds` and should not, or the other way round.
pub(crate) fn show(
    board: &Board,
    fact: &Fact,
    guard: Option<&Guard>,
    holds: bool,
    names: &Names,
) -> String {
    match fact {
        Fact::Service(key, number, _) => {
            let word = match number {
                ServiceNumber::Servers => "servers",
                ServiceNumber::Eligible => "eligible",
                ServiceNumber::Up => "up",
                ServiceNumber::Weight => "weight",
            };
            format!("{} {word} {}", names.service(key), board.service_number(key, *number))
        }
        Fact::Servers(servers, claim) => {
            let is_meant = |key: &RealServerKey| match guard {
                Some(Guard::Same(condition)) => board.is_so(*key, condition),
                _ => true,
            };
            let keys = board.keys(servers);
            let named = servers.which.iter().flatten();
            let nowhere = named.filter(|it| !keys.iter().any(|key| key.server == **it));
            let nowhere = nowhere.map(|it| format!("{} absent", names.server(*it)));
            let wrong = keys.iter().filter(|it| is_meant(it) && board.is_so(**it, claim) != holds);
            let wrong = wrong.map(|key| {
                let has_many = keys.iter().filter(|it| it.server == key.server).count() > 1;
                let place = match has_many {
                    true => format!(" in {}", names.service(&key.service)),
                    false => String::new(),
                };
                format!("{}{place} {}", names.server(key.server), board.show_claim(*key, claim))
            });
            nowhere.chain(wrong).collect::<Vec<_>>().join(", ")
        }
    }
}

impl Board {
    fn show_claim(&self, key: RealServerKey, claim: &Claim) -> String {
        match claim {
            Claim::Number(number, _) => {
                let word = match number {
                    ServerNumber::Weight => "weight",
                    ServerNumber::Active => "active",
                    ServerNumber::Inactive => "inactive",
                    ServerNumber::Connections => "connections",
                    ServerNumber::Failing => "failing",
                    ServerNumber::Waiting => "waiting",
                };
                let number = self.server_number(key, *number);
                number.map_or_else(|| "absent".to_owned(), |it| format!("{word} {it}"))
            }
            Claim::Status(_) => status_word(self.status(key)).to_owned(),
            Claim::Present(_) => {
                if self.row(key).is_some() { "present" } else { "absent" }.to_owned()
            }
            Claim::Reason(_) => match self.reasons.get(&key) {
                Some(it) => format!("reason \"{it}\""),
                None => "weight never changed".to_owned(),
            },
        }
    }
}

/// A verdict in a word.
pub(crate) fn status_word(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Unknown => "unknown",
        HealthStatus::Up => "up",
        HealthStatus::Down => "down",
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

fn ratio(part: u64, whole: u64) -> f64 {
    from_u64(part) / from_u64(whole)
}

/// Exact below 2^53, which nothing that is counted here exceeds.
fn from_u64(number: u64) -> f64 {
    number as f64
}
