//! The one formula: from a base weight and all that is said of a real server to its weight.
//!
//! Pure, and the order in which things were said or plugins are named cannot change the
//! result: products, minima and maxima commute, and the product is computed exactly. What
//! it computes from is a list of [`Word`]s that is kept, so that the same list explains
//! the weight afterwards.

mod natural;

use std::{cmp::Reverse, fmt, time::Duration};

use weir_ipvs::WeightMeaning;

use self::natural::Natural;

/// The largest weight that the kernel and its tools agree on.
const WEIGHT_MAX: u32 = 0x7fff_ffff;

/// Steps from nothing to the smallest base weight, and between the weights of a service
/// while one of its factors differs from 1. IPVS' `wrr` sends `(w1 - w2) / gcd + 1`
/// connections in a row to the heaviest server (`ip_vs_wrr.c`): 92 of them for the weights
/// 100 and 9, 10 for 100 and 10.
const STEPS: u32 = 20;

/// One, in the unit of [`Says::Ramp`].
pub(crate) const WHOLE: u32 = 1_000_000;

/// How far a scheduler lets weights be steered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steering {
    /// They are shares.
    Freely,
    /// `mh`: a change other than to and from 0 builds its table anew and moves clients.
    Rarely,
    /// Only 0 and the base weight mean something, or any change moves most clients.
    Fixed,
}

impl Steering {
    /// Of the scheduler with this kernel name.
    pub(crate) fn of(scheduler: &str) -> Self {
        match WeightMeaning::of(scheduler) {
            WeightMeaning::Share | WeightMeaning::IdleFirst => Self::Freely,
            WeightMeaning::HashSlots if scheduler == "mh" => Self::Rarely,
            _ => Self::Fixed,
        }
    }
}

/// What the weights of one service have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The weight of a base weight of 1, so that there is room below the smallest.
    pub(crate) scale: u32,
    /// Weights are multiples of this while a factor differs from 1.
    pub(crate) step: u32,
    /// What its scheduler allows.
    pub(crate) steering: Steering,
}

impl Terms {
    /// Of a server that weir does not steer.
    pub(crate) const PLAIN: Self = Self { scale: 1, step: 1, steering: Steering::Fixed };

    /// Of a service whose real servers have these base weights. Weights are scaled only
    /// where something `steers` them.
    pub(crate) fn new(steering: Steering, bases: &[u32], steers: bool) -> Self {
        let bases = || bases.iter().copied().filter(|it| *it > 0);
        let (least, most) = (bases().min().unwrap_or(STEPS), bases().max().unwrap_or(STEPS));
        let scale = match steering {
            Steering::Freely | Steering::Rarely if steers => {
                STEPS.div_ceil(least).min(WEIGHT_MAX / most).max(1)
            }
            _ => 1,
        };
        Self { scale, step: most.saturating_mul(scale).div_ceil(STEPS), steering }
    }

    /// The weight of this base weight while all factors are 1.
    pub(crate) fn whole(&self, base: u32) -> u32 {
        base.saturating_mul(self.scale).min(WEIGHT_MAX)
    }
}

/// What is said of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Says {
    /// All is frozen: as last applied; none = not in the table.
    Frozen(Option<u32>),
    /// It does not belong into the table now.
    Absent,
    /// The panic floor, or the start: as last applied.
    Held(u32),
    /// 0, by the operator or by weir.
    Zero,
    /// Policies' drains are not followed: nothing else could serve.
    Lifted,
    /// 0, by a policy.
    Drain,
    /// Instead of the base weight.
    Base(u32),
    /// Slow start: times so many millionths.
    Ramp(u32),
    /// Its agent: times so many millionths; 1 or more.
    Agent(u32),
    /// Its checks pass, but not as they should: times so many hundredths; 1 or more.
    Degraded(u32),
    /// Times so many thousandths; 1 or more.
    Scale(u32),
    /// At least this.
    Floor(u32),
    /// At most this; 1 or more.
    Cap(u32),
}

