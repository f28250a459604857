//! How long things take, and how often they happen.

use std::time::Duration;

use crate::random::Random;

/// A distribution of durations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Distribution {
    /// Always the same.
    Constant(Duration),
    /// Any in the range, one as likely as the other.
    Uniform(Duration, Duration),
    /// Of this mean, without memory: many short ones, few long ones.
    Exponential(Duration),
    /// Of this mean and standard deviation; what would be below 0 is 0.
    Normal(Duration, Duration),
    /// With a long tail, as response times have: half are below the first, 99 of 100 below
    /// the second.
    LogNormal(Duration, Duration),
    /// With a heavy tail: none is below the duration, and the smaller the shape, the more
    /// is in the tail.
    Pareto(Duration, f64),
}

/// The value below which 99 of 100 values of the standard normal distribution are.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// What no duration exceeds, so that times always fit: a year.
const LONGEST_S: f64 = 366.0 * 86_400.0;

impl Distribution {
    /// One duration.
    ///
    /// Logarithms and the like are `libm`'s: those of the standard library are the
    /// platform's, and differ in the last bit from one to the other.
    pub(crate) fn draw(&self, random: &mut Random) -> Duration {
        let seconds = match *self {
            Self::Constant(duration) => return duration,
            Self::Uniform(least, most) => {
                let (least, most) = (least.as_secs_f64(), most.as_secs_f64());
                least + (most - least) * random.uniform()
            }
            Self::Exponential(mean) => mean.as_secs_f64() * exponential(random),
            Self::Normal(mean, deviation) => {
                mean.as_secs_f64() + deviation.as_secs_f64() * normal(random)
            }
            Self::LogNormal(median, p99) => {
                let sigma = libm::log(p99.as_secs_f64() / median.as_secs_f64()) / NORMAL_P99;
                median.as_secs_f64() * libm::exp(sigma * normal(random))
            }
            Self::Pareto(least, shape) => {
                least.as_secs_f64() * libm::exp(exponential(random) / shape)
            }
        };
        from_seconds(seconds)
    }
}

/// `duration` times `factor`, 0 or above.
pub(crate) fn times(duration: Duration, factor: f64) -> Duration {
    from_seconds(duration.as_secs_f64() * factor)
}

fn from_seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_S))
}

/// Of mean 1.
pub(crate) fn exponential(random: &mut Random) -> f64 {
    -libm::log(1.0 - random.uniform())
}

/// Of mean 0 and standard deviation 1: Box and Muller's transform.
fn normal(random: &mut Random) -> f64 {
    let angle = std::f64::consts::TAU * random.uniform();
    libm::sqrt(2.0 * exponential(random)) * libm::cos(angle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 100_000;

    fn sorted(distribution: Distribution) -> Vec<f64> {
        let mut random = Random::named("1");
        let mut drawn: Vec<f64> =
            (0..DRAWS).map(|_| distribution.draw(&mut random).as_secs_f64() * 1000.0).collect();
        drawn.sort_by(f64::total_cmp);
        drawn
    }

    /// Mean, median and 99th percentile, in milliseconds.
    fn check(distribution: Distribution, expected: [f64; 3]) {
        let drawn = sorted(distribution);
        let mean = drawn.iter().sum::<f64>() / 100_000.0;
        let seen = [mean, drawn[DRAWS / 2], drawn[DRAWS * 99 / 100]];
        for (seen, expected) in seen.into_iter().zip(expected) {
            assert!((seen / expected - 1.0).abs() < 0.03, "{distribution:?}: {seen} {expected}");
        }
    }

    #[test]
    fn draws_are_distributed_as_said() {
        let ms = Duration::from_millis;
        check(Distribution::Constant(ms(20)), [20.0, 20.0, 20.0]);
        check(Distribution::Uniform(ms(10), ms(30)), [20.0, 20.0, 29.8]);
        check(Distribution::Exponential(ms(20)), [20.0, 13.863, 92.10]);
        check(Distribution::Normal(ms(20), ms(4)), [20.0, 20.0, 29.31]);
        // The mean of a log-normal distribution is median * exp(sigma^2 / 2).
        check(Distribution::LogNormal(ms(20), ms(200)), [32.65, 20.0, 200.0]);
        check(Distribution::Pareto(ms(10), 3.0), [15.0, 12.599, 46.42]);
    }

    #[test]
    fn no_duration_is_negative() {
        let ms = Duration::from_millis;
        assert!(sorted(Distribution::Normal(ms(1), ms(100)))[0] == 0.0);
    }

    #[test]
    fn a_seed_gives_the_same_draws() {
        let draws = |seed: u64| {
            let mut random = Random::named(&seed.to_string());
            let distribution = Distribution::Exponential(Duration::from_secs(1));
            [(); 5].map(|()| distribution.draw(&mut random))
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }
}
