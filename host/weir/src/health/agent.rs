//! What an agent says of its server: HAProxy's protocol, and what of it stands. Pure.
//!
//! ```text
//! reply   = *(sep) word *(1*sep word)            ; ends at the first CR or LF
//! sep     = SP / HTAB / ","
//! word    = pct / "weight:" (pct / 0..256) / "maxconn:" 1*DIGIT
//!         / "ready" / "drain" / "maint" / "up"
//!         / ("down" / "fail" / "stopped") ["#" text-to-end]
//! pct     = 1*DIGIT "%"                          ; of the base weight
//! ```
//!
//! What a reply does not mention stays as it is. Unlike HAProxy, whose server is up when its
//! agent says so, an agent here takes away and gives back what it took, and nothing else.

use std::fmt;

use weir_wasm::printable;

/// Replies that may be missed in a row before what an agent said of weight fades.
const MISSES: u32 = 5;

/// The largest percentage that counts; more is taken for it.
const PERCENT_MAX: u32 = 1000;

/// The largest weight that can be said without a percentage (HAProxy's own largest).
const WEIGHT_MAX: u32 = 256;

/// What of all that an agent said stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AgentSays {
    /// Its weight; none = the agent never spoke of it.
    pub(crate) weight: Option<AgentWeight>,
    /// Whether it is to be used.
    pub(crate) use_it: UseIt,
    /// Why it is down, if the agent says that it is.
    pub(crate) down: Option<String>,
    /// The most connections it is to have.
    pub(crate) connections_max: Option<u32>,
    /// Whether replies are missing.
    pub(crate) is_stale: bool,
}

impl AgentSays {
    /// A reply that says all of it, but whether it is stale.
    pub(crate) fn reply(&self) -> String {
        let use_it = match self.use_it {
            UseIt::Ready => "ready",
            UseIt::Drain => "drain",
            UseIt::Maintenance => "maint",
        };
        let mut words = vec![use_it.to_owned()];
        words.extend(self.weight.map(|it| it.to_string()));
        words.extend(self.connections_max.map(|it| format!("maxconn:{it}")));
        // Its reason goes on to the end.
        words.extend(self.down.as_ref().map(|it| format!("down#{it}")));
        words.join(" ")
    }

    /// What stands after such a reply, stale or not; none = there is no word in it.
    pub(crate) fn of_reply(line: &str, is_stale: bool) -> Option<Self> {
        let mut agent = Agent::default();
        agent.hear(Some(&Reply::parse(line)?));
        Some(Self { is_stale, ..agent.says })
    }
}

/// A weight, as agents say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AgentWeight {
    /// Of the base weight, in hundredths.
    Percent(u32),
    /// In the place of the base weight.
    Absolute(u32),
}

/// The three words of administration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum UseIt {
    /// `ready`.
    #[default]
    Ready,
    /// `drain`.
    Drain,
    /// `maint`.
    Maintenance,
}

/// One reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    weight: Option<AgentWeight>,
    use_it: Option<UseIt>,
    /// Down with a reason, or up.
    down: Option<Option<String>>,
    connections_max: Option<u32>,
    /// Words that are none.
    pub(crate) unknown: Vec<String>,
}

impl Reply {
    /// Reads a line; none = there is no word in it.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut rest = line.split(['\r', '\n']).next().unwrap_or_default();
        let mut reply = Self::default();
        let mut is_empty = true;
        loop {
            rest = rest.trim_start_matches(SEPARATORS);
            if rest.is_empty() {
                return (!is_empty).then_some(reply);
            }
            is_empty = false;
            let end = rest.find(SEPARATORS).unwrap_or(rest.len());
            // A comment goes on to the end.
            let comment = rest[..end].find('#');
            let word = &rest[..comment.unwrap_or(end)];
            reply.take(&word.to_ascii_lowercase(), comment.map(|at| rest[at + 1..].trim()));
            rest = if comment.is_some() { "" } else { &rest[end..] };
        }
    }

    fn take(&mut self, word: &str, comment: Option<&str>) {
        match word {
            "ready" => self.use_it = Some(UseIt::Ready),
            "drain" => self.use_it = Some(UseIt::Drain),
            "maint" => self.use_it = Some(UseIt::Maintenance),
            "up" => self.down = Some(None),
            "down" | "fail" | "stopped" => {
                let why = comment.filter(|it| !it.is_empty()).unwrap_or(word);
                self.down = Some(Some(printable(why)));
            }
            _ => match (weight(word), word.strip_prefix("maxconn:").and_then(number)) {
                (Some(weight), _) => self.weight = Some(weight),
                (_, Some(most)) => self.connections_max = Some(most),
                _ => self.unknown.push(word.to_owned()),
            },
        }
    }
}

