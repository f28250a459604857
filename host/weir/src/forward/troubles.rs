//! Real servers that could not be reached and clients that were let down, in few lines.
//!
//! None goes untold, and none has a line of its own: the first is told at once, those that
//! follow are told together.

use std::{collections::BTreeMap, fmt, time::Duration};

use weir_ipvs::Endpoint;

use crate::report::Line;

/// Between two lines about the same.
const PERIOD: Duration = Duration::from_secs(10);

/// What went wrong since it was last told.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// By service and real server; none = clients of the service.
    open: BTreeMap<(Endpoint, Option<Endpoint>), Trouble>,
}

#[derive(Debug)]
struct Trouble {
    times: u64,
    reason: String,
    tell_at: Duration,
}

impl Troubles {
    /// A connection to a real server failed.
    pub(super) fn unreachable(
        &mut self,
        now: Duration,
        service: Endpoint,
        server: Endpoint,
        reason: impl fmt::Display,
    ) {
        self.add(now, (service, Some(server)), reason);
    }

    /// A client was reset, for no real server that it could have had was reached.
    pub(super) fn let_down(&mut self, now: Duration, service: Endpoint, reason: impl fmt::Display) {
        self.add(now, (service, None), reason);
    }

    /// The next line that is due.
    pub(super) fn poll_line(&mut self, now: Duration) -> Option<Line> {
        self.open.retain(|_, it| it.times > 0 || it.tell_at > now);
        let (&(service, server), trouble) =
            self.open.iter_mut().find(|(_, it)| it.times > 0 && it.tell_at <= now)?;
        let times = std::mem::take(&mut trouble.times);
        trouble.tell_at = now + PERIOD;
        let line = match server {
            Some(server) => {
                Line::warn("unreachable").with("service", service).with("server", server)
            }
            None => Line::warn("client-let-down").with("service", service),
        };
        Some(line.with("times", times).with("reason", &trouble.reason))
    }

    /// When [`Troubles::poll_line`] has something to tell.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.open.values().filter(|it| it.times > 0).map(|it| it.tell_at).min()
    }

    fn add(&mut self, now: Duration, key: (Endpoint, Option<Endpoint>), reason: impl fmt::Display) {
        let fresh = || Trouble { times: 0, reason: String::new(), tell_at: now };
        let trouble = self.open.entry(key).or_insert_with(fresh);
        trouble.times += 1;
        trouble.reason = reason.to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_together() {
        let [service, server] = ["192.0.2.1:80", "10.0.0.1:80"].map(|it| it.parse().unwrap());
        let at = Duration::from_secs;
        let mut troubles = Troubles::default();
        assert_eq!(troubles.next_deadline(), None);
        let mut told = Vec::new();
        for second in [0, 1, 2, 15, 30] {
            if second < 3 {
                troubles.unreachable(at(second), service, server, "refused");
            }
            while let Some(line) = troubles.poll_line(at(second)) {
                told.push(format!("{second} {line}"));
            }
        }
        let line = "unreachable service=192.0.2.1:80 server=10.0.0.1:80";
        assert_eq!(
            told,
            [
                format!("0 {line} times=1 reason=refused"),
                format!("15 {line} times=2 reason=refused"),
            ]
        );
        assert!(troubles.open.is_empty(), "what is over is forgotten");
    }
}
