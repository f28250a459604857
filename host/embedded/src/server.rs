//! A real server as the core keeps it.

use weir_ipvs::RealServer;

/// A real server, for as long as anything refers to it: its service's list, connections,
/// templates, the trash, what a scheduler remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ServerId(pub(crate) u32);

/// A real server (`struct ip_vs_dest`).
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// As configured.
    pub(crate) config: RealServer,
    /// The most recent weight that was not 0; at creation the given one, even 0.
    pub(crate) last_weight: u32,
    /// Connections in an active state.
    pub(crate) active: u32,
    /// Connections in any other state.
    pub(crate) inactive: u32,
    /// Persistence templates.
    pub(crate) persistent: u32,
    /// A threshold was reached (`IP_VS_DEST_F_OVERLOAD`).
    pub(crate) overloaded: bool,
    /// In its service's list, not in the trash (`IP_VS_DEST_F_AVAILABLE`).
    pub(crate) available: bool,
}

impl Server {
    /// Whether schedulers may choose it: not overloaded, and of a weight above 0.
    pub(crate) fn is_eligible(&self) -> bool {
        !self.overloaded && self.config.weight > 0
    }
}

/// The real servers of one service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Servers<'a> {
    /// Those in its list, newest first: the order in which schedulers walk.
    pub(crate) list: &'a [ServerId],
    /// Every server of the core, by id; none = the id is free.
    pub(crate) arena: &'a [Option<Server>],
}

impl<'a> Servers<'a> {
    /// Those in the list, newest first.
    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = (ServerId, &'a Server)> {
        self.list.iter().map(move |&id| (id, self.get(id)))
    }

    /// The server with this id, in the list or not.
    pub(crate) fn get(self, id: ServerId) -> &'a Server {
        self.arena[id.0 as usize].as_ref().expect("an id is free only when nothing refers to it")
    }
}
