//! What of a timeline is drawn. Pure.

use std::collections::BTreeMap;

use crate::simulate::timeline::{ClientsSample, Entry, Record, ServerSample};

/// Points of a line, at most: more than that nobody can see.
const POINTS: usize = 600;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) end: f64,
    pub(super) bands: Vec<Band>,
    pub(super) quantities: Vec<Quantity>,
    pub(super) marks: Vec<Mark>,
    pub(super) summary: String,
}

/// What the checks of one server say over time.
#[derive(Debug)]
pub(super) struct Band {
    pub(super) name: String,
    /// From, to, and what.
    pub(super) spans: Vec<(f64, f64, &'static str)>,
}

/// One quantity of several servers or clients.
#[derive(Debug)]
pub(super) struct Quantity {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) shape: Shape,
    pub(super) series: Vec<Series>,
}

impl Quantity {
    pub(super) fn most(&self) -> f64 {
        let points = self.series.iter().flat_map(|it| &it.points);
        points.map(|it| it.1).fold(0.0, f64::max)
    }
}

/// How points are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A value stands until the next.
    Steps,
    /// By straight lines.
    Lines,
}

/// A quantity of one server, or of one kind of clients.
#[derive(Debug)]
pub(super) struct Series {
    /// By which it has its colour.
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) at: f64,
    pub(super) what: String,
    /// Whether something went wrong.
    pub(super) is_trouble: bool,
}

type Points = BTreeMap<String, Vec<(f64, f64)>>;

impl Data {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut gathered = Gathered::default();
        let mut data = Self::default();
        for entry in entries {
            data.end = data.end.max(entry.at);
            match &entry.what {
                Record::Sample { servers, clients } => gathered.sample(entry.at, servers, clients),
                Record::Begin { seed, version, .. } => {
                    data.summary = format!("seed {seed}, weir {version}");
                }
                Record::Scenario { what, .. } => data.mark(entry.at, what, is_bad_news(what)),
                Record::Ipvsadm { .. } | Record::Write { .. } => {}
                Record::Log { what, fields } if *what == "plugin-failed" => {
                    let plugin = fields.iter().find(|it| it.0 == "plugin").map_or("", |it| &it.1);
                    data.mark(entry.at, &format!("plugin {plugin} fails"), true);
                }
                Record::Verdict { server, status, state, reason, .. } if state == status => {
                    let what = format!("{server} is {status}: {reason}");
                    // The first verdicts of all servers are no news.
                    if !reason.ends_with("the first check") {
                        data.mark(entry.at, &what, false);
                    }
                }
                Record::Failed { expected, .. } => {
                    data.mark(entry.at, &format!("not so: {expected}"), true);
                }
                Record::End { met, failed } => {
                    let expectations = met + failed;
                    data.summary += &format!(", {met} of {expectations} expectations met");
                }
                Record::Verdict { .. } | Record::Log { .. } => {}
            }
        }
        data.bands = gathered.bands(data.end);
        data.quantities = gathered.quantities();
        data
    }

    fn mark(&mut self, at: f64, what: &str, is_trouble: bool) {
        const LONGEST: usize = 48;
        let mut what = what.to_owned();
        if what.chars().count() > LONGEST {
            what = what.chars().take(LONGEST - 1).chain(['…']).collect();
        }
        self.marks.push(Mark { at, what, is_trouble });
    }
}

/// Whether a line of a scenario makes something go wrong.
fn is_bad_news(what: &str) -> bool {
    const BAD: [&str; 8] =
        ["crash", "silent", "unreachable", "slow", " fail", "flap", "dies", "traps"];
    BAD.iter().any(|it| what.contains(it))
}

