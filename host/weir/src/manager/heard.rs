//! What is heard of checks beside verdicts: agents, and troubles of the checks themselves.

use std::time::Duration;

use weir_ipvs::RealServerKey;
use weir_wasm::{HealthChange, HealthStatus};

use super::{Manager, Now, Output, PolicyEvent};
use crate::{
    formula::Says,
    health::{AgentReport, Hindrance, LagNews, News, Notice, Subject},
    plan::{Health, Origin},
    report::Line,
};

impl Manager {
    /// An agent says something else.
    pub(super) fn hear_agent(&mut self, now: Now, report: AgentReport) {
        let AgentReport { key, watch, says } = report;
        let Some(claim) = self.claims.get_mut(&key.service) else { return };
        let Some(server) = claim.servers.get_mut(&key.server) else { return };
        if server.watch != Some(watch) {
            return;
        }
        let was_awaited = std::mem::take(&mut server.agent.is_awaited);
        let is_new = server.agent.says != says;
        let rested = claim.check.as_ref().is_some_and(|it| server.agent.rests(it));
        if is_new {
            (server.agent.says, server.agent.since) = (says, now.monotonic);
        }
        if !is_new && !was_awaited {
            return;
        }
        let rests = claim.check.as_ref().is_some_and(|it| server.agent.rests(it));
        let line = Line::info("agent").with("service", key.service).with("server", key.server);
        let line = line.with("says", &server.agent.says);
        self.undecided.insert(key.service);
        if is_new {
            self.log(line);
        }
        if rests != rested {
            self.check_otherwise(now, key);
        }
    }

    /// Lets its agent's word on maintenance have its way: checks end, but for those that hear
    /// the agent, or begin anew. What they said before says nothing any more.
    fn check_otherwise(&mut self, now: Now, key: RealServerKey) {
        let Some(mut claim) = self.claims.remove(&key.service) else { return };
        if let Some(mut server) = claim.servers.remove(&key.server) {
            let before = server.watch.take();
            self.watch(key, &claim, &mut server);
            // Not before the new watch began: what the agent said stays where both hear it.
            if let Some(watch) = before {
                self.output.push_back(Output::Unwatch(watch));
                self.checked -= 1;
            }
            server.agent.is_awaited = false;
            server.health = Health { since: now.monotonic, ..Health::default() };
            server.origin = Origin::New { ramps: true };
            claim.servers.insert(key.server, server);
        }
        self.doubt.forget(&key);
        self.claims.insert(key.service, claim);
    }

    /// There is trouble with a check, or no more.
    pub(super) fn hear_notice(&mut self, now: Now, notice: Notice) {
        if let Some(line) = told(&notice) {
            self.log(line);
        }
        let Notice { stream, check, news, .. } = notice;
        match news {
            // That is what shadow is for.
            News::CannotAsk(Hindrance::Shadow(_)) | News::CanAskAgain | News::AsksNoMore => {
                self.hindered.remove(&stream);
            }
            News::CannotAsk(why) => {
                let before = self.hindered.get(&stream);
                let since = before.map_or(now.monotonic, |it| it.since);
                let hindered = Hindered { check, why: why.to_string(), since };
                self.hindered.insert(stream, hindered);
            }
            News::Warning(_) | News::UnknownWords(_) => {}
        }
    }

    /// Checks are late, or in time again.
    pub(super) fn hear_lag(&mut self, now: Now, news: LagNews) {
        let line = match news {
            LagNews::Began(late) => {
                self.late = Some((now.monotonic, late));
                Line::error("checks-lag")
                    .with("late_ms", late.as_millis())
                    .with("then", "time-outs count as nothing until checks are in time")
            }
            LagNews::Ended(most) => {
                self.late = None;
                Line::info("checks-in-time").with("late_most_ms", most.as_millis())
            }
        };
        self.log(line);
    }

    /// Nobody checks it any more, so that it counts as up: who drained it is told, for it may have
    /// been for what checks said `before`.
    pub(super) fn take_for_up(&mut self, now: Now, key: RealServerKey, before: &Health) {
        if !self.statements.words(&key).iter().any(|it| it.says == Says::Drain) {
            return;
        }
        let change = HealthChange {
            server: key,
            detail: "not checked any more".to_owned(),
            before: before.state.status(),
            after: HealthStatus::Up,
            lasted: now.monotonic.saturating_sub(before.since),
        };
        self.tell_policies(now, &PolicyEvent::Health(change));
    }
}

/// A check of which nothing comes.
#[derive(Debug)]
pub(super) struct Hindered {
    /// Which, and where.
    pub(super) check: String,
    /// Why.
    pub(super) why: String,
    pub(super) since: Duration,
}

/// What is said of trouble with a check, if anything is.
fn told(notice: &Notice) -> Option<Line> {
    let line = match notice.news {
        News::CannotAsk(_) => Line::error("cannot-check"),
        News::CanAskAgain => Line::info("checks-again"),
        News::AsksNoMore => return None,
        News::Warning(_) => Line::warn("check-warns"),
        News::UnknownWords(_) => Line::warn("agent-unclear"),
    };
    let line = match notice.subject {
        Subject::Server(key) => line.with("service", key.service).with("server", key.server),
        Subject::Director => line,
    };
    let line = line.with("check", &notice.check);
    Some(match &notice.news {
        News::CannotAsk(why) => {
            line.with("reason", why).with("then", "it counts as nothing, and is tried again")
        }
        News::CanAskAgain | News::AsksNoMore => line,
        News::Warning(why) => line.with("reason", why),
        News::UnknownWords(words) => line.with("ignored", words.join(" ")),
    })
}
