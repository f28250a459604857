//! Where the checks of a server stand, one by one and together. Pure.

use std::cmp::Reverse;

use super::{counter::State, outcome::Evidence};

/// Where one check stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What it counts as.
    pub(crate) state: State,
    /// Of its failure, if it fails.
    pub(crate) evidence: Evidence,
    /// What it leaves of the weight, in hundredths; 100 unless it passes degraded.
    pub(crate) percent: u32,
    /// What was seen, for people.
    pub(crate) detail: String,
}

impl Standing {
    /// Of a check that has seen nothing yet.
    pub(crate) const NONE: Self = Self {
        state: State::Unknown,
        evidence: Evidence::None,
        percent: 100,
        detail: String::new(),
    };

    /// Whether this says something that `other` does not.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        self.rank() != other.rank()
    }

    /// From the worst to the best.
    fn rank(&self) -> (u32, u32, Reverse<u32>) {
        let state = match self.state {
            State::Down => 0,
            State::Rising => 1,
            State::Unknown => 2,
            State::Suspect => 3,
            State::Up => 4,
        };
        let evidence = match self.evidence {
            Evidence::None => 0,
            Evidence::Soft => 1,
            Evidence::Hard => 2,
        };
        (state, self.percent, Reverse(evidence))
    }
}

/// Where a server stands that needs so many of its checks, one at least: where the last of
/// those that it needs does, the best first. None without checks.
///
/// So with `all` the worst decides, and a single failure is one of the server; with `any`
/// the best; and a server is known as soon as those that are not known cannot change it.
pub(crate) fn together(checks: &[Standing], needed: usize) -> Option<usize> {
    let mut sorted: Vec<(usize, &Standing)> = checks.iter().enumerate().collect();
    sorted.sort_by_key(|(_, it)| Reverse(it.rank()));
    let last = needed.clamp(1, checks.len().max(1)) - 1;
    sorted.get(last).map(|it| it.0)
}

/// What a server that needs so many of its checks keeps of its weight: what the last of those
/// that it needs leaves, of the checks that it is up for, the best first.
pub(crate) fn percent(checks: &[Standing], needed: usize) -> u32 {
    let is_up = |it: &&Standing| matches!(it.state, State::Up | State::Suspect);
    let mut percents: Vec<u32> = checks.iter().filter(is_up).map(|it| it.percent).collect();
    percents.sort_by_key(|it| Reverse(*it));
    let last = needed.clamp(1, checks.len().max(1)) - 1;
    percents.get(last).copied().unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks, a letter each (`U`p, `S`uspect, `?`, `R`ising, `D`own, `X`: down and refused,
    /// `d`egraded), and what they are together.
    fn check(needed: usize, checks: &str, expected: char) {
        let standing = |letter| {
            let (state, evidence, percent) = match letter {
                'U' => (State::Up, Evidence::None, 100),
                'd' => (State::Up, Evidence::None, 50),
                'S' => (State::Suspect, Evidence::Soft, 100),
                '?' => (State::Unknown, Evidence::None, 100),
                'R' => (State::Rising, Evidence::Soft, 100),
                'D' => (State::Down, Evidence::Soft, 100),
                _ => (State::Down, Evidence::Hard, 100),
            };
            Standing { state, evidence, percent, detail: String::new() }
        };
        let standings: Vec<_> = checks.chars().map(standing).collect();
        let decides = together(&standings, needed).and_then(|it| checks.chars().nth(it));
        assert_eq!(decides, Some(expected), "{needed} of {checks}");
    }

    #[test]
    fn one_that_begins_to_fail_takes_nothing_and_gives_nothing_back() {
        let check = |needed, checks: &[(State, u32)], expected| {
            let standing = |&(state, percent)| Standing { state, percent, ..Standing::NONE };
            let standings: Vec<_> = checks.iter().map(standing).collect();
            assert_eq!(percent(&standings, needed), expected, "{needed} of {checks:?}");
        };
        check(2, &[(State::Up, 20), (State::Up, 100)], 20);
        check(2, &[(State::Up, 20), (State::Suspect, 100)], 20);
        check(1, &[(State::Up, 40), (State::Suspect, 100)], 100);
        check(1, &[(State::Up, 40), (State::Down, 100)], 40);
        check(2, &[(State::Up, 40), (State::Down, 100)], 100);
    }

    #[test]
    fn all_are_as_the_worst() {
        check(1, "U", 'U');
        check(3, "UUU", 'U');
        check(3, "USU", 'S');
        check(3, "UU?", '?');
        check(3, "U?D", 'D');
        check(3, "URS", 'R');
        check(3, "DUX", 'X');
        check(2, "dU", 'd');
    }

    #[test]
    fn any_is_as_the_best() {
        check(1, "DXU", 'U');
        check(1, "D?", '?');
        check(1, "XD", 'D');
        check(1, "RSd", 'd');
    }

    #[test]
    fn at_least_so_many_are_as_the_last_of_them() {
        check(2, "UDU", 'U');
        check(2, "UDX", 'D');
        check(2, "U?D", '?');
        check(2, "SUD", 'S');
        check(9, "UD", 'D');
        assert_eq!(together(&[], 1), None);
    }
}
