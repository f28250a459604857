//! The connection table: entries by either end, their timers, and their names.
//!
//! What an entry means is left to others; here it is found, named and timed. A million
//! take some 160 MB.

mod chains;
mod wheel;

use std::net::IpAddr;

use siphasher::sip::SipHasher13;
use weir_ipvs::{Endpoint, Protocol};

use self::{
    chains::{Chains, Link},
    wheel::{Timer, Wheel},
};
use crate::{
    arena::{Arena, Key},
    connection::Connection,
    random::Random,
};

/// Names one connection, for ever: after its end it names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(Key);

impl ConnectionId {
    /// Names none: a connection of one packet is gone when its packet is forwarded.
    pub(crate) const GONE: Self = Self(Key::NONE);

    /// Whether it has named none from the first: that of a connection of one packet.
    pub fn is_gone(self) -> bool {
        self == Self::GONE
    }
}

/// All connections and templates, by slot.
#[derive(Debug)]
pub(crate) struct Connections {
    entries: Arena<Entry>,
    chains: Chains,
    timers: Wheel,
    /// Keyed, so that clients cannot choose ports that all fall into one chain.
    hasher: SipHasher13,
}

/// A connection, and what its chain and its timer know of it: together, for a packet needs
/// all of them, and memory is what it waits for.
#[derive(Debug)]
struct Entry {
    connection: Connection,
    link: Link,
    timer: Timer,
}

impl Connections {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            entries: Arena::default(),
            chains: Chains::default(),
            timers: Wheel::default(),
            hasher: SipHasher13::new_with_keys(random.next(), random.next()),
        }
    }

    /// Takes in a connection that expires after its time-out from `tick`.
    pub(crate) fn insert(&mut self, connection: Connection, tick: u64) -> u32 {
        let link = Link::new(self.hash(connection.protocol, connection.client));
        let slot = self.entries.insert(Entry { connection, link, timer: Timer::IDLE }).slot;
        self.chains.insert(&mut self.entries, slot);
        self.rearm(slot, tick);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Connection {
        self.timers.clear(&mut self.entries, slot);
        self.chains.remove(&mut self.entries, slot);
        self.entries.remove(slot).connection
    }

    /// The newest connection that packets from the client with these ends are of.
    pub(crate) fn find(
        &self,
        protocol: Protocol,
        client: Endpoint,
        virtual_address: Endpoint,
    ) -> Option<u32> {
        let carries = |it: &Connection| it.carries(protocol, client, virtual_address);
        self.newest(protocol, client, carries)
    }

    /// The newest connection that packets from the server with these ends are of.
    pub(crate) fn find_reply(
        &self,
        protocol: Protocol,
        server: Endpoint,
        client: Endpoint,
    ) -> Option<u32> {
        self.newest(protocol, client, |it| it.answers(protocol, server, client))
    }

    /// The newest template of these clients and this address.
    pub(crate) fn find_template(
        &self,
        protocol: Protocol,
        clients: Endpoint,
        virtual_address: Endpoint,
    ) -> Option<u32> {
        self.newest(protocol, clients, |it| {
            it.is_template()
                && it.client == clients
                && it.virtual_address == virtual_address
                && it.protocol == protocol
        })
    }

    fn newest(
        &self,
        protocol: Protocol,
        client: Endpoint,
        is_it: impl Fn(&Connection) -> bool,
    ) -> Option<u32> {
        let mut found = self.chains.iter(&self.entries, self.hash(protocol, client));
        found.find(|slot| is_it(&self[*slot]))
    }

    /// Both ways are hashed by the client's end.
    fn hash(&self, protocol: Protocol, client: Endpoint) -> u32 {
        let address = match client.address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        let ports = u128::from(client.port) << 16 | u128::from(protocol.number());
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&address.to_ne_bytes());
        bytes[16..].copy_from_slice(&ports.to_ne_bytes());
        u32::try_from(self.hasher.hash(&bytes) >> 32).expect("half of 64 bits")
    }

    /// Makes an entry expire after its time-out from `tick`.
    pub(crate) fn rearm(&mut self, slot: u32, tick: u64) {
        let expires = tick + u64::from(self[slot].timeout);
        self.timers.set(&mut self.entries, slot, expires);
    }

    /// Makes an entry expire with the next tick.
    pub(crate) fn expire_soon(&mut self, slot: u32) {
        self.timers.set(&mut self.entries, slot, 0);
    }

    /// The tick in which an entry expires if nothing happens.
    pub(crate) fn expires(&self, slot: u32) -> u64 {
        self.entries[slot].timer.expires()
    }

    /// When timers have to be looked at; none fires before.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.timers.deadline()
    }

    /// Comes to `tick`, and returns what expires. It has no timer then.
    pub(crate) fn advance(&mut self, tick: u64) -> Vec<u32> {
        self.timers.advance(&mut self.entries, tick)
    }

    pub(crate) fn id(&self, slot: u32) -> ConnectionId {
        ConnectionId(self.entries.key(slot))
    }

    /// None if it is gone.
    pub(crate) fn slot(&self, id: ConnectionId) -> Option<u32> {
        self.entries.contains(id.0).then_some(id.0.slot)
    }

    /// What is in one segment of the table; none = there are fewer segments.
    pub(crate) fn segment(&self, number: u32) -> Option<impl Iterator<Item = (u32, &Connection)>> {
        let entries = self.entries.segment(number)?;
        Some(entries.map(|(slot, entry)| (slot, &entry.connection)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        self.entries.iter().map(|(slot, entry)| (slot, &entry.connection))
    }

    /// Entries that there is memory for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// By slot, for those who know it to be in use.
impl std::ops::Index<u32> for Connections {
    type Output = Connection;

    fn index(&self, slot: u32) -> &Connection {
        &self.entries[slot].connection
    }
}

impl std::ops::IndexMut<u32> for Connections {
    fn index_mut(&mut self, slot: u32) -> &mut Connection {
        &mut self.entries[slot].connection
    }
}

impl AsRef<Link> for Entry {
    fn as_ref(&self) -> &Link {
        &self.link
    }
}

impl AsMut<Link> for Entry {
    fn as_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl AsMut<Timer> for Entry {
    fn as_mut(&mut self) -> &mut Timer {
        &mut self.timer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        let bytes = Arena::<Entry>::SLOT_BYTES;
        assert!(bytes <= 160, "{bytes}");
    }
}
