//! The one formula: from a base weight and what policies say to a weight.
//!
//! Pure, and the order in which statements came or plugins are named cannot change the
//! result: products, minima and maxima commute, and the product is computed exactly.

use weir_wasm::Intent;

/// The largest weight that the kernel and its tools agree on.
const WEIGHT_MAX: u32 = 0x7fff_ffff;

/// The weight of a real server with this `base`, while `intents` stand.
///
/// - 0, if the base is 0 or any drain stands;
/// - otherwise the base times every scale, rounded up once, at the end;
/// - then at least every floor, then at most every cap;
/// - within 1..=2147483647, so that nothing but a drain empties a live server.
pub(crate) fn weight(base: u32, intents: &[Intent]) -> u32 {
    if base == 0 || intents.contains(&Intent::Drain) {
        return 0;
    }
    let floor = intents.iter().filter_map(|it| match it {
        Intent::Floor(least) => Some(*least),
        _ => None,
    });
    let cap = intents.iter().filter_map(|it| match it {
        Intent::Cap(most) => Some(*most),
        _ => None,
    });
    scaled(base, intents)
        .max(floor.max().unwrap_or(1))
        .min(cap.min().unwrap_or(WEIGHT_MAX))
        .clamp(1, WEIGHT_MAX)
}

/// `base` times every scale in thousandths, rounded up; what exceeds 32 bits is their
/// largest number.
fn scaled(base: u32, intents: &[Intent]) -> u32 {
    let mut product = Natural(vec![base]);
    let mut thousandths = 0;
    for intent in intents {
        if let Intent::Scale(scale) = intent {
            product.multiply(*scale);
            thousandths += 1;
        }
    }
    // Rounding up at each division equals rounding up once: ceil(ceil(x/a)/b) = ceil(x/ab).
    for _ in 0..thousandths {
        product.divide_up(1000);
    }
    product.saturated()
}

/// A natural number of any size, 32 bits a digit, the least significant first: the product
/// of as many scales as there are plugins.
struct Natural(Vec<u32>);

impl Natural {
    fn multiply(&mut self, factor: u32) {
        let mut carry = 0;
        for digit in &mut self.0 {
            let wide = u64::from(*digit) * u64::from(factor) + carry;
            (*digit, carry) = (low(wide), wide >> 32);
        }
        self.0.push(low(carry));
    }

    fn divide_up(&mut self, divisor: u32) {
        let mut rest = 0;
        for digit in self.0.iter_mut().rev() {
            let wide = rest << 32 | u64::from(*digit);
            (*digit, rest) = (low(wide / u64::from(divisor)), wide % u64::from(divisor));
        }
        if rest > 0 {
            self.increment();
        }
    }

    fn increment(&mut self) {
        for digit in &mut self.0 {
            let (sum, carry) = digit.overflowing_add(1);
            *digit = sum;
            if !carry {
                return;
            }
        }
        self.0.push(1);
    }

    fn saturated(&self) -> u32 {
        match self.0[..] {
            [digit, ref higher @ ..] if higher.iter().all(|it| *it == 0) => digit,
            _ => u32::MAX,
        }
    }
}

fn low(wide: u64) -> u32 {
    u32::try_from(wide & u64::from(u32::MAX)).expect("masked to 32 bits")
}

#[cfg(test)]
mod tests {
    use Intent::{Cap, Drain, Floor, Scale};
    use proptest::prelude::*;

    use super::*;

    fn check(base: u32, intents: &[Intent], expected: u32) {
        assert_eq!(weight(base, intents), expected, "{base} {intents:?}");
    }

    #[test]
    fn without_a_word_the_base_stands() {
        check(100, &[], 100);
        check(0, &[], 0);
        check(WEIGHT_MAX, &[], WEIGHT_MAX);
    }

    #[test]
    fn a_drain_beats_everything() {
        check(100, &[Floor(7), Drain, Scale(1500)], 0);
    }

    #[test]
    fn a_base_of_zero_is_lifted_by_nothing() {
        check(0, &[Floor(7), Scale(5000)], 0);
    }

    #[test]
    fn scales_multiply_and_round_up_once() {
        check(100, &[Scale(500)], 50);
        check(1, &[Scale(1)], 1);
        check(3, &[Scale(1500), Scale(1500)], 7);
        check(10, &[Scale(333), Scale(3003)], 10);
        check(7, &[Scale(1000), Scale(1000)], 7);
        check(WEIGHT_MAX, &[Scale(u32::MAX); 9], WEIGHT_MAX);
        check(WEIGHT_MAX, &[Scale(1_000_000), Scale(1)], WEIGHT_MAX);
        check(WEIGHT_MAX, &[Scale(1); 9], 1);
    }

    #[test]
    fn caps_beat_floors() {
        check(100, &[Floor(150)], 150);
        check(100, &[Floor(150), Floor(120), Cap(130), Cap(140)], 130);
        check(100, &[Cap(0)], 1);
        check(100, &[Floor(u32::MAX)], WEIGHT_MAX);
    }

    fn intent() -> impl Strategy<Value = Intent> {
        prop_oneof![
            4 => (1..=u32::MAX).prop_map(Scale),
            4 => (1..3000_u32).prop_map(Scale),
            2 => any::<u32>().prop_map(Floor),
            2 => any::<u32>().prop_map(Cap),
            1 => Just(Drain),
        ]
    }

    proptest! {
        #[test]
        fn order_cannot_change_the_result(
            base in 0..=WEIGHT_MAX,
            (intents, shuffled) in prop::collection::vec(intent(), 0..12)
                .prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        ) {
            prop_assert_eq!(weight(base, &intents), weight(base, &shuffled));
        }

        #[test]
        fn only_a_drain_or_a_base_of_zero_empties(
            base in 0..=WEIGHT_MAX,
            intents in prop::collection::vec(intent(), 0..12),
        ) {
            let weight = weight(base, &intents);
            prop_assert!(weight <= WEIGHT_MAX);
            prop_assert_eq!(weight == 0, base == 0 || intents.contains(&Drain));
        }

        #[test]
        fn two_scales_are_what_wide_arithmetic_says(
            base in 1..=WEIGHT_MAX,
            first in 1..=u32::MAX,
            second in 1..=u32::MAX,
        ) {
            let product = u128::from(base) * u128::from(first) * u128::from(second);
            let expected = product.div_ceil(1_000_000).min(u128::from(WEIGHT_MAX));
            prop_assert_eq!(u128::from(weight(base, &[Scale(first), Scale(second)])), expected);
        }
    }
}
