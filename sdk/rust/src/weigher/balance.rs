//! The stable law by which a signal of load becomes weights.
//!
//! With `s` the signal of a real server and `r` the median of all, weighted by base weights:
//!
//! ```text
//! m <- (1 - a) m + a clamp((r / s)^g, 0.5, 1.5)      a = 0.3, g = 0.5 unless set
//! ```
//!
//! once a period. One reading may be chance: `s` is the median of the newest three. The law is
//! proportional and not integral: only the ratio to the median matters, so that a fleet under load
//! does not drift, and what a restart or a missed reading loses is forgotten within some periods.
//! The sum of weights stays what it is, so that no signal can shrink a service.
//!
//! The loop is stable while `g e < 2 / a - 1`, where `e` says by how many percent the signal
//! rises when load rises by one; in a queue that is used by rho, `e` is about
//! `rho / (1 - rho)`. With `g = 0.5` that is a rho of 0.9, or 0.8 where the signal is two
//! periods late; with `g = 0.2`, 0.96 and 0.94. Weights move new connections only: the
//! period should be a third of the time that a connection lasts, at least.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Candidate, HealthStatus, Input, Output};

/// How much of the newest target enters.
const SMOOTHING: f64 = 0.3;
/// No signal takes more than half of a real server's base weight, or adds more: to take all
/// is health's matter.
const LEAST: f64 = 0.5;
const MOST: f64 = 1.5;
/// More than this is unstable where real servers are used by three quarters already.
const MOST_GAIN: f64 = 2.0;
/// Changes below this are not worth a write.
const DEAD_BAND: f64 = 0.05;
/// Weights move by this part of the base a period, at most.
const STEP: f64 = 0.1;
/// Signals of which the median counts.
const NEWEST: usize = 3;
/// A real server is weighed once it gave so many signals, or it might be judged by its
/// first breath.
const SAMPLES: u32 = 5;
/// Periods without a signal, after which what was known fades.
const STALE: u32 = 3;

/// What is known of a real server, by its address: the memo.
type Memo = BTreeMap<String, Known>;

#[derive(Serialize, Deserialize)]
struct Known {
    /// The multiplier, smoothed.
    m: f64,
    /// What was last answered.
    applied: f64,
    /// The newest signals, the last one last.
    newest: Vec<f64>,
    /// Signals so far, up to [`SAMPLES`].
    samples: u32,
    /// Periods since the last signal.
    missed: u32,
}

impl Default for Known {
    fn default() -> Self {
        Self { m: 1.0, applied: 1.0, newest: Vec::new(), samples: 0, missed: 0 }
    }
}

/// Scales by `signal`, which says how loaded a real server is: any unit, larger is more;
/// none = there is nothing to go by now. `gain` is `g` above.
///
/// A real server that is down is left out, and begins anew when it comes back. Fails if `gain` is
/// not above 0 and at most 2, if a signal is not above 0, and if the memo is not one of this
/// function.
pub fn balance(
    input: &Input,
    gain: f64,
    signal: impl Fn(&Candidate) -> Option<f64>,
) -> Result<Output, String> {
    let is_stable = gain > 0.0 && gain <= MOST_GAIN;
    if !is_stable {
        return Err(format!("gain is {gain}: expected a number above 0, {MOST_GAIN} at most"));
    }
    let mut memo: Memo = match &input.memo[..] {
        [] => Memo::new(),
        memo => serde_json::from_slice(memo).map_err(|error| format!("read the memo: {error}"))?,
    };
    let mut members: Vec<Member> = Vec::new();
    for it in &input.candidates {
        let name = it.server.config.server.to_string();
        let known = memo.remove(&name).unwrap_or_default();
        let is_down = it.health == HealthStatus::Down;
        let known = if is_down { Known::default() } else { known };
        let signal = signal(it).filter(|_| !is_down);
        // One that is no number would be in the memo for ever.
        if let Some(odd) = signal.filter(|it| !it.is_finite() || *it <= 0.0) {
            return Err(format!("the signal of {name} is {odd}: expected a number above 0"));
        }
        members.push(Member { name, base: f64::from(it.base), is_down, signal, known });
    }
    for it in &mut members {
        it.count();
    }
    let median = median(&members);
    for it in &mut members {
        it.approach(median, gain);
    }
    apply(&mut members);
    let scales = members.iter().map(|it| thousandths(it.known.applied)).collect();
    let memo: Memo = members.into_iter().map(|it| (it.name, it.known)).collect();
    let memo = serde_json::to_vec(&memo).map_err(|error| format!("write the memo: {error}"))?;
    Ok(Output { scales, memo })
}

struct Member {
    name: String,
    base: f64,
    is_down: bool,
    signal: Option<f64>,
    known: Known,
}