impl Says {
    /// Whether it asks for something between 0 and the base weight, or beyond.
    pub(crate) fn steers(self) -> bool {
        use Says::{Agent, Cap, Degraded, Floor, Ramp, Scale};

        matches!(self, Ramp(_) | Agent(_) | Degraded(_) | Scale(_) | Floor(_) | Cap(_))
    }

    /// The weight where it decides alone.
    fn alone(self) -> Option<u32> {
        match self {
            Self::Frozen(weight) => weight,
            Self::Held(weight) => Some(weight),
            Self::Zero | Self::Drain => Some(0),
            _ => None,
        }
    }

    /// Which of several is the gravest: the one with the smallest rank.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Frozen(_) => 0,
            Self::Absent => 1,
            Self::Held(_) => 2,
            Self::Zero => 3,
            Self::Lifted => 4,
            Self::Drain => 5,
            Self::Base(_) => 6,
            Self::Ramp(_) => 7,
            Self::Agent(_) => 8,
            Self::Degraded(_) => 9,
            Self::Scale(_) => 10,
            Self::Floor(_) => 11,
            Self::Cap(_) => 12,
        }
    }
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen(Some(weight)) => write!(f, "frozen at {weight}"),
            Self::Frozen(None) => f.write_str("frozen, absent"),
            Self::Absent => f.write_str("absent"),
            Self::Held(weight) => write!(f, "held at {weight}"),
            Self::Zero => f.write_str("no new connections"),
            Self::Lifted => f.write_str("drains not followed"),
            Self::Drain => f.write_str("drain"),
            Self::Base(weight) => write!(f, "base {weight}"),
            Self::Ramp(millionths) => write!(f, "slow start {}%", millionths / (WHOLE / 100)),
            Self::Agent(millionths) => write!(f, "{}%", millionths / (WHOLE / 100)),
            Self::Degraded(percent) => write!(f, "degraded to {percent}%"),
            Self::Scale(thousandths) => write!(f, "scale {thousandths}"),
            Self::Floor(least) => write!(f, "floor {least}"),
            Self::Cap(most) => write!(f, "cap {most}"),
        }
    }
}

/// One thing that is said of a real server, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// `weir`, `operator`, `agent` or the name of a plugin.
    pub(crate) who: String,
    /// What.
    pub(crate) says: Says,
    /// Why, for people.
    pub(crate) reason: String,
    /// Since when, by the monotonic clock.
    pub(crate) since: Duration,
    /// When it ends by itself, if that is known.
    pub(crate) until: Option<Duration>,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}: {}", self.says, self.who, self.reason)
    }
}

impl Word {
    /// Who speaks where weir itself does.
    pub(crate) const WEIR: &str = "weir";

    /// Who speaks where the agent of a server does.
    pub(crate) const AGENT: &str = "agent";
    /// Who speaks where an operator gave an order.
    pub(crate) const OPERATOR: &str = "operator";
}

/// The weight of a real server with this `base` while `words` stand; none = it is not to
/// be in the table.
///
/// - as last applied, if all is frozen;
/// - not in the table, if it does not belong there now;
/// - as last applied, if it is held;
/// - 0, if the base is 0 or anyone says so;
/// - otherwise the base, or the one that a plugin sets, times the service's scale times every factor, rounded up once, and
///   to a step of the service while a factor differs from 1;
/// - then at least every floor, which lifts no slow start, then at most every cap;
/// - within 1..=2147483647, so that nothing but a drain empties a live server.
///
/// Where the scheduler knows nothing between 0 and the base weight, there is nothing.
pub(crate) fn weight(terms: &Terms, base: u32, words: &[Word]) -> Option<u32> {
    derive(terms, base, words, &mut |_, _| {})
}

/// The same, step by step: what was done, and the weight that it gave.
pub(crate) fn steps(terms: &Terms, base: u32, words: &[Word]) -> Vec<(String, Option<u32>)> {
    let mut steps = vec![(format!("the base weight is {base}"), Some(base))];
    derive(terms, base, words, &mut |what, weight| steps.push((what.to_string(), weight)));
    steps
}

