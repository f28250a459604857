//! Weighted round robin ([`ip_vs_wrr.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_wrr.c)).

use super::{Pick, Scheduler};
use crate::server::{ServerId, Servers};

/// Sweeps the list again and again, at a level that falls with each sweep: a sweep chooses,
/// one after the other, those whose weight is at least its level. So who weighs twice as
/// much is met in twice as many sweeps.
///
/// Levels fall from the greatest weight to 1 by the greatest common divisor of all weights,
/// and then begin anew.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wrr {
    /// How far down the list this sweep has come: the position behind the last choice, 0
    /// being before the front.
    behind: usize,
    /// Of this sweep.
    level: u32,
    /// Of the first sweep of all; 0 if there is nobody to choose.
    highest: u32,
    /// Between two levels.
    step: u32,
}

impl Scheduler for Wrr {
    fn changed(&mut self, servers: Servers<'_>) {
        let weights = || servers.iter().map(|(_, server)| server.config.weight);
        self.behind = 0;
        self.step = weights().fold(0, gcd).max(1);
        self.highest = level_of(weights().max().unwrap_or(0), self.step);
        if self.level > self.highest || self.level == 0 {
            self.level = self.highest;
        } else if self.step > 1 {
            self.level = self.level / self.step * self.step + 1;
        }
    }

    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        if self.highest == 0 {
            return None;
        }
        self.sweep(pick.servers).or_else(|| {
            self.descend(pick)?;
            self.sweep(pick.servers)
        })
    }
}

impl Wrr {
    /// The next in this sweep, and none if it is over.
    fn sweep(&mut self, servers: Servers<'_>) -> Option<ServerId> {
        let rest = &servers.list[self.behind..];
        let position = rest.iter().position(|&server| {
            let server = servers.get(server);
            !server.overloaded && server.config.weight >= self.level
        })?;
        self.behind += position + 1;
        Some(rest[position])
    }

    /// Begins the next sweep that will find somebody; none = nobody can be chosen.
    ///
    /// The kernel sweeps at each level between, which comes to the same and takes as many
    /// sweeps as the greatest weight has steps.
    fn descend(&mut self, pick: &Pick<'_>) -> Option<()> {
        let Some(greatest) = pick.eligible().map(|(_, server)| server.config.weight).max() else {
            self.give_up();
            return None;
        };
        let next = if self.level > self.step { self.level - self.step } else { self.highest };
        self.level = next.min(level_of(greatest, self.step));
        self.behind = 0;
        Some(())
    }

    /// Stands where the kernel comes to rest when everybody is overloaded: with the whole
    /// list tested at the lowest level. If the lowest level was begun, and only the part
    /// behind the last choice was tested, this is after all other levels, at that choice.
    fn give_up(&mut self) {
        let tests_what_was_before = self.behind > 0 && self.level <= self.step;
        if !tests_what_was_before {
            self.behind = 0;
            self.level = self.highest;
        }
    }
}

/// The level of the first sweep that meets this weight. With 1 as the lowest of all, a
/// weight is met that fell below the step while the kernel was sweeping; here it cannot.
fn level_of(weight: u32, step: u32) -> u32 {
    weight.saturating_sub(step - 1)
}

/// The greatest common divisor; 0 stands for nothing yet.
pub(super) fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use weir_ipvs::Family;

    use super::*;
    use crate::sched::tests::{check, pick, server};

    #[test]
    fn shares_follow_weights_and_mix() {
        check("wrr", "+A4 +B3 +C2 >CBA >A >BA >CBA >CBA");
        check("wrr", "+A1 +B1 >BABA");
        check("wrr", "+A6 +B4 +C2 >CBA >A >BA >CBA");
        check("wrr", "+A3 >AAA");
    }

    #[test]
    fn a_change_of_weights_begins_a_sweep_at_a_level_that_exists() {
        check("wrr", "+A4 +B2 >BA >A >BA A6 >BA >A >A >BA");
        check("wrr", "+A1 +B1 >BA B3 >BA >B >B >BA");
        check("wrr", "+A4 +B4 >BA +C4 >CBA -C >BA");
        check("wrr", "+A9 +B1 >BA B3 >BA >A >A >BA");
        check("wrr", "+A9 +B1 >BA >A B3 >A >A >BA >A");
        check("wrr", "+A1 A0 >. A5 +B3 >BA >A >A >BA");
    }

    #[test]
    fn an_edit_to_the_same_begins_the_sweep_anew() {
        check("wrr", "+A1 +B1 +C1 >CB A1 >CB A1 >CBA");
    }

    #[test]
    fn who_may_not_be_chosen_is_passed_by() {
        check("wrr", "+A4 +B2 B! >AA B0 >AA B? B4 >BABA");
        check("wrr", "+A2147483647 +B1 A! >BBB A? >A");
    }

    #[test]
    fn giving_up_rests_where_the_kernel_does() {
        // Before the front, at the first level.
        check("wrr", "+A3 +B1 >BA >A A! B! >. A? B? >A >A >BA");
        // At the last choice, because the lowest level was tested behind it only.
        check("wrr", "+A3 +B1 >B A! B! >. A? B? >A >A >A >BA");
    }

    /// The kernel's way, which tests the whole list at every level.
    fn level_by_level(wrr: &mut Wrr, servers: Servers<'_>) -> Option<ServerId> {
        if wrr.highest == 0 {
            return None;
        }
        let start = wrr.behind;
        let (mut last, mut again) = (false, false);
        loop {
            let end = if last && again && start > 0 { start } else { servers.list.len() };
            for position in wrr.behind..end {
                let server = servers.get(servers.list[position]);
                if !server.overloaded && server.config.weight >= wrr.level {
                    wrr.behind = position + 1;
                    return Some(servers.list[position]);
                }
            }
            if last && again && start > 0 {
                wrr.behind = start;
                return None;
            }
            wrr.behind = 0;
            wrr.level = wrr.level.saturating_sub(wrr.step);
            if wrr.level == 0 {
                wrr.level = wrr.highest;
                if last || start == 0 {
                    return None;
                }
                again = true;
            }
            last = wrr.level <= wrr.step;
        }
    }

    proptest! {
        #[test]
        fn skipping_levels_changes_nothing(
            steps in vec((1..4u32, vec((0..7u32, any::<bool>()), 0..6), 0..9usize), 1..20),
        ) {
            let (mut wrr, mut kernel) = (Wrr::default(), Wrr::default());
            for (factor, weights, picks) in steps {
                let list: Vec<_> = (0..).map(ServerId).take(weights.len()).collect();
                let mut arena: Vec<_> = list
                    .iter()
                    .zip(&weights)
                    .map(|(&id, (weight, _))| Some(server(id, weight * factor)))
                    .collect();
                let servers = Servers { family: Family::V4, list: &list, arena: &arena };
                wrr.changed(servers);
                kernel.changed(servers);
                for nth in 0..picks {
                    for (slot, (_, overloaded)) in arena.iter_mut().zip(&weights) {
                        slot.as_mut().unwrap().overloaded = *overloaded == (nth % 5 > 1);
                    }
                    let servers = Servers { family: Family::V4, list: &list, arena: &arena };
                    prop_assert_eq!(wrr.pick(&pick(servers)), level_by_level(&mut kernel, servers));
                    prop_assert_eq!(&wrr, &kernel);
                }
            }
        }
    }
}
