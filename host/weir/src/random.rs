//! Random choices that a seed repeats, on every machine alike.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// 2014): no cryptography, but every seed is good, and nearby ones are unrelated.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence that belongs to something by its name, in every build the same.
    pub(crate) fn named(name: &str) -> Self {
        Self(fnv1a(name))
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Anywhere in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        f64::from(u32::try_from(self.number() >> 32).unwrap_or(u32::MAX))
            / (f64::from(u32::MAX) + 1.0)
    }
}

/// FNV-1a: unlike the standard library's hasher, the same in every build.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
