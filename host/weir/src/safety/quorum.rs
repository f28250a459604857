//! Quorum, as keepalived has it: enough live weight, with a gap between losing and gaining.
//!
//! Base weights count, where keepalived counts the weights in force: a slow start or an
//! agent must not flap the quorum.

/// How much is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quorum {
    /// Live base weight that is enough; 1 or more.
    pub(crate) least: u32,
    /// Lost this much below it, gained this much above; less than `least`.
    pub(crate) hysteresis: u32,
}

impl Default for Quorum {
    /// Anything at all.
    fn default() -> Self {
        Self { least: 1, hysteresis: 0 }
    }
}

impl Quorum {
    /// Whether there is a quorum of `live` out of `all` base weights, if there `was` one.
    ///
    /// Lost below `least - hysteresis` and with nothing, gained from `least + hysteresis`,
    /// and with all there is, however much was asked for.
    pub(crate) fn holds(&self, was: bool, live: u64, all: u64) -> bool {
        let least = u64::from(self.least).clamp(1, all.max(1));
        let hysteresis = u64::from(self.hysteresis).min(least - 1);
        if was {
            live > 0 && live >= least - hysteresis
        } else {
            live >= (least + hysteresis).min(all.max(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes through `lives` of 4, with a quorum at first, and shows it after each.
    fn check(least: u32, hysteresis: u32, lives: &[u64], expected: &str) {
        let quorum = Quorum { least, hysteresis };
        let mut holds = true;
        let shown: String = lives
            .iter()
            .map(|live| {
                holds = quorum.holds(holds, *live, 4);
                if holds { 'q' } else { '-' }
            })
            .collect();
        assert_eq!(shown, expected, "{least} {hysteresis} {lives:?}");
    }

    #[test]
    fn it_is_lost_below_and_gained_at_the_least() {
        check(1, 0, &[4, 1, 0, 1, 4], "qq-qq");
        check(3, 0, &[4, 3, 2, 3], "qq-q");
    }

    #[test]
    fn hysteresis_is_a_gap_on_both_sides() {
        check(2, 1, &[4, 2, 1, 0, 1, 2, 3, 1], "qqq---qq");
    }

    #[test]
    fn more_than_all_is_all_and_nothing_is_never_enough() {
        check(9, 0, &[4, 3, 4], "q-q");
        check(4, 3, &[4, 1, 0, 3, 4], "qq--q");
        check(1, 7, &[1, 0, 1], "q-q");
        assert!(!Quorum::default().holds(true, 0, 0));
        assert!(!Quorum::default().holds(false, 0, 0));
    }
}
