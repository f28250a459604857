//! The load of a real server, as every scheduler that weighs connections compares it.

use std::cmp::Ordering;

/// What a real server's connections cost, by its weight. The order is that of
/// `cost / weight`, without dividing; among weights above 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) cost: u64,
    pub(super) weight: u32,
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> Ordering {
        let scaled = |cost: u64, weight: u32| u128::from(cost) * u128::from(weight);
        scaled(self.cost, other.weight).cmp(&scaled(other.cost, self.weight))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Load {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Load {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_compare_as_fractions_do() {
        let check = |cost, weight, other_cost, other_weight, expected| {
            let load = Load { cost, weight };
            let other = Load { cost: other_cost, weight: other_weight };
            assert_eq!(load.cmp(&other), expected, "{load:?} {other:?}");
        };
        check(1, 2, 2, 4, Ordering::Equal);
        check(1, 3, 1, 2, Ordering::Less);
        check(256, 1, 257, 1, Ordering::Less);
        check(u64::MAX, 1, u64::MAX, u32::MAX, Ordering::Greater);
    }
}