const SEPARATORS: [char; 3] = [' ', '\t', ','];

fn weight(word: &str) -> Option<AgentWeight> {
    let (text, is_named) = match word.strip_prefix("weight:") {
        Some(text) => (text, true),
        None => (word, false),
    };
    if let Some(percent) = text.strip_suffix('%') {
        return number(percent).map(|it| AgentWeight::Percent(it.min(PERCENT_MAX)));
    }
    number(text).filter(|it| is_named && *it <= WEIGHT_MAX).map(AgentWeight::Absolute)
}

/// Digits alone; what is too much for 32 bits is the most that they hold.
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u32::MAX))
}

/// An agent, as one hears it.
#[derive(Debug, Clone, Default)]
pub(super) struct Agent {
    says: AgentSays,
    missed: u32,
    has_spoken: bool,
    was_asked: bool,
}

impl Agent {
    /// Takes in a reply, or that there was none. Says whether something else stands now, or
    /// anything for the first time.
    pub(super) fn hear(&mut self, reply: Option<&Reply>) -> bool {
        let before = (self.says.clone(), self.was_asked);
        self.was_asked = true;
        match reply {
            None => {
                self.missed = self.missed.saturating_add(1);
                self.says.is_stale = self.has_spoken && self.missed >= MISSES;
            }
            Some(reply) => {
                (self.missed, self.has_spoken, self.says.is_stale) = (0, true, false);
                self.says.weight = reply.weight.or(self.says.weight);
                self.says.use_it = reply.use_it.unwrap_or(self.says.use_it);
                self.says.connections_max = reply.connections_max.or(self.says.connections_max);
                if let Some(down) = &reply.down {
                    self.says.down.clone_from(down);
                }
            }
        }
        (&self.says, self.was_asked) != (&before.0, before.1)
    }

    /// Goes on from what it said before it was asked here.
    pub(super) fn recall(&mut self, said: &AgentSays) {
        (self.says, self.has_spoken) = (said.clone(), true);
        self.missed = if said.is_stale { MISSES } else { 0 };
    }

    /// Whether it was ever asked: until then nobody knows what it would say.
    pub(super) fn was_asked(&self) -> bool {
        self.was_asked
    }

    /// What stands.
    pub(super) fn says(&self) -> &AgentSays {
        &self.says
    }
}

impl fmt::Display for AgentWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Absolute(weight) => write!(f, "weight:{weight}"),
        }
    }
}

