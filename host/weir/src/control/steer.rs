//! What operators want of the manager, and what they are told.

use std::time::Duration;

use weir_wasm::printable;

use super::{
    protocol::{self, DEADLINE_S_MAX},
    request::Reply,
};

/// An operator takes the wheel.
#[derive(Debug)]
pub(crate) struct Steer {
    /// Who: `root`, `uid 1000`.
    pub(crate) by: String,
    /// Why, in their words.
    pub(crate) reason: Option<String>,
    /// What the kernel does with the connections of who goes.
    pub(crate) expiry: Expiry,
    /// What they want.
    pub(crate) wish: Wish,
    /// Answered once it is done, or will not be.
    pub(crate) reply: Reply<Result<protocol::Steered, Refused>>,
}

/// What an operator wants. Names are as they were typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// No new connections to a real server, and its end within `deadline`; none = as the
    /// configuration says.
    Drain { server: Named, deadline: Option<Duration>, keep: bool, force: bool },
    /// No new connections to it, and no checks.
    Maintain { server: Named, force: bool },
    /// It is what its checks make of it.
    Ready(Named),
    /// No weight of a service changes; none = of any.
    Freeze(Option<String>),
    /// The end of that.
    Thaw(Option<String>),
}

/// A real server of a service, by names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) service: String,
    pub(crate) server: String,
}

/// Two of the kernel's settings; none = not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// `expire_nodest_conn`: connections of a real server that is gone are ended, where they
    /// would time out otherwise.
    pub(crate) nodest: Option<bool>,
    /// `expire_quiescent_template`: a weight of 0 ends persistence.
    pub(crate) quiescent_template: Option<bool>,
}

impl Expiry {
    /// Of the network namespace of this thread.
    pub(super) fn read() -> Self {
        let read = |name| {
            let value = std::fs::read_to_string(format!("/proc/sys/net/ipv4/vs/{name}")).ok()?;
            Some(value.trim() != "0")
        };
        Self {
            nodest: read("expire_nodest_conn"),
            quiescent_template: read("expire_quiescent_template"),
        }
    }
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// A stable word.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: String,
    /// Names that would do.
    pub(crate) candidates: Vec<String>,
}

impl Refused {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self::with(code, message, Vec::new())
    }

    pub(crate) fn with(
        code: &'static str,
        message: impl Into<String>,
        candidates: Vec<String>,
    ) -> Self {
        Self { code, message: message.into(), candidates }
    }
}

/// An order as it came.
pub(super) struct Ordered {
    pub(super) wish: Wish,
    pub(super) reason: Option<String>,
}

impl Ordered {
    /// Whoever looks at it later does so on a terminal.
    fn new(wish: Wish, reason: Option<String>) -> Self {
        Self { wish, reason: reason.map(|it| printable(&it)) }
    }
}

impl TryFrom<protocol::Drain> for Ordered {
    type Error = Refused;

    fn try_from(it: protocol::Drain) -> Result<Self, Refused> {
        if it.deadline_s.is_some_and(|it| it > DEADLINE_S_MAX) {
            let message = format!("deadline_s is at most {DEADLINE_S_MAX}, 7 days");
            return Err(Refused::new("bad-request", message));
        }
        let server = Named { service: it.service, server: it.server };
        let deadline = it.deadline_s.map(Duration::from_secs);
        let wish = Wish::Drain { server, deadline, keep: it.keep, force: it.force };
        Ok(Self::new(wish, it.reason))
    }
}

impl TryFrom<protocol::Maintain> for Ordered {
    type Error = Refused;

    fn try_from(it: protocol::Maintain) -> Result<Self, Refused> {
        let server = Named { service: it.service, server: it.server };
        Ok(Self::new(Wish::Maintain { server, force: it.force }, it.reason))
    }
}

impl TryFrom<protocol::Ready> for Ordered {
    type Error = Refused;

    fn try_from(it: protocol::Ready) -> Result<Self, Refused> {
        let server = Named { service: it.service, server: it.server };
        Ok(Self::new(Wish::Ready(server), it.reason))
    }
}

impl TryFrom<protocol::Freeze> for Ordered {
    type Error = Refused;

    fn try_from(it: protocol::Freeze) -> Result<Self, Refused> {
        Ok(Self::new(Wish::Freeze(it.service), it.reason))
    }
}

impl TryFrom<protocol::Thaw> for Ordered {
    type Error = Refused;

    fn try_from(it: protocol::Thaw) -> Result<Self, Refused> {
        Ok(Self::new(Wish::Thaw(it.service), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_move_a_terminal() {
        let reason = Some("\u{1b}[2Jdisk\nALERT".to_owned());
        let maintain = protocol::Maintain { reason, ..protocol::Maintain::default() };
        let ordered = Ordered::try_from(maintain).unwrap();
        assert_eq!(ordered.reason.as_deref(), Some("\\u{1b}[2Jdisk\\nALERT"));
    }
}
