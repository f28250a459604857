//! What happened, for people and programs: a JSON object a line.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::{Serialize, Serializer};
use weir_ipvs::{Change, RealServerKey};

use super::{
    board::{Board, Mark, percentile, status_word},
    judge::Failure,
    language::show_moment,
    scenario::{Names, Percentile, Scenario},
    words,
};
use crate::{health::Verdict, report::Line};

/// One thing that happened, or how things stood.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Record {
    /// The first line.
    Begin {
        /// The file.
        scenario: String,
        /// By which it can be repeated.
        seed: u64,
        /// Of weir.
        version: &'static str,
    },
    /// How things stand.
    Sample {
        /// In the table.
        servers: Vec<ServerSample>,
        /// Since the sample before.
        clients: Vec<ClientsSample>,
    },
    /// A line of the scenario was carried out, or what followed from one.
    Scenario {
        /// Its line.
        line: usize,
        /// What happened.
        what: String,
    },
    /// A check changed its mind.
    Verdict {
        /// Whose.
        service: String,
        /// Whose.
        server: String,
        /// In a word.
        state: String,
        /// In three: up, down, unknown.
        status: &'static str,
        /// What was seen.
        reason: String,
    },
    /// weir changed the table.
    Write {
        /// In words.
        what: String,
    },
    /// weir, or one of its plugins, said something.
    Log {
        /// What happened.
        what: &'static str,
        /// About what.
        #[serde(serialize_with = "in_order")]
        fields: Vec<(String, String)>,
    },
    /// Someone called ipvsadm.
    Ipvsadm {
        /// Its arguments.
        arguments: String,
        /// Its exit status.
        status: u8,
        /// What it printed.
        #[serde(skip_serializing_if = "String::is_empty")]
        output: String,
        /// What it complained of.
        #[serde(skip_serializing_if = "String::is_empty")]
        error: String,
    },
    /// An expectation was not met.
    Failed {
        /// Its line.
        line: usize,
        /// What was expected.
        expected: String,
        /// What was seen.
        seen: String,
    },
    /// The last line.
    End {
        /// Expectations that were met.
        met: usize,
        /// Expectations that were not.
        failed: usize,
    },
}

/// A real server in the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ServerSample {
    /// Its service.
    pub(crate) service: String,
    /// It.
    pub(crate) server: String,
    /// Its weight.
    pub(crate) weight: u32,
    /// Active connections.
    pub(crate) active: u32,
    /// Inactive connections.
    pub(crate) inactive: u32,
    /// New connections since the sample before.
    pub(crate) new: u64,
    /// Requests that wait for a worker.
    pub(crate) waiting: u32,
    /// What its checks say.
    pub(crate) status: &'static str,
}

/// What clients saw since the sample before.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ClientsSample {
    /// Who.
    pub(crate) clients: String,
    /// Requests that were answered.
    pub(crate) answers: usize,
    /// Requests that failed for good.
    pub(crate) failures: u64,
    /// Half were answered within this many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_ms: Option<f64>,
    /// 99 of 100 were answered within this many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ms: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// Seconds from the beginning.
    pub(crate) at: f64,
    #[serde(flatten)]
    pub(crate) what: Record,
}

impl Entry {
    /// In words, with its time; none = it explains nothing.
    fn show(&self) -> Option<String> {
        let what = match &self.what {
            Record::Scenario { what, .. } => what.clone(),
            Record::Verdict { server, state, reason, .. } => format!("{server} {state}: {reason}"),
            Record::Write { what } => what.clone(),
            Record::Ipvsadm { arguments, error, .. } => format!("ipvsadm {arguments} {error}"),
            Record::Log { what, fields } if !["weight", "health"].contains(what) => {
                let first_line = |it: &str| it.lines().next().unwrap_or_default().to_owned();
                let fields =
                    fields.iter().map(|(key, value)| format!(" {key}={}", first_line(value)));
                format!("weir: {what}{}", fields.collect::<String>())
            }
            _ => return None,
        };
        let time = Duration::try_from_secs_f64(self.at).unwrap_or_default();
        Some(format!("{:>10}  {}", show_moment(time), what.trim_end()))
    }
}

/// What is shown of what happened before a failure.
const SHOWN: usize = 6;

/// The least that is forgotten at a time.
const FORGOTTEN: usize = 1024;

/// See the module.
pub(crate) struct Timeline {
    names: Names,
    entries: Vec<Entry>,
    /// Those that were not written yet.
    unwritten: usize,
    /// How many were left when it last forgot some.
    kept: usize,
    last_sample: Mark,
}