/// Hears what was done, and the weight that it gave.
type Note<'n> = &'n mut dyn FnMut(fmt::Arguments<'_>, Option<u32>);

/// The word that alone decides, whatever else is said, if there is one; of several such the one
/// that comes first in the formula.
pub(crate) fn decider(words: &[Word]) -> Option<&Word> {
    let is_lifted = words.iter().any(|it| it.says == Says::Lifted);
    let decides = |it: &&Word| match it.says {
        Says::Frozen(_) | Says::Absent | Says::Held(_) | Says::Zero => true,
        Says::Drain => !is_lifted,
        _ => false,
    };
    let order = |it: &&Word| (it.says.rank(), Reverse(it.says.alone()));
    words.iter().filter(decides).min_by_key(order)
}

fn derive(terms: &Terms, base: u32, words: &[Word], note: Note<'_>) -> Option<u32> {
    if let Some(word) = decider(words) {
        let weight = word.says.alone();
        note(format_args!("{word}"), weight);
        return weight;
    }
    if let Some(word) = words.iter().find(|it| it.says == Says::Lifted) {
        note(format_args!("{word}"), Some(base));
    }
    let base = based(base, words, note);
    if base == 0 {
        return Some(0);
    }
    Some(match terms.steering {
        Steering::Fixed => {
            for word in words.iter().filter(|it| it.says.steers()) {
                note(
                    format_args!("{word}: the scheduler looks at 0 and the base only"),
                    Some(base),
                );
            }
            terms.whole(base).max(1)
        }
        Steering::Freely | Steering::Rarely => steered(terms, base, words, note),
    })
}

/// The base weight, which a plugin may set, unless it is 0; the largest, should several do.
fn based(base: u32, words: &[Word], note: Note<'_>) -> u32 {
    if base == 0 {
        return 0;
    }
    let said = words.iter().filter_map(|it| match it.says {
        Says::Base(weight) => Some((weight, it)),
        _ => None,
    });
    let Some((weight, word)) = said.max_by_key(|it| it.0) else { return base };
    note(format_args!("{word}"), Some(weight));
    weight
}

fn steered(terms: &Terms, base: u32, words: &[Word], note: Note<'_>) -> u32 {
    let is_ramping = words.iter().any(|it| matches!(it.says, Says::Ramp(part) if part < WHOLE));
    let floors = words.iter().filter_map(|it| match it.says {
        Says::Floor(least) if !is_ramping => Some((least, it)),
        _ => None,
    });
    let caps = words.iter().filter_map(|it| match it.says {
        Says::Cap(most) => Some((most.max(1), it)),
        _ => None,
    });
    let mut weight = multiplied(terms, base, words, note);
    if let Some((least, word)) = floors.max_by_key(|it| it.0).filter(|it| it.0 > weight) {
        weight = least;
        note(format_args!("{word}"), Some(weight.min(WEIGHT_MAX)));
    }
    if let Some((most, word)) = caps.min_by_key(|it| it.0).filter(|it| it.0 < weight) {
        weight = most;
        note(format_args!("{word}"), Some(weight.min(WEIGHT_MAX)));
    }
    weight.clamp(1, WEIGHT_MAX)
}

/// The base times the scale times every factor.
fn multiplied(terms: &Terms, base: u32, words: &[Word], note: Note<'_>) -> u32 {
    let factors = || {
        words.iter().filter_map(|it| match it.says {
            Says::Ramp(millionths) | Says::Agent(millionths) => Some((millionths, WHOLE, it)),
            Says::Degraded(percent) => Some((percent, 100, it)),
            Says::Scale(thousandths) => Some((thousandths, 1000, it)),
            _ => None,
        })
    };
    let mut product = Natural::new(base);
    product.multiply(terms.scale);
    if terms.scale != 1 {
        let whole = terms.whole(base);
        note(format_args!("times {}, for room below the smallest base", terms.scale), Some(whole));
    }
    factors().for_each(|(numerator, _, _)| product.multiply(numerator));
    factors().for_each(|(_, denominator, _)| product.divide_up(denominator));
    let weight = product.saturated();
    let differs = |(numerator, denominator, _): &(u32, u32, _)| numerator != denominator;
    if !factors().any(|it| differs(&it)) {
        return weight;
    }
    for (numerator, denominator, word) in factors().filter(differs) {
        let times = f64::from(numerator) / f64::from(denominator);
        note(format_args!("times {times}: {word}"), None);
    }
    note(format_args!("all of it multiplied, and rounded up"), Some(weight.min(WEIGHT_MAX)));
    let stepped = stepped(weight, terms.step, terms.whole(base));
    if stepped != weight {
        note(format_args!("rounded to steps of {}", terms.step), Some(stepped.min(WEIGHT_MAX)));
    }
    stepped
}

/// `weight` by steps: to the nearest, and to the first instead of to nothing. What is
/// `whole` below the first step has none, and what is diminished never exceeds it.
fn stepped(weight: u32, step: u32, whole: u32) -> u32 {
    if whole < step {
        return weight;
    }
    let nearest = (weight.saturating_add(step / 2) / step).max(1).saturating_mul(step);
    if weight <= whole { nearest.min(whole) } else { nearest }
}

#[cfg(test)]
mod tests {
    use Says::{
        Absent, Agent, Base, Cap, Degraded, Drain, Floor, Frozen, Held, Lifted, Ramp, Scale, Zero,
    };
    use proptest::prelude::*;

    use super::*;

    fn words(says: &[Says]) -> Vec<Word> {
        let word = |says: &Says| Word {
            who: "test".into(),
            says: *says,
            reason: String::new(),
            since: Duration::ZERO,
            until: None,
        };
        says.iter().map(word).collect()
    }

    /// A service with one server.
    fn alone(base: u32) -> Terms {
        Terms { scale: 1, ..Terms::new(Steering::Freely, &[base], false) }
    }

    fn check(base: u32, says: &[Says], expected: impl Into<Option<u32>>) {
        let expected = expected.into();
        assert_eq!(weight(&alone(base), base, &words(says)), expected, "{base} {says:?}");
    }

    fn check_terms(steering: Steering, bases: &[u32], expected: (u32, u32)) {
        let terms = Terms::new(steering, bases, true);
        assert_eq!((terms.scale, terms.step), expected, "{steering:?} {bases:?}");
    }

    #[test]
    fn without_a_word_the_base_stands() {
        check(100, &[], 100);
        check(103, &[], 103);
        check(0, &[], 0);
        check(WEIGHT_MAX, &[], WEIGHT_MAX);
    }

    #[test]
    fn a_base_that_is_said_stands_for_the_stated_one() {
        check(100, &[Base(40)], 40);
        check(100, &[Base(40), Scale(500)], 20);
        check(0, &[Base(40)], 0);
        check(100, &[Base(40), Drain], 0);
        let fixed = Terms::new(Steering::Fixed, &[100], true);
        assert_eq!(weight(&fixed, 100, &words(&[Base(40), Scale(500)])), Some(40));
    }

    #[test]
    fn a_drain_beats_every_factor_floor_and_cap() {
        check(100, &[Floor(7), Drain, Scale(1500)], 0);
        check(100, &[Floor(7), Zero, Cap(3)], 0);
        check(0, &[Floor(7), Scale(5000)], 0);
    }

    #[test]
    fn what_is_held_beats_a_drain_and_frozen_beats_all() {
        check(100, &[Drain, Held(100)], 100);
        check(100, &[Drain, Lifted], 100);
        check(100, &[Zero, Lifted], 0);
        check(100, &[Absent, Held(100)], None);
        check(100, &[Absent, Held(40), Frozen(Some(40))], 40);
        check(100, &[Frozen(None)], None);
    }

    #[test]
    fn factors_multiply_and_round_up_once() {
        check(100, &[Scale(500)], 50);
        check(1, &[Scale(1)], 1);
        check(3, &[Scale(1500), Scale(1500)], 7);
        check(10, &[Scale(333), Scale(3003)], 10);
        check(7, &[Scale(1000), Scale(1000)], 7);
        check(20, &[Scale(500), Ramp(500_000)], 5);
        check(WEIGHT_MAX, &[Scale(u32::MAX); 9], WEIGHT_MAX);
    }

    #[test]
    fn what_an_agent_says_and_degraded_checks_are_factors_like_others() {
        check(100, &[Agent(500_000)], 50);
        check(100, &[Agent(1_500_000)], 150);
        check(100, &[Agent(500_000), Degraded(50), Scale(2000)], 50);
        check(100, &[Degraded(1)], 5);
        check(100, &[Agent(10_000), Zero], 0);
        // A weight of 50 in the place of a base of 3.
        check(3, &[Agent(16_666_666)], 50);
    }

    #[test]
    fn while_a_factor_differs_from_one_weights_go_by_steps() {
        check(100, &[Ramp(100_000)], 10);
        check(100, &[Ramp(116_667)], 10);
        check(100, &[Ramp(130_000)], 15);
        check(100, &[Scale(1)], 5);
        check(100, &[Scale(1330)], 135);
        check(103, &[Scale(999)], 102);
        check(103, &[Scale(1000), Ramp(WHOLE)], 103);
        let beside_a_big_one = Terms::new(Steering::Freely, &[1000, 30], false);
        let small = |says: &[Says]| weight(&beside_a_big_one, 30, &words(says));
        assert_eq!((small(&[Scale(100)]), small(&[])), (Some(3), Some(30)), "below a step");
    }

    #[test]
    fn caps_beat_floors_and_a_floor_lifts_no_slow_start() {
        check(100, &[Floor(150)], 150);
        check(100, &[Floor(150), Floor(120), Cap(130), Cap(140)], 130);
        check(100, &[Cap(0)], 1);
        check(100, &[Floor(u32::MAX)], WEIGHT_MAX);
        check(100, &[Floor(50), Ramp(100_000)], 10);
        check(100, &[Floor(150), Ramp(WHOLE)], 150);
    }

    #[test]
    fn a_weight_is_told_step_by_step() {
        let told = |terms: &Terms, base, says: &[Says]| {
            let steps = steps(terms, base, &words(says));
            let shown = |(what, weight): (String, Option<u32>)| match weight {
                Some(weight) => format!("{what} = {weight}"),
                None => what,
            };
            steps.into_iter().map(shown).collect::<Vec<_>>()
        };
        let terms = Terms::new(Steering::Freely, &[1, 3], true);
        assert_eq!(
            told(&terms, 3, &[Ramp(150_000), Scale(500), Cap(2)]),
            [
                "the base weight is 3 = 3",
                "times 20, for room below the smallest base = 60",
                "times 0.15: slow start 15% by test: ",
                "times 0.5: scale 500 by test: ",
                "all of it multiplied, and rounded up = 5",
                "rounded to steps of 3 = 6",
                "cap 2 by test:  = 2",
            ]
        );
        assert_eq!(told(&terms, 3, &[Drain, Scale(500)])[1..], ["drain by test:  = 0"]);
        assert_eq!(told(&terms, 3, &[Drain, Frozen(None)])[1..], ["frozen, absent by test: "]);
    }

    #[test]
    fn small_weights_are_scaled_so_that_there_is_room_below() {
        check_terms(Steering::Freely, &[100], (1, 5));
        check_terms(Steering::Freely, &[1], (20, 1));
        check_terms(Steering::Rarely, &[3, 1, 0], (20, 3));
        check_terms(Steering::Freely, &[7, 100], (3, 15));
        check_terms(Steering::Freely, &[1, WEIGHT_MAX], (1, WEIGHT_MAX.div_ceil(20)));
        check_terms(Steering::Fixed, &[1], (1, 1));
        check_terms(Steering::Freely, &[0], (1, 1));
        assert_eq!(Terms::new(Steering::Freely, &[1], false).scale, 1);
    }

    #[test]
    fn what_a_scheduler_does_not_look_at_is_left_alone() {
        assert_eq!(Steering::of("wlc"), Steering::Freely);
        assert_eq!(Steering::of("mh"), Steering::Rarely);
        for scheduler in ["rr", "lc", "dh", "sh", "fo", "ovf", "none", "homemade"] {
            assert_eq!(Steering::of(scheduler), Steering::Fixed, "{scheduler}");
        }
        let terms = Terms::new(Steering::Fixed, &[100], true);
        let check = |says: &[Says], expected| {
            assert_eq!(weight(&terms, 100, &words(says)), Some(expected), "{says:?}");
        };
        check(&[Scale(500), Ramp(100_000), Cap(3), Floor(700)], 100);
        check(&[Drain], 0);
    }

    fn says() -> impl Strategy<Value = Says> {
        prop_oneof![
            4 => (1..=u32::MAX).prop_map(Scale),
            4 => (1..3000_u32).prop_map(Scale),
            4 => (1..=WHOLE).prop_map(Ramp),
            2 => (1..=10 * WHOLE).prop_map(Agent),
            2 => (1..100_u32).prop_map(Degraded),
            2 => any::<u32>().prop_map(Floor),
            2 => any::<u32>().prop_map(Cap),
            1 => (1..=WEIGHT_MAX).prop_map(Base),
            1 => Just(Drain),
            1 => Just(Zero),
            1 => Just(Lifted),
            1 => (0..=WEIGHT_MAX).prop_map(Held),
            1 => Just(Absent),
            1 => prop::option::of(0..=WEIGHT_MAX).prop_map(Frozen),
        ]
    }

    fn steering() -> impl Strategy<Value = Steering> {
        prop::sample::select(vec![Steering::Freely, Steering::Rarely, Steering::Fixed])
    }

    proptest! {
        #[test]
        fn order_cannot_change_the_result(
            steering in steering(),
            bases in prop::collection::vec(0..=WEIGHT_MAX, 1..5),
            (said, shuffled) in prop::collection::vec(says(), 0..12)
                .prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        ) {
            let terms = Terms::new(steering, &bases, true);
            let base = bases[0];
            prop_assert_eq!(
                weight(&terms, base, &words(&said)),
                weight(&terms, base, &words(&shuffled))
            );
        }

        #[test]
        fn the_last_step_is_the_weight(
            steering in steering(),
            bases in prop::collection::vec(0..=WEIGHT_MAX, 1..5),
            said in prop::collection::vec(says(), 0..12),
        ) {
            let terms = Terms::new(steering, &bases, true);
            let words = words(&said);
            let (_, last) = steps(&terms, bases[0], &words).pop().unwrap();
            prop_assert_eq!(last, weight(&terms, bases[0], &words));
        }

        #[test]
        fn only_a_drain_or_a_base_of_zero_empties(
            steering in steering(),
            bases in prop::collection::vec(0..=WEIGHT_MAX, 1..5),
            said in prop::collection::vec(says(), 0..12),
        ) {
            prop_assume!(!said.iter().any(|it| matches!(it, Frozen(_) | Held(_) | Absent)));
            let terms = Terms::new(steering, &bases, true);
            let weight = weight(&terms, bases[0], &words(&said)).unwrap();
            prop_assert!(weight <= WEIGHT_MAX);
            let drained = said.contains(&Drain) && !said.contains(&Lifted);
            prop_assert_eq!(weight == 0, bases[0] == 0 || drained || said.contains(&Zero));
        }

        #[test]
        fn two_scales_are_what_wide_arithmetic_says(
            base in 1..=20_u32,
            first in 1..=u32::MAX,
            second in 1..=u32::MAX,
        ) {
            let product = u128::from(base) * u128::from(first) * u128::from(second);
            let expected = product.div_ceil(1_000_000).min(u128::from(WEIGHT_MAX));
            let found = weight(&alone(base), base, &words(&[Scale(first), Scale(second)]));
            prop_assert_eq!(u128::from(found.unwrap()), expected);
        }

        #[test]
        fn what_is_diminished_is_a_step_and_no_more_than_the_whole(
            bases in prop::collection::vec(1..=100_000_u32, 1..5),
            part in 1..WHOLE,
        ) {
            let terms = Terms::new(Steering::Freely, &bases, true);
            let whole = terms.whole(bases[0]);
            let weight = weight(&terms, bases[0], &words(&[Ramp(part)])).unwrap();
            prop_assert!(weight <= whole);
            let is_step = weight.is_multiple_of(terms.step) || weight == whole;
            prop_assert!(is_step || whole < terms.step);
        }
    }
}
