//! The commands' side of the socket: a daemon's table as an `Ipvs`.
//!
//! [`http`] knows how things are asked; here is what is asked.

mod http;

use weir_ipvs::{
    Change, Connection, Connections, Error, Failure, Fields, Info, Ipvs, OnFailure, Scheduler,
    Scope, Snapshot, Stats, SyncDaemon, Timeouts,
};

use self::http::Answer;
pub(crate) use self::http::{Http, Unasked, Unreached};
use super::protocol::{self, CHANGES_MAX, ConnectionLine};

/// The table of the daemon at a socket.
pub(crate) struct Remote(pub(crate) Http);

impl Ipvs for Remote {
    fn info(&mut self) -> Result<Info, Error> {
        Ok(self.0.get(protocol::INFO)?.whole::<protocol::Info>()?.into())
    }

    fn read(&mut self, scope: Scope, fields: Fields) -> Result<Snapshot, Error> {
        let read = protocol::Read::from((scope, fields));
        let mut answer = self.0.post(protocol::READ, &read)?;
        let mut snapshot = Snapshot::default();
        while let Some(entry) = answer.next_line::<protocol::Entry>()? {
            snapshot.entries.push(entry.into());
        }
        Ok(snapshot)
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut first = 0;
        for part in changes.chunks(CHANGES_MAX) {
            let failed = self.apply_part(part, on_failure);
            failures.extend(failed.into_iter().map(|it| Failure { step: first + it.step, ..it }));
            if on_failure == OnFailure::Stop && !failures.is_empty() {
                break;
            }
            first += part.len();
        }
        failures
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        Ok(self.0.get(protocol::TOTALS)?.whole::<protocol::Stats>()?.into())
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        Ok(self.0.get(protocol::TIMEOUTS)?.whole::<protocol::Timeouts>()?.into())
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        let daemons: Vec<protocol::SyncDaemon> = self.0.get(protocol::DAEMONS)?.whole()?;
        Ok(daemons.into_iter().map(Into::into).collect())
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        let schedulers: Vec<protocol::Scheduler> = self.0.get(protocol::SCHEDULERS)?.whole()?;
        Ok(schedulers.into_iter().map(Into::into).collect())
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        Ok(Box::new(Walk(Some(self.0.get(protocol::CONNECTIONS)?))))
    }
}

impl Remote {
    /// Makes at most [`CHANGES_MAX`] changes.
    fn apply_part(&self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        let apply = protocol::Apply {
            changes: changes.iter().cloned().map(Into::into).collect(),
            on_failure: on_failure.into(),
        };
        match self.0.post(protocol::APPLY, &apply).and_then(Answer::whole) {
            Ok(protocol::Applied { failures }) => failures.into_iter().map(Into::into).collect(),
            Err(error) => {
                let listed = if on_failure == OnFailure::Stop { 1 } else { changes.len() };
                let steps = 0..changes.len().min(listed);
                steps.map(|step| Failure { step, error: error.clone() }).collect()
            }
        }
    }
}

/// A walk through the connection table; none = it has ended.
struct Walk(Option<Answer>);

impl Iterator for Walk {
    type Item = Result<Connection, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.0.as_mut()?.next_line() {
            Ok(None) => None,
            Ok(Some(ConnectionLine::Connection(it))) => Some(Ok(it.into())),
            Ok(Some(ConnectionLine::Problem(problem))) => Some(Err(problem.into())),
            Err(error) => Some(Err(error)),
        };
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        next
    }
}
