//! A real server as the core keeps it, and all of them by id.

use weir_ipvs::{Family, RealServer, RealServerStatus};

use crate::{service::ServiceId, stats::Counters};

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
    /// The service that it belongs to, or did when it was deleted.
    pub(crate) service: ServiceId,
    /// Its traffic.
    pub(crate) counters: Counters,
}

impl Server {
    /// One without connections, in the list of `service`.
    pub(crate) fn new(config: RealServer, service: ServiceId) -> Self {
        Self {
            config,
            last_weight: config.weight,
            active: 0,
            inactive: 0,
            persistent: 0,
            overloaded: false,
            available: true,
            service,
            counters: Counters::default(),
        }
    }

    /// Whether schedulers may choose it: not overloaded, and of a weight above 0.
    pub(crate) fn is_eligible(&self) -> bool {
        !self.overloaded && self.config.weight > 0
    }

    /// Connections; templates are none (`ip_vs_dest_totalconns`).
    pub(crate) fn connections(&self) -> u32 {
        self.active.wrapping_add(self.inactive)
    }

    /// Whether connections or templates lead to it.
    pub(crate) fn is_referenced(&self) -> bool {
        self.active > 0 || self.inactive > 0 || self.persistent > 0
    }

    /// One of its connections becomes active or inactive, or stays what it was.
    pub(crate) fn move_connection(&mut self, was_active: bool, is_active: bool) {
        match (was_active, is_active) {
            (false, true) => (self.active, self.inactive) = (self.active + 1, self.inactive - 1),
            (true, false) => (self.active, self.inactive) = (self.active - 1, self.inactive + 1),
            _ => {}
        }
    }

    /// As it is shown.
    pub(crate) fn status(&self) -> RealServerStatus {
        RealServerStatus {
            config: self.config,
            active: self.active,
            inactive: self.inactive,
            persistent: self.persistent,
            stats: self.counters.stats(),
        }
    }
}

/// The real servers of one service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Servers<'a> {
    /// The service's family, which a real server behind a tunnel need not have.
    pub(crate) family: Family,
    /// Those in its list, newest first: the order in which schedulers walk.
    pub(crate) list: &'a [ServerId],
    /// Every server of the core, by id; none = the id is free.
    pub(crate) arena: &'a [Option<Server>],
}

impl<'a> Servers<'a> {
    /// Those in the list, newest first.
    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = (ServerId, &'a Server)> + Clone {
        self.list.iter().map(move |&id| (id, self.get(id)))
    }

    /// The server with this id, in the list or not.
    pub(crate) fn get(self, id: ServerId) -> &'a Server {
        self.arena[id.0 as usize].as_ref().expect(REFERRED_TO)
    }
}

/// Every real server of the core, in lists or in the trash. An id is used again only when
/// nothing refers to it.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    arena: Vec<Option<Server>>,
    free: Vec<ServerId>,
}

impl Pool {
    pub(crate) fn insert(&mut self, server: Server) -> ServerId {
        let id = self.free.pop().unwrap_or_else(|| {
            let id = u32::try_from(self.arena.len()).expect("memory ends before ids do");
            self.arena.push(None);
            ServerId(id)
        });
        self.arena[id.0 as usize] = Some(server);
        id
    }

    /// Frees an id that nothing refers to any more.
    pub(crate) fn remove(&mut self, id: ServerId) {
        assert!(self.arena[id.0 as usize].take().is_some(), "{REFERRED_TO}");
        self.free.push(id);
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ServerId, &Server)> {
        let ids = (0..).map(ServerId);
        ids.zip(&self.arena).filter_map(|(id, server)| Some((id, server.as_ref()?)))
    }

    /// The real servers of a service of this family with this list.
    pub(crate) fn list<'a>(&'a self, family: Family, list: &'a [ServerId]) -> Servers<'a> {
        Servers { family, list, arena: &self.arena }
    }
}

impl std::ops::Index<ServerId> for Pool {
    type Output = Server;

    fn index(&self, id: ServerId) -> &Server {
        self.arena[id.0 as usize].as_ref().expect(REFERRED_TO)
    }
}

impl std::ops::IndexMut<ServerId> for Pool {
    fn index_mut(&mut self, id: ServerId) -> &mut Server {
        self.arena[id.0 as usize].as_mut().expect(REFERRED_TO)
    }
}

const REFERRED_TO: &str = "an id is free only when nothing refers to it";
