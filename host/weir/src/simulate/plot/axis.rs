//! Scales, and where their ticks are. Pure.

/// From values to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    values: (f64, f64),
    pixels: (f64, f64),
}

impl Scale {
    pub(super) fn new(values: (f64, f64), pixels: (f64, f64)) -> Self {
        Self { values, pixels }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let (least, most) = self.values;
        let (from, to) = self.pixels;
        from + (value - least) / (most - least) * (to - from)
    }

    pub(super) fn from(&self) -> f64 {
        self.pixels.0
    }

    pub(super) fn to(&self) -> f64 {
        self.pixels.1
    }
}

/// An axis from 0 up.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) most: f64,
    pub(super) ticks: Vec<f64>,
    step: f64,
}

impl Axis {
    /// With room for `most`, in steps that people count in.
    pub(super) fn up_to(most: f64) -> Self {
        const STEPS: [f64; 4] = [1.0, 2.0, 2.5, 5.0];
        let most = if most > 0.0 { most } else { 1.0 };
        let magnitude = 10_f64.powf((most / 4.0).log10().floor());
        let steps = STEPS.iter().chain(&[10.0]).map(|it| it * magnitude);
        let step = steps.into_iter().find(|it| most / it <= 4.0).unwrap_or(most);
        let top = (most / step).ceil() * step;
        let ticks = (0..=5_u8).map(|it| f64::from(it) * step).filter(|it| *it <= top * 1.001);
        Self { most: top * 1.05, ticks: ticks.collect(), step }
    }

    pub(super) fn show(&self, tick: f64) -> String {
        if tick >= 10_000.0 {
            return format!("{:.0}k", tick / 1000.0);
        }
        let is_whole = |it: f64| (it - it.round()).abs() < 1e-6;
        let decimals = (0..4_u8).find(|it| is_whole(self.step * 10_f64.powi((*it).into())));
        format!("{tick:.*}", usize::from(decimals.unwrap_or(4)))
    }
}

/// Ticks of an axis of seconds, with their labels.
pub(super) fn times(scale: Scale) -> Vec<(f64, String)> {
    const STEPS: [f64; 18] = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0,
        3600.0, 7200.0, 21_600.0,
    ];
    let end = scale.values.1;
    let step = STEPS.into_iter().find(|it| end / it <= 12.0).unwrap_or(end / 12.0);
    let ticks = (0..=12_u8).map(|it| f64::from(it) * step);
    ticks.filter(|it| *it <= end * 1.0001).map(|it| (it, show_time(it))).collect()
}

/// `1m30s`.
pub(super) fn show_time(seconds: f64) -> String {
    // To a tenth, which is as exact as a drawing is.
    let tenths = (seconds * 10.0).round() / 10.0;
    let duration = std::time::Duration::try_from_secs_f64(tenths).unwrap_or_default();
    crate::simulate::language::show_duration(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(most: f64, expected: &str) {
        let axis = Axis::up_to(most);
        let ticks: Vec<String> = axis.ticks.iter().map(|it| axis.show(*it)).collect();
        assert_eq!(ticks.join(" "), expected, "{most}");
        assert!(axis.most >= most);
    }

    #[test]
    fn ticks_are_numbers_that_people_count_in() {
        check(100.0, "0 25 50 75 100");
        check(7.0, "0 2 4 6 8");
        check(0.0, "0.00 0.25 0.50 0.75 1.00");
        check(0.37, "0.0 0.1 0.2 0.3 0.4");
        check(48_000.0, "0 20k 40k 60k");
        check(1.0, "0.00 0.25 0.50 0.75 1.00");
    }

    #[test]
    fn times_have_labels_at_round_moments() {
        let labels = |end| {
            let labels = times(Scale::new((0.0, end), (0.0, 1.0)));
            labels.into_iter().map(|it| it.1).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(60.0), "0s 5s 10s 15s 20s 25s 30s 35s 40s 45s 50s 55s 1m");
        assert_eq!(labels(3600.0), "0s 5m 10m 15m 20m 25m 30m 35m 40m 45m 50m 55m 1h");
    }
}