impl Timeline {
    /// Of `scenario`.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let names = scenario.names.clone();
        let last_sample = Mark::default();
        let mut timeline = Self { names, entries: Vec::new(), unwritten: 0, kept: 0, last_sample };
        let begin = Record::Begin {
            scenario: scenario.path.display().to_string(),
            seed: scenario.seed,
            version: env!("CARGO_PKG_VERSION"),
        };
        timeline.add(Duration::ZERO, begin);
        timeline
    }

    /// What services and servers are called in it.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Adds what happened at `now`.
    pub(crate) fn add(&mut self, now: Duration, what: Record) {
        self.entries.push(Entry { at: now.as_secs_f64(), what });
    }

    /// Writes what was added since this was last called.
    pub(crate) fn write(&mut self, out: &mut dyn Write) -> io::Result<()> {
        for entry in &self.entries[self.unwritten..] {
            serde_json::to_writer(&mut *out, entry)?;
            out.write_all(b"\n")?;
        }
        self.unwritten = self.entries.len();
        Ok(())
    }

    /// Adds how things stand at `now`.
    pub(crate) fn sample(&mut self, now: Duration, board: &Board, scenario: &Scenario) {
        let since = std::mem::replace(&mut self.last_sample, board.mark());
        let record = Record::Sample {
            servers: servers(board, &since, &self.names),
            clients: clients(board, &since, scenario),
        };
        self.add(now, record);
    }

    /// Forgets what happened long ago: all but what [`Timeline::before`] would show.
    pub(crate) fn forget(&mut self) {
        // Now and then, for who looks through much to keep little should not do so often.
        if self.entries.len() < 2 * self.kept + FORGOTTEN {
            return;
        }
        let shown = self.entries.iter().enumerate().rev().filter(|(_, it)| it.show().is_some());
        let first = shown.take(SHOWN).last().map_or(self.entries.len(), |(number, _)| number);
        self.entries.drain(..first);
        self.kept = self.entries.len();
        self.unwritten = self.kept;
    }

    /// The last things that happened at `at` or before, in words, oldest first.
    pub(crate) fn before(&self, at: Duration) -> Vec<String> {
        let at = at.as_secs_f64();
        let last = self.entries.iter().rev().filter(|it| it.at <= at);
        let mut shown: Vec<String> = last.filter_map(Entry::show).take(SHOWN).collect();
        shown.reverse();
        shown
    }

    /// All of it.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

fn servers(board: &Board, since: &Mark, names: &Names) -> Vec<ServerSample> {
    let rows =
        board.table.iter().flat_map(|(service, rows)| rows.iter().map(move |it| (service, it)));
    rows.map(|(service, (server, row))| ServerSample {
        service: names.service(service),
        server: names.server(*server),
        weight: row.weight,
        active: row.active,
        inactive: row.inactive,
        new: board.new_of(*service, *server, since),
        waiting: board.waiting.get(server).copied().unwrap_or(0),
        status: status_word(board.status_of(*service, *server)),
    })
    .collect()
}

fn clients(board: &Board, since: &Mark, scenario: &Scenario) -> Vec<ClientsSample> {
    let sample = |(number, counts): (usize, &super::board::Counts)| {
        let (answers, failures) = since.of_clients(number);
        let mut latencies = counts.latencies[answers..].to_vec();
        let mut ms = |part| {
            let value = percentile(&mut latencies, Percentile(part))?;
            Some(value.as_secs_f64() * 1000.0)
        };
        ClientsSample {
            clients: scenario.clients[number].name.clone(),
            p50_ms: ms(50_000),
            p99_ms: ms(99_000),
            answers: counts.latencies.len() - answers,
            failures: counts.failures - failures,
        }
    };
    board.clients.iter().enumerate().map(sample).collect()
}

impl Record {
    pub(crate) fn verdict(key: RealServerKey, verdict: &Verdict, names: &Names) -> Self {
        Self::Verdict {
            service: names.service(&key.service),
            server: names.server(key.server),
            state: verdict.state.to_string(),
            status: status_word(verdict.state.status()),
            reason: verdict.detail.clone(),
        }
    }

    pub(crate) fn write(change: &Change, names: &Names) -> Self {
        Self::Write { what: words::change(change, names) }
    }

    pub(crate) fn log(line: &Line) -> Self {
        Self::Log { what: line.event(), fields: line.fields_owned() }
    }

    pub(crate) fn failed(failure: &Failure) -> Self {
        Self::Failed {
            line: failure.line,
            expected: failure.expected.clone(),
            seen: failure.seen.clone(),
        }
    }
}

fn in_order<S: Serializer>(fields: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|(key, value)| (key, value)))
}
