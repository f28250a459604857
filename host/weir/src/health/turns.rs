//! Whose turn it is to probe: so many probes in all, and so many to one server. Pure.
//!
//! First come, first served, by the time at which probes were due. Who waits for a server
//! holds up nobody who asks another.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

/// Probes under way at one time, all together. Bounds descriptors; a probe that waits here is
/// late, not failed.
pub(crate) const PROBES_IN_FLIGHT: usize = 512;

/// The same to one address and port: a server is not to be busy with being asked how it is. Of a
/// host that has fallen silent, each of its servers is found down as soon as if it were alone.
const TO_ONE_SERVER: usize = 2;

/// The same of external commands, each a process.
const COMMANDS_IN_FLIGHT: usize = 16;

/// The same of checks by plugins, each a thread.
const PLUGINS_IN_FLIGHT: usize = 64;

/// What is waited for beside a turn in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// A server; where several have one address (a virtual one), with the mark that tells them
    /// apart.
    Server(SocketAddr, Option<u32>),
    /// External commands, wherever they go.
    Commands,
    /// Checks by plugins.
    Plugins,
}

impl Lane {
    fn width(self) -> usize {
        match self {
            Self::Server(..) => TO_ONE_SERVER,
            Self::Commands => COMMANDS_IN_FLIGHT,
            Self::Plugins => PLUGINS_IN_FLIGHT,
        }
    }
}

/// Who has a turn, and who waits for one.
#[derive(Debug)]
pub(super) struct Turns<T> {
    lanes: BTreeMap<Lane, Line<T>>,
    /// Those with a turn in their lane.
    ready: VecDeque<(T, Lane)>,
    under_way: usize,
}

#[derive(Debug)]
struct Line<T> {
    /// In `ready`, or under way.
    taken: usize,
    waiting: VecDeque<T>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), ready: VecDeque::new(), under_way: 0 }
    }
}

impl<T> Turns<T> {
    /// Someone is due.
    pub(super) fn queue(&mut self, who: T, lane: Lane) {
        let line = Line { taken: 0, waiting: VecDeque::new() };
        let line = self.lanes.entry(lane).or_insert(line);
        if line.taken < lane.width() {
            line.taken += 1;
            self.ready.push_back((who, lane));
        } else {
            line.waiting.push_back(who);
        }
    }

    /// Who may begin now; their turn lasts until [`Turns::end`].
    pub(super) fn begin(&mut self) -> Option<(T, Lane)> {
        if self.under_way >= PROBES_IN_FLIGHT {
            return None;
        }
        let next = self.ready.pop_front()?;
        self.under_way += 1;
        Some(next)
    }

    /// A turn in `lane` is over. Returns who waited for it and is the next.
    pub(super) fn end(&mut self, lane: Lane) -> Option<&mut T> {
        self.under_way -= 1;
        let line = self.lanes.get_mut(&lane)?;
        if let Some(next) = line.waiting.pop_front() {
            self.ready.push_back((next, lane));
            return self.ready.back_mut().map(|it| &mut it.0);
        }
        line.taken -= 1;
        if line.taken == 0 {
            self.lanes.remove(&lane);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(last: u8) -> Lane {
        Lane::Server(SocketAddr::from(([10, 0, 0, last], 80)), None)
    }

    fn begun(turns: &mut Turns<usize>) -> Vec<usize> {
        std::iter::from_fn(|| turns.begin()).map(|it| it.0).collect()
    }

    #[test]
    fn two_at_a_time_go_to_one_server_and_hold_up_no_other() {
        let mut turns = Turns::default();
        (0..4).for_each(|it| turns.queue(it, lane(1)));
        turns.queue(4, lane(2));
        assert_eq!(begun(&mut turns), [0, 1, 4]);
        assert_eq!(turns.end(lane(1)), Some(&mut 2));
        assert_eq!(begun(&mut turns), [2]);
        turns.end(lane(2));
        turns.end(lane(1));
        turns.end(lane(1));
        assert_eq!(begun(&mut turns), [3]);
        turns.end(lane(1));
        assert!(turns.lanes.is_empty());
    }

    #[test]
    fn servers_behind_one_address_are_told_apart_by_their_mark() {
        let mut turns = Turns::default();
        let address = SocketAddr::from(([192, 0, 2, 1], 80));
        for who in 0..6 {
            let mark = u32::try_from(who / 3).unwrap();
            turns.queue(who, Lane::Server(address, Some(mark)));
        }
        assert_eq!(begun(&mut turns), [0, 1, 3, 4]);
    }

    #[test]
    fn all_together_are_bounded_and_served_in_order() {
        let mut turns = Turns::default();
        let of = |it: usize| {
            let number = u32::try_from(it).unwrap();
            Lane::Server((std::net::Ipv4Addr::from_bits(number), 80).into(), None)
        };
        let count = PROBES_IN_FLIGHT + 2;
        (0..count).for_each(|it| turns.queue(it, of(it)));
        assert_eq!(begun(&mut turns), Vec::from_iter(0..PROBES_IN_FLIGHT));
        turns.end(of(7));
        turns.end(of(8));
        assert_eq!(begun(&mut turns), [PROBES_IN_FLIGHT, PROBES_IN_FLIGHT + 1]);
    }

    #[test]
    fn commands_have_a_bound_of_their_own() {
        let mut turns = Turns::default();
        (0..20).for_each(|it| turns.queue(it, Lane::Commands));
        assert_eq!(begun(&mut turns).len(), COMMANDS_IN_FLIGHT);
    }
}