impl Member {
    fn count(&mut self) {
        let known = &mut self.known;
        let Some(signal) = self.signal else {
            known.missed += 1;
            return;
        };
        (known.samples, known.missed) = ((known.samples + 1).min(SAMPLES), 0);
        if known.newest.len() == NEWEST {
            known.newest.remove(0);
        }
        known.newest.push(signal);
    }

    /// The signal that counts, of a real server that gave enough of them, and one now.
    fn counted(&self) -> Option<f64> {
        self.signal.filter(|_| self.known.samples >= SAMPLES)?;
        let mut newest = self.known.newest.clone();
        newest.sort_by(f64::total_cmp);
        newest.get(newest.len() / 2).copied()
    }

    fn approach(&mut self, median: Option<f64>, gain: f64) {
        let target = match (median, self.counted()) {
            (Some(median), Some(signal)) => (median / signal).powf(gain).clamp(LEAST, MOST),
            _ if self.known.missed > STALE || self.known.samples < SAMPLES => 1.0,
            _ => return,
        };
        self.known.m += SMOOTHING * (target - self.known.m);
    }
}

/// The signal that half of the base weight has less than.
fn median(members: &[Member]) -> Option<f64> {
    let mut signals: Vec<(f64, f64)> =
        members.iter().filter_map(|it| Some((it.counted()?, it.base))).collect();
    signals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = signals.iter().map(|it| it.1).sum::<f64>() / 2.0;
    let mut below = 0.0;
    signals.into_iter().find_map(|(signal, base)| {
        below += base;
        (below >= half).then_some(signal)
    })
}

