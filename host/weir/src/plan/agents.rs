//! What the agents of real servers and degraded checks make of weights.

use std::time::Duration;

use weir_ipvs::RealServer;

use super::{Claim, Server, decide::Alarm};
use crate::{
    config::Checks,
    formula::{Says, WHOLE, Word},
    health::{AgentSays, AgentWeight, UseIt},
};

/// How long the weight of an agent that is not heard of any more takes to fade ..
const FADE: Duration = Duration::from_secs(60);

/// .. by steps of this.
const FADE_STEP: Duration = Duration::from_secs(3);

/// What was heard of the agent of a real server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    /// What stands.
    pub(crate) says: AgentSays,
    /// Whether there is an agent that was not asked yet, and may have taken it out before.
    pub(crate) is_awaited: bool,
    /// When something else was said last, or nothing any more.
    pub(crate) since: Duration,
}

impl Heard {
    /// Whether its server is not to be checked: it is in maintenance, and some of `checks`
    /// will hear of the end of that.
    pub(crate) fn rests(&self, checks: &Checks) -> bool {
        checks.has_agent() && self.says.use_it == UseIt::Maintenance
    }
}

impl AgentSays {
    /// Whether it is not meant to serve: neither live nor dead.
    pub(super) fn is_out_of_use(&self) -> bool {
        let is_nothing =
            matches!(self.weight, Some(AgentWeight::Percent(0) | AgentWeight::Absolute(0)));
        self.use_it != UseIt::Ready || (is_nothing && !self.is_stale)
    }
}

impl Claim {
    /// Adds what agents say, and what checks say of servers that pass.
    pub(super) fn heed_checks(&mut self, alarm: &mut Alarm) {
        for server in self.real_mut() {
            server.heed_agent(alarm);
            let (percent, since) = (server.health.percent, server.health.since);
            if server.is_up() && percent < 100 {
                let reason = server.health.detail.clone();
                server.add(Word::WEIR, Says::Degraded(percent), reason, since);
            }
        }
    }
}

impl Server {
    /// What the configuration states of it, with the thresholds that its agent sets.
    pub(crate) fn stated_now(&self) -> Option<RealServer> {
        let stated = self.stated?;
        let Some(most) = self.agent.says.connections_max else { return Some(stated) };
        let lower = u32::try_from(u64::from(most) * 3 / 4).unwrap_or(u32::MAX);
        Some(RealServer { upper_threshold: most, lower_threshold: lower, ..stated })
    }

    fn heed_agent(&mut self, alarm: &mut Alarm) {
        let Heard { says, since, .. } = self.agent.clone();
        let stale = if says.is_stale { ", and is not heard of any more" } else { "" };
        let said = match says.use_it {
            UseIt::Ready => None,
            UseIt::Drain => Some("drain"),
            UseIt::Maintenance => Some("maint"),
        };
        if let Some(said) = said {
            self.add(Word::AGENT, Says::Zero, format!("it said {said}{stale}"), since);
        }
        if let Some(why) = &says.down {
            self.add(Word::AGENT, Says::Zero, format!("it said down: {why}{stale}"), since);
        }
        let Some(weight) = says.weight else { return };
        let elapsed = alarm.now.saturating_sub(since);
        let is_fading = says.is_stale && elapsed < FADE;
        if is_fading {
            let steps = u32::try_from(elapsed.as_nanos() / FADE_STEP.as_nanos()).unwrap_or(0);
            alarm.set(Some(since.saturating_add(FADE_STEP * (steps + 1))));
        }
        let part = match says.is_stale {
            true => faded(millionths(weight, self.base), elapsed),
            false => millionths(weight, self.base),
        };
        match part {
            0 => self.add(Word::AGENT, Says::Zero, format!("it said {weight}"), since),
            WHOLE => {}
            _ => {
                self.add(Word::AGENT, Says::Agent(part), format!("it said {weight}{stale}"), since)
            }
        }
    }

    fn add(&mut self, who: &str, says: Says, reason: String, since: Duration) {
        let who = who.to_owned();
        self.decision.words.push(Word { who, says, reason, since, until: None });
    }
}

/// The part of its base weight that a server is to have.
fn millionths(weight: AgentWeight, base: u32) -> u32 {
    let part = match weight {
        AgentWeight::Percent(percent) => u64::from(percent) * u64::from(WHOLE / 100),
        // Rounded down, for the weight is rounded up; but not to nothing.
        AgentWeight::Absolute(0) => 0,
        AgentWeight::Absolute(weight) => {
            (u64::from(weight) * u64::from(WHOLE) / u64::from(base.max(1))).max(1)
        }
    };
    u32::try_from(part).unwrap_or(u32::MAX)
}

/// What is left of a part so long after the last that was heard: on a straight line to the
/// whole.
fn faded(part: u32, elapsed: Duration) -> u32 {
    let steps = elapsed.min(FADE).as_nanos() / FADE_STEP.as_nanos();
    let all = FADE.as_nanos() / FADE_STEP.as_nanos();
    let (from, whole) = (i128::from(part), i128::from(WHOLE));
    let steps = i128::try_from(steps).unwrap_or(0);
    let all = i128::try_from(all).unwrap_or(1);
    u32::try_from(from + (whole - from) * steps / all).unwrap_or(WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_agents_are_parts_of_the_base() {
        let percent = AgentWeight::Percent;
        assert_eq!(millionths(percent(75), 3), 750_000);
        assert_eq!(millionths(percent(1000), 3), 10_000_000);
        assert_eq!(millionths(percent(0), 3), 0);
        assert_eq!(millionths(AgentWeight::Absolute(50), 100), 500_000);
        assert_eq!(millionths(AgentWeight::Absolute(50), 3), 16_666_666);
        assert_eq!(millionths(AgentWeight::Absolute(1), 0x7fff_ffff), 1);
        assert_eq!(millionths(AgentWeight::Absolute(0), 100), 0);
    }

    #[test]
    fn what_is_not_heard_of_any_more_fades_within_a_minute() {
        let at = |part, seconds| faded(part, Duration::from_secs(seconds));
        assert_eq!((at(500_000, 0), at(500_000, 2)), (500_000, 500_000));
        assert_eq!(at(500_000, 30), 750_000);
        assert_eq!(at(2_000_000, 30), 1_500_000);
        assert_eq!((at(0, 3), at(0, 60), at(0, 9999)), (50_000, WHOLE, WHOLE));
    }
}
