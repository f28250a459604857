//! Power of two choices ([`ip_vs_twos.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_twos.c)), after
//! [Mitzenmacher](http://www.eecs.harvard.edu/~michaelm/NEWWORK/postscripts/twosurvey.pdf).

use super::{Pick, Scheduler};
use crate::server::{Server, ServerId};

/// Draws two by their weights, and chooses of them whose connections cost less by weight.
#[derive(Debug)]
pub(super) struct Twos;

impl Scheduler for Twos {
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        let total: u64 = pick.eligible().map(|(_, server)| u64::from(server.config.weight)).sum();
        let (first, server) = draw(pick, total, pick.random & u64::from(u32::MAX))?;
        let (second, other) = draw(pick, total, pick.random >> 32)?;
        Some(if pick.load(other) < pick.load(server) { second } else { first })
    }
}

/// The real server that `random`, of 32 bits, falls upon. Numbers from 0 to `total` are
/// drawn, which is one too many and in favour of the front.
fn draw<'a>(pick: &Pick<'a>, total: u64, random: u64) -> Option<(ServerId, &'a Server)> {
    let drawn = (u128::from(random) * (u128::from(total) + 1)) >> 32;
    let mut passed = 0;
    pick.eligible().find(|(_, server)| {
        passed += u128::from(server.config.weight);
        passed >= drawn
    })
}

#[cfg(test)]
mod tests {
    use crate::sched::tests::{Trial, check};

    /// 70,000 draws by a fixed seed, of real servers with weights 1, 2 and 3, against what
    /// is expected of them, within five standard deviations.
    fn check_shares(script: &str, expected: [u32; 3]) {
        const DRAWS: u32 = 70_000;
        let mut trial = Trial::new("twos");
        trial.run("+A1 +B2 +C3").run(script);
        let mut counts = [0; 3];
        for _ in 0..DRAWS {
            counts[trial.pick().unwrap().0 as usize] += 1;
        }
        for (count, expected) in counts.into_iter().zip(expected) {
            let share = f64::from(expected) / f64::from(DRAWS);
            let deviation = (f64::from(DRAWS) * share * (1.0 - share)).sqrt();
            let off = (f64::from(count) - f64::from(expected)).abs();
            assert!(off <= 5.0 * deviation, "{counts:?}, expected {expected}");
        }
    }

    #[test]
    fn draws_follow_weights_with_one_too_many_for_the_front() {
        // Of the numbers 0 to 6, C has 0 to 3.
        check_shares("", [10_000, 20_000, 40_000]);
    }

    #[test]
    fn of_two_the_less_loaded_wins() {
        // B wins if drawn at all, and C only if drawn twice: 24 and 16 times of 49.
        check_shares("A:1/0 B:1/0 C:9/0", [12_857, 34_286, 22_857]);
    }

    #[test]
    fn who_may_not_be_chosen_is_not_drawn() {
        check("twos", "+A1 +B9 B! >AAAA B? A0 >BBBB B0 >.");
        check_shares("B!", [14_000, 0, 56_000]);
    }
}