/// Moves what is answered towards the multipliers, with their sum kept: all of them, if one
/// is worth it.
fn apply(members: &mut [Member]) {
    let live = || members.iter().filter(|it| !it.is_down);
    let (bases, weights) = live()
        .fold((0.0, 0.0), |(bases, weights), it| (bases + it.base, weights + it.base * it.known.m));
    let kept = if weights > 0.0 { bases / weights } else { 1.0 };
    let target = |it: &Member| if it.is_down { 1.0 } else { (it.known.m * kept).max(LEAST) };
    if !members.iter().any(|it| (target(it) - it.known.applied).abs() >= DEAD_BAND) {
        return;
    }
    for it in members {
        let change = (target(it) - it.known.applied).clamp(-STEP, STEP);
        it.known.applied += change;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a multiplier is between 0.5 and a few times the number of real servers"
)]
fn thousandths(multiplier: f64) -> u32 {
    (multiplier * 1000.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::{
        super::weir::ipvs::{
            addresses::{Endpoint, IpAddress},
            real_servers::{
                Forwarding, RealServer, RealServerConfig, Tunnel, TunnelChecksum, TunnelType,
            },
            services::{Protocol, ServiceConfig, ServiceFlags, ServiceKey, VirtualEndpoint},
            stats::{Stats, Traffic},
        },
        *,
    };

    const NOTHING: Traffic =
        Traffic { connections: 0, packets_in: 0, packets_out: 0, bytes_in: 0, bytes_out: 0 };

    fn endpoint(last: u8) -> Endpoint {
        Endpoint { address: IpAddress::Ipv4((10, 0, 0, last)), port: 80 }
    }

    fn candidate(last: u8, health: HealthStatus) -> Candidate {
        let tunnel = Tunnel { kind: TunnelType::Ipip, port: 0, checksum: TunnelChecksum::None };
        let config = RealServerConfig {
            server: endpoint(last),
            forwarding: Forwarding::Masquerade,
            tunnel,
            weight: 100,
            upper_threshold: 0,
            lower_threshold: 0,
        };
        let stats = Stats { total: NOTHING, per_second: NOTHING };
        let server = RealServer { config, active: 0, inactive: 0, persistent: 0, stats };
        Candidate {
            server,
            labels: Vec::new(),
            base: 100,
            unweighed: 100,
            health,
            latency: None,
            delta: NOTHING,
        }
    }

    /// A service of some real servers, weighed again and again.
    struct Service {
        input: Input,
        scales: Vec<u32>,
    }

    impl Service {
        fn new(servers: u8) -> Self {
            let key = VirtualEndpoint { protocol: Protocol::Tcp, endpoint: endpoint(254) };
            let service = ServiceConfig {
                key: ServiceKey::Vip(key),
                scheduler: "wrr".into(),
                flags: ServiceFlags::empty(),
                unnamed_flags: 0,
                persistence: None,
                netmask: u32::MAX,
                engine: None,
            };
            let candidates = (1..=servers).map(|it| candidate(it, HealthStatus::Up)).collect();
            let input = Input {
                service,
                name: "web".into(),
                labels: Vec::new(),
                settings: "{}".into(),
                at: 0,
                utc_offset: 0,
                period: 5000,
                candidates,
                memo: Vec::new(),
            };
            Self { input, scales: vec![1000; servers.into()] }
        }

        /// One period, with a signal from each real server.
        fn weigh(&mut self, signal: impl Fn(usize, u32) -> Option<f64>) -> &[u32] {
            let scales = self.scales.clone();
            let position = |it: &Candidate| match it.server.config.server.address {
                IpAddress::Ipv4((.., last)) => usize::from(last) - 1,
                IpAddress::Ipv6(_) => 0,
            };
            let output = balance(&self.input, 0.5, |it| signal(position(it), scales[position(it)]));
            let output = output.unwrap();
            self.input.memo = output.memo;
            self.scales = output.scales;
            &self.scales
        }
    }

    #[test]
    fn what_is_slow_gets_less_by_steps_and_the_sum_stays() {
        let mut service = Service::new(4);
        let mut before = 1000;
        for period in 0..30 {
            let scales = service.weigh(|it, _| Some(if it == 0 { 200.0 } else { 20.0 })).to_vec();
            assert!(period >= 4 || scales == [1000; 4], "too few signals: {scales:?}");
            assert!(before - scales[0] <= 100 && scales[0] >= 500, "{scales:?}");
            let sum: u32 = scales.iter().sum();
            assert!((3800..=4200).contains(&sum), "{scales:?}");
            before = scales[0];
        }
        assert!((500..620).contains(&service.scales[0]), "{:?}", service.scales);
    }

    #[test]
    fn one_reading_is_chance() {
        let mut service = Service::new(3);
        for period in 0..60 {
            let odd = |it, _| Some(if it == 1 && period % 7 == 6 { 500.0 } else { 20.0 });
            assert_eq!(service.weigh(odd), [1000; 3]);
        }
    }

    #[test]
    fn a_signal_that_ceases_fades() {
        let mut service = Service::new(3);
        for _ in 0..30 {
            service.weigh(|it, _| Some(if it == 0 { 200.0 } else { 20.0 }));
        }
        assert!(service.scales[0] < 650, "{:?}", service.scales);
        for _ in 0..20 {
            service.weigh(|it, _| (it != 0).then_some(20.0));
        }
        assert!((950..=1050).contains(&service.scales[0]), "{:?}", service.scales);
    }

    #[test]
    fn one_that_is_down_is_left_out_and_begins_anew() {
        let mut service = Service::new(3);
        for _ in 0..30 {
            service.weigh(|it, _| Some(if it == 0 { 200.0 } else { 20.0 }));
        }
        service.input.candidates[0].health = HealthStatus::Down;
        for _ in 0..10 {
            service.weigh(|_, _| Some(20.0));
        }
        assert_eq!(service.scales[0], 1000);
    }

    /// A queue: the nearer its load is to what it can, the longer it takes.
    #[test]
    fn it_settles_where_load_follows_the_weights() {
        let mut service = Service::new(4);
        let mut turns = 0;
        let mut ways = Vec::new();
        for period in 0..120 {
            let all: u32 = service.scales.iter().sum();
            let before = service.scales[0];
            let queue = move |it: usize, scale: u32| {
                let share = f64::from(scale) / f64::from(all);
                let capacity = if it == 0 { 0.35 } else { 0.5 };
                Some(10.0 / (1.0 - (share / capacity).min(0.95)))
            };
            let after = service.weigh(queue)[0];
            if after != before {
                ways.push(after > before);
            }
            if period == 30 {
                ways.clear();
            }
        }
        for pair in ways.windows(2) {
            turns += u32::from(pair[0] != pair[1]);
        }
        assert!(turns <= 2, "{turns} turns");
    }

    #[test]
    fn a_gain_and_signals_that_make_no_sense_are_refused() {
        let service = Service::new(1);
        let refused = |gain, signal| balance(&service.input, gain, |_| Some(signal)).err();
        for gain in [0.0, -0.5, 2.1, f64::NAN, f64::INFINITY] {
            let why = format!("gain is {gain}: expected a number above 0, 2 at most");
            assert_eq!(refused(gain, 1.0), Some(why));
        }
        for signal in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let why = format!("the signal of 10.0.0.1:80 is {signal}: expected a number above 0");
            assert_eq!(refused(0.5, signal), Some(why));
        }
        assert_eq!(refused(2.0, 1e-9), None);
    }

    #[test]
    fn a_memo_is_not_longer_than_the_host_keeps() {
        let mut service = Service::new(250);
        for period in 0..10 {
            let turn = |it| f64::from(u32::try_from(it % 7).unwrap() * period);
            service.weigh(|it, _| Some(1e4 / (3.0 + turn(it))));
        }
        // 256 bytes for each real server; an IPv6 address is up to 32 longer than these.
        let most = 250 * (256 - 32);
        assert!(service.input.memo.len() < most, "{} bytes", service.input.memo.len());
    }

    #[test]
    fn a_memo_of_someone_else_is_refused() {
        let mut service = Service::new(1);
        service.input.memo = b"{".to_vec();
        let refused = balance(&service.input, 0.5, |_| None).unwrap_err();
        assert!(refused.starts_with("read the memo: "), "{refused}");
    }
}
