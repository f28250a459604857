//! What goes wrong with real servers by itself, once it was ordered: flapping and chaos.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_ipvs::Endpoint;

use super::scenario::{Change, Chaos, Fault};
use crate::random::Random;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Disorder {
    flapping: BTreeMap<Endpoint, Flapping>,
    orders: u32,
    chaos: Vec<Raging>,
}

#[derive(Debug, Clone, Copy)]
struct Flapping {
    order: u32,
    fault: Fault,
    down: Duration,
    up: Duration,
    until: Duration,
    is_down: bool,
}

#[derive(Debug)]
struct Raging {
    chaos: Chaos,
    random: Random,
    until: Duration,
    struck: BTreeSet<Endpoint>,
}

/// What happens to a server now, and when to ask again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Turn {
    /// To whom.
    pub(crate) server: Endpoint,
    /// What; none = it recovers.
    pub(crate) fault: Option<Fault>,
    /// In how long there is another turn.
    pub(crate) next: Option<Duration>,
}

impl Disorder {
    /// A server begins to flap at `now`: the number of this order, for [`Disorder::flap`].
    /// None = `change` is no flapping, and ends any.
    pub(crate) fn order(&mut self, now: Duration, server: Endpoint, change: Change) -> Option<u32> {
        self.flapping.remove(&server);
        let Change::Flap { fault, down, up, lasting } = change else { return None };
        self.orders += 1;
        let order = self.orders;
        let until = lasting.map_or(Duration::MAX, |it| now.saturating_add(it));
        let flapping = Flapping { order, fault, down, up, until, is_down: false };
        self.flapping.insert(server, flapping);
        Some(order)
    }

    /// The next turn of a server that flaps, unless it was told otherwise since.
    pub(crate) fn flap(&mut self, now: Duration, server: Endpoint, order: u32) -> Option<Turn> {
        let flapping = self.flapping.get_mut(&server).filter(|it| it.order == order)?;
        if now >= flapping.until {
            self.flapping.remove(&server);
            return Some(Turn { server, fault: None, next: None });
        }
        flapping.is_down = !flapping.is_down;
        let (fault, lasts) = match flapping.is_down {
            true => (Some(flapping.fault), flapping.down),
            false => (None, flapping.up),
        };
        let next = lasts.min(flapping.until.saturating_sub(now));
        Some(Turn { server, fault, next: Some(next) })
    }

    /// Chaos begins at `now`: its number, and in how long it strikes first.
    pub(crate) fn begin(
        &mut self,
        now: Duration,
        chaos: &Chaos,
        mut random: Random,
    ) -> (usize, Duration) {
        let first = chaos.every.draw(&mut random);
        let until = chaos.span.map_or(Duration::MAX, |it| now.saturating_add(it));
        let struck = BTreeSet::new();
        self.chaos.push(Raging { chaos: chaos.clone(), random, until, struck });
        (self.chaos.len() - 1, first)
    }

    /// Chaos strikes: what happens, if anything, and in how long it strikes again.
    pub(crate) fn strike(
        &mut self,
        now: Duration,
        number: usize,
    ) -> (Option<(Turn, Duration)>, Option<Duration>) {
        let raging = &mut self.chaos[number];
        if now >= raging.until {
            return (None, None);
        }
        let next = raging.chaos.every.draw(&mut raging.random).max(Duration::from_millis(1));
        let well: Vec<Endpoint> =
            raging.chaos.servers.iter().filter(|it| !raging.struck.contains(it)).copied().collect();
        if raging.struck.len() >= raging.chaos.at_most || well.is_empty() {
            return (None, Some(next));
        }
        let server = *pick(&well, &mut raging.random);
        let fault = *pick(&raging.chaos.faults, &mut raging.random);
        let lasts = raging.chaos.lasting.draw(&mut raging.random);
        raging.struck.insert(server);
        (Some((Turn { server, fault: Some(fault), next: None }, lasts)), Some(next))
    }

    /// What chaos did to a server ends.
    pub(crate) fn relent(&mut self, number: usize, server: Endpoint) -> Turn {
        self.chaos[number].struck.remove(&server);
        Turn { server, fault: None, next: None }
    }
}

fn pick<'a, T>(from: &'a [T], random: &mut Random) -> &'a T {
    let many = u64::try_from(from.len()).unwrap_or(u64::MAX);
    let chosen = usize::try_from(random.number() % many).unwrap_or_default();
    &from[chosen]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::distribution::Distribution;

    const SECOND: Duration = Duration::from_secs(1);

    fn server(last: u8) -> Endpoint {
        Endpoint::new([10, 0, 0, last], 80)
    }

    #[test]
    fn a_flapping_server_changes_until_its_time_is_over() {
        let mut disorder = Disorder::default();
        let flap = Change::Flap {
            fault: Fault::Crash,
            down: SECOND * 2,
            up: SECOND * 3,
            lasting: Some(SECOND * 6),
        };
        let order = disorder.order(SECOND, server(1), flap).unwrap();
        let mut now = SECOND;
        let mut turns = Vec::new();
        while let Some(turn) = disorder.flap(now, server(1), order) {
            turns.push((now.as_secs(), turn.fault.is_some()));
            let Some(next) = turn.next else { break };
            now += next;
        }
        assert_eq!(turns, [(1, true), (3, false), (6, true), (7, false)]);
    }

    #[test]
    fn another_order_replaces_the_one_before() {
        let mut disorder = Disorder::default();
        let (down, up) = (SECOND, SECOND);
        let flap = Change::Flap { fault: Fault::Silence, down, up, lasting: None };
        let first = disorder.order(SECOND, server(1), flap).unwrap();
        let second = disorder.order(SECOND, server(1), flap).unwrap();
        assert_eq!(disorder.flap(SECOND, server(1), first), None);
        assert!(disorder.flap(SECOND, server(1), second).is_some());
        disorder.order(SECOND, server(1), Change::Recover);
        assert_eq!(disorder.flap(SECOND, server(1), second), None);
    }

    #[test]
    fn chaos_keeps_to_its_bounds_and_a_seed_repeats_it() {
        let rage = |seed: u64| {
            let mut disorder = Disorder::default();
            let chaos = Chaos {
                servers: vec![server(1), server(2), server(3)],
                faults: vec![Fault::Crash, Fault::Silence],
                every: Distribution::Exponential(SECOND),
                lasting: Distribution::Constant(SECOND),
                at_most: 2,
                span: Some(SECOND * 60),
            };
            let (number, first) =
                disorder.begin(Duration::ZERO, &chaos, Random::named(&seed.to_string()));
            let (mut now, mut struck, mut strikes) = (first, Vec::new(), 0);
            while let (turn, Some(next)) = disorder.strike(now, number) {
                struck.extend(turn.map(|it| (now, it.0.server)));
                assert!(disorder.chaos[number].struck.len() <= 2);
                strikes += 1;
                if strikes % 3 == 0 {
                    let server = disorder.chaos[number].struck.iter().next().copied();
                    server.map(|it| disorder.relent(number, it));
                }
                now += next;
            }
            assert!(now >= SECOND * 60);
            struck
        };
        assert!(rage(1).len() > 10);
        assert_eq!(rage(1), rage(1));
        assert_ne!(rage(1), rage(2));
    }
}
