//! What forwarding is done with: the core, the poller, buffers, pipes, and a log.

use std::{io, time::Duration};

use mio::{Interest, Registry, Token, event};
use weir_embedded::{ConnectionId, Direction, Embedded, Signal, Verdict};
use weir_ipvs::Family;

use super::{
    lane::Tools,
    traffic::{self, Volume},
    troubles::Troubles,
};
use crate::report::Line;

/// Where lines for people go.
pub(crate) type Log = Box<dyn Fn(&Line) + Send>;

/// All that listeners, connections and flows share. One owner lends it to whoever has its
/// turn.
pub(super) struct Means {
    pub(super) core: Embedded,
    pub(super) tools: Tools,
    pub(super) troubles: Troubles,
    /// The time of this turn of the loop.
    pub(super) now: Duration,
    pub(super) registry: Registry,
    pub(super) log: Log,
}

/// What an event is about; the number is its owner's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Someone has sent a message.
    Waker,
    Listener(usize),
    /// The client's end of a connection.
    Client(usize),
    /// The real server's end of a connection.
    Server(usize),
    /// The real server's end of a flow.
    Flow(usize),
}

impl Means {
    /// Has events of `source` told, each when it begins to be true.
    pub(super) fn watch(&self, what: &mut impl event::Source, source: Source) -> io::Result<()> {
        self.registry.register(what, source.into(), Interest::READABLE | Interest::WRITABLE)
    }

    /// Takes descriptors, those of idle pipes if need be; none if there are fewer.
    pub(super) fn take_descriptors(&mut self, count: usize) -> bool {
        let Tools { descriptors, pipes, .. } = &mut self.tools;
        if !descriptors.has(count, self.now) {
            pipes.clear(descriptors);
        }
        let taken = descriptors.has(count, self.now) && descriptors.take(count);
        if !taken && let Some(line) = descriptors.ran_short() {
            (self.log)(&line);
        }
        taken
    }

    /// The kernel had no descriptor though some were left to take.
    pub(super) fn pause(&mut self) {
        self.tools.descriptors.pause(self.now);
        if let Some(line) = self.tools.descriptors.ran_short() {
            (self.log)(&line);
        }
    }

    /// Has the core see a TCP packet without payload, of a connection of this family.
    pub(super) fn tell(
        &mut self,
        id: ConnectionId,
        direction: Direction,
        signal: Signal,
        family: Family,
    ) -> Verdict {
        let Volume { packets, bytes } = traffic::bare(family);
        self.core.carry(id, direction, signal, packets, bytes)
    }
}

const KINDS: usize = 5;

impl From<Source> for Token {
    fn from(source: Source) -> Self {
        let (kind, key) = match source {
            Source::Waker => (0, 0),
            Source::Listener(key) => (1, key),
            Source::Client(key) => (2, key),
            Source::Server(key) => (3, key),
            Source::Flow(key) => (4, key),
        };
        Self(key * KINDS + kind)
    }
}

impl From<Token> for Source {
    fn from(Token(token): Token) -> Self {
        let key = token / KINDS;
        match token % KINDS {
            0 => Self::Waker,
            1 => Self::Listener(key),
            2 => Self::Client(key),
            3 => Self::Server(key),
            _ => Self::Flow(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_was_made_for() {
        for key in [0, 1, 7, 1 << 40] {
            let all = [Source::Listener, Source::Client, Source::Server, Source::Flow];
            for source in all.map(|it| it(key)) {
                assert_eq!(Source::from(Token::from(source)), source);
            }
        }
        assert_eq!(Source::from(Token::from(Source::Waker)), Source::Waker);
    }
}