impl fmt::Display for AgentSays {
    /// As the agent would say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.use_it, &self.down) {
            (UseIt::Ready, None) => "ready up",
            (UseIt::Ready, Some(_)) => "ready down",
            (UseIt::Drain, None) => "drain up",
            (UseIt::Drain, Some(_)) => "drain down",
            (UseIt::Maintenance, None) => "maint up",
            (UseIt::Maintenance, Some(_)) => "maint down",
        })?;
        if let Some(why) = &self.down {
            write!(f, "#{why}")?;
        }
        if let Some(weight) = self.weight {
            write!(f, " {weight}")?;
        }
        if let Some(most) = self.connections_max {
            write!(f, " maxconn:{most}")?;
        }
        f.write_str(if self.is_stale { ", stale" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands after each of these; `-` is a reply that did not come.
    fn check(replies: &[&str], expected: &str) {
        let mut agent = Agent::default();
        for reply in replies {
            let reply = Reply::parse(reply).filter(|_| *reply != "-");
            agent.hear(reply.as_ref());
        }
        assert_eq!(agent.says().to_string(), expected, "{replies:?}");
    }

    #[test]
    fn a_reply_is_words_up_to_the_end_of_its_line() {
        check(&["50%"], "ready up 50%");
        check(&[" \t,50%,, up\tdrain\r\nmaint"], "drain up 50%");
        check(&["UP 75% MAXCONN:30\n"], "ready up 75% maxconn:30");
        check(&["weight:50% maxconn:7"], "ready up 50% maxconn:7");
        check(&["weight:200"], "ready up weight:200");
        check(&["250%"], "ready up 250%");
        check(&["99999999999%"], "ready up 1000%");
        check(&["down#disk is full, 3% left"], "ready down#disk is full, 3% left");
        check(&["drain fail# swap "], "drain down#swap");
        check(&["stopped"], "ready down#stopped");
        check(&["down#"], "ready down#down");
        check(&["down#\u{1b}[2J"], "ready down#\\u{1b}[2J");
    }

    #[test]
    fn unknown_words_are_ignored_and_counted() {
        let unknown = |line: &str| Reply::parse(line).unwrap().unknown;
        assert_eq!(
            unknown("up busy 50% weight:257 weight:x maxconn: 5 %"),
            ["busy", "weight:257", "weight:x", "maxconn:", "5", "%"]
        );
        check(&["busy 50%"], "ready up 50%");
        assert_eq!(Reply::parse(" ,\t\r\n50%"), None);
        assert_eq!(Reply::parse(""), None);
    }

    #[test]
    fn what_is_not_mentioned_stays() {
        check(&["50%", "drain"], "drain up 50%");
        check(&["drain 50% maxconn:9", "up"], "drain up 50% maxconn:9");
        check(&["down#x", "100%"], "ready down#x 100%");
        check(&["down#x", "ready"], "ready down#x");
        check(&["down#x", "up"], "ready up");
        check(&["maint", "ready"], "ready up");
        check(&["up 50%", "up"], "ready up 50%");
    }

    #[test]
    fn five_missed_replies_make_it_stale_and_one_reply_ends_that() {
        check(&["50% drain", "-", "-", "-", "-"], "drain up 50%");
        check(&["50% drain", "-", "-", "-", "-", "-"], "drain up 50%, stale");
        check(&["50% drain", "-", "-", "-", "-", "-", "up"], "drain up 50%");
        check(&["-", "-", "-", "-", "-", "-"], "ready up");
    }

    #[test]
    fn what_was_said_before_stands_until_the_agent_says_otherwise() {
        let mut agent = Agent::default();
        agent.hear(Reply::parse("drain 50% maxconn:9 down# swap, 3% left").as_ref());
        let said = agent.says().clone();
        assert_eq!(said.reply(), "drain 50% maxconn:9 down#swap, 3% left");
        assert_eq!(AgentSays::of_reply(&said.reply(), false).as_ref(), Some(&said));

        let mut later = Agent::default();
        later.recall(&said);
        assert!(later.hear(None), "that it was asked");
        assert_eq!(*later.says(), said);
        assert!((0..3).all(|_| !later.hear(None)));
        assert!(later.hear(None));
        let stale = AgentSays { is_stale: true, ..said.clone() };
        assert_eq!(*later.says(), stale);

        let mut last = Agent::default();
        last.recall(&stale);
        last.hear(None);
        assert_eq!(*last.says(), stale, "what is stale stays so");
        last.hear(Reply::parse("ready up").as_ref());
        assert_eq!(last.says().to_string(), "ready up 50% maxconn:9");
    }

    #[test]
    fn only_what_is_new_is_told() {
        let mut agent = Agent::default();
        let mut hear = |line| agent.hear(Reply::parse(line).as_ref());
        assert!(hear("up ready"), "that it was asked");
        assert!(!hear("ready"));
        assert!(hear("50%"));
        assert!(!hear("50% up"));
        assert!(hear("maint"));
    }
}
