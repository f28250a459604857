//! Natural numbers of any size: the exact product of as many factors as there are plugins.

/// 32 bits a digit, the least significant first.
pub(super) struct Natural(Vec<u32>);

impl Natural {
    pub(super) fn new(number: u32) -> Self {
        Self(vec![number])
    }

    pub(super) fn multiply(&mut self, factor: u32) {
        let mut carry = 0;
        for digit in &mut self.0 {
            let wide = u64::from(*digit) * u64::from(factor) + carry;
            (*digit, carry) = (low(wide), wide >> 32);
        }
        self.0.push(low(carry));
    }

    /// Rounded up. Doing so at each of several divisions equals doing it once:
    /// `ceil(ceil(x/a)/b) = ceil(x/ab)`.
    pub(super) fn divide_up(&mut self, divisor: u32) {
        let mut rest = 0;
        for digit in self.0.iter_mut().rev() {
            let wide = rest << 32 | u64::from(*digit);
            (*digit, rest) = (low(wide / u64::from(divisor)), wide % u64::from(divisor));
        }
        if rest > 0 {
            self.increment();
        }
    }

    /// What exceeds 32 bits is their largest number.
    pub(super) fn saturated(&self) -> u32 {
        match self.0[..] {
            [digit, ref higher @ ..] if higher.iter().all(|it| *it == 0) => digit,
            _ => u32::MAX,
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
}

fn low(wide: u64) -> u32 {
    u32::try_from(wide & u64::from(u32::MAX)).expect("masked to 32 bits")
}