#[derive(Default)]
struct Gathered {
    weights: Points,
    active: Points,
    new: Points,
    waiting: Points,
    answers: Points,
    p50: Points,
    p99: Points,
    failures: Points,
    health: BTreeMap<String, Vec<(f64, &'static str)>>,
    last: f64,
}

impl Gathered {
    fn sample(&mut self, at: f64, servers: &[ServerSample], clients: &[ClientsSample]) {
        let period = if at > self.last { at - self.last } else { 1.0 };
        self.last = at;
        let has_many_services = servers.iter().any(|it| it.service != servers[0].service);
        for it in servers {
            let name = match has_many_services {
                true => format!("{} ({})", it.server, it.service),
                false => it.server.clone(),
            };
            let add = |points: &mut Points, value: f64| {
                points.entry(name.clone()).or_default().push((at, value));
            };
            add(&mut self.weights, it.weight.into());
            add(&mut self.active, it.active.into());
            add(&mut self.new, number(it.new) / period);
            add(&mut self.waiting, it.waiting.into());
            self.health.entry(name).or_default().push((at, it.status));
        }
        for it in clients {
            let answers = number(u64::try_from(it.answers).unwrap_or(u64::MAX));
            let add = |points: &mut Points, name: String, value: f64| {
                points.entry(name).or_default().push((at, value));
            };
            add(&mut self.answers, it.clients.clone(), answers / period);
            add(&mut self.failures, it.clients.clone(), number(it.failures) / period);
            if let (Some(p50), Some(p99)) = (it.p50_ms, it.p99_ms) {
                add(&mut self.p50, format!("{} p50", it.clients), p50);
                add(&mut self.p99, format!("{} p99", it.clients), p99);
            }
        }
    }

    fn bands(&self, end: f64) -> Vec<Band> {
        let is_checked = self.health.values().flatten().any(|it| it.1 != "unknown");
        if !is_checked {
            return Vec::new();
        }
        let band = |(name, seen): (&String, &Vec<(f64, &'static str)>)| {
            let mut spans: Vec<(f64, f64, &'static str)> = Vec::new();
            for (at, status) in seen {
                if let Some(last) = spans.last_mut() {
                    last.1 = *at;
                }
                if spans.last().is_none_or(|it| it.2 != *status) {
                    spans.push((*at, end, status));
                }
            }
            if let Some(last) = spans.last_mut() {
                last.1 = end;
            }
            Band { name: name.clone(), spans }
        };
        self.health.iter().map(band).collect()
    }

    fn quantities(self) -> Vec<Quantity> {
        let mut latencies = self.p50;
        latencies.extend(self.p99);
        let all = [
            ("weights", "", Shape::Steps, self.weights),
            ("new connections", "a second", Shape::Lines, self.new),
            ("active connections", "", Shape::Lines, self.active),
            ("requests that wait for a worker", "", Shape::Lines, self.waiting),
            ("latency", "ms, of requests that were answered", Shape::Lines, latencies),
            ("answers", "a second", Shape::Lines, self.answers),
            ("failed requests", "a second", Shape::Lines, self.failures),
        ];
        let quantity =
            |(title, unit, shape, points): (_, _, _, Points)| {
                let series = points.into_iter().enumerate().map(|(number, (name, points))| {
                    Series { number, name, points: thinned(&points, shape) }
                });
                Quantity { title, unit, shape, series: series.collect() }
            };
        let quantities = all.into_iter().map(quantity);
        // What is zero all the time says nothing, but for weights.
        quantities.filter(|it| it.most() > 0.0 || it.title == "weights").collect()
    }
}

/// As many points as can be seen: steps without those that change nothing, lines by means.
fn thinned(points: &[(f64, f64)], shape: Shape) -> Vec<(f64, f64)> {
    if shape == Shape::Steps {
        let last = points.len().saturating_sub(1);
        let is_seen = |index: usize| {
            index == 0 || index == last || (points[index - 1].1 - points[index].1).abs() > 1e-9
        };
        return (0..points.len()).filter(|it| is_seen(*it)).map(|it| points[it]).collect();
    }
    let size = points.len().div_ceil(POINTS).max(1);
    let mean = |chunk: &[(f64, f64)]| {
        let many = number(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        let sum = chunk.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        (sum.0 / many, sum.1 / many)
    };
    points.chunks(size).map(mean).collect()
}

fn number(count: u64) -> f64 {
    count as f64
}
