//! Reading: single answers, dumps, and the table put together from them.
//!
//! The kernel holds its lock for one chunk of a dump only and remembers its place as a
//! count. So when entries that were already sent are deleted, others that nobody touched
//! are left out, and one that is added before the place makes another come twice. It never
//! says so (`NLM_F_DUMP_INTR` is not set). Within one chunk a dump is whole. One of more
//! chunks is confirmed by a next that still has all of its entries: then none was deleted
//! on the way, and so none left out. That costs a big table 1% (services come a hundred to
//! a chunk), and small ones nothing.
//!
//! Real servers come by a quicker way where it tells enough: see [`crate::sockopt`].

use std::{collections::HashSet, hash::Hash, iter, vec};

use neli::consts::nl::NlmF;
use weir_ipvs::{
    Endpoint, Entries, Error, Fields, Info, RealServerStatus, Scope, ServiceKey, ServiceStatus,
    Snapshot, SyncDaemon, TableEntry, Timeouts,
};

use crate::{
    errno,
    message::{self, Command, GENERIC_HEADER_BYTES},
    open::Netlink,
    socket::{Kind, Socket, Wait, put_message},
    sockopt::{self, Sockopt},
};

/// How often a dump is repeated to be confirmed. Of a table that changes faster than this,
/// what any of the dumps had is taken, the last first.
const CONFIRMATIONS_MAX: usize = 8;

impl Netlink {
    pub(crate) fn read_info(&mut self) -> Result<Info, Error> {
        self.get(Command::GetInfo, |_| {}, message::info)
    }

    pub(crate) fn read_timeouts(&mut self) -> Result<Timeouts, Error> {
        self.get(Command::GetConfig, |_| {}, message::timeouts)
    }

    pub(crate) fn read_daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        let mut daemons = Vec::new();
        // At most two: they always fit into one chunk.
        self.dump(
            Command::GetDaemon,
            |_| {},
            |body| {
                daemons.push(message::daemon(body)?);
                Ok(())
            },
        )?;
        Ok(daemons)
    }

    pub(crate) fn read_table(&mut self, scope: Scope, fields: Fields) -> Result<Snapshot, Error> {
        match scope {
            Scope::All => self.read_all(fields),
            Scope::One(key) => {
                let service = self.read_service(&key)?;
                let entry = self.read_entry(service, fields)?.ok_or(Error::NoSuchService)?;
                Ok(Snapshot { entries: vec![entry] })
            }
        }
    }

    fn read_all(&mut self, fields: Fields) -> Result<Snapshot, Error> {
        let mut left = self.left_to_read(fields)?;
        let mut entries = Vec::with_capacity(left.services.len());
        while let Some(entry) = left.next(self) {
            entries.push(entry?);
        }
        Ok(Snapshot { entries })
    }

    /// Reads the services, and walks through their real servers on a socket of its own.
    pub(crate) fn walk_table(&mut self, fields: Fields) -> Result<Entries, Error> {
        let mut left = self.left_to_read(fields)?;
        let socket = Socket::open().map_err(|error| errno::of_io(&error))?;
        let mut netlink = Self { socket, family: self.family, requests: Vec::new() };
        Ok(Box::new(iter::from_fn(move || left.next(&mut netlink))))
    }

    fn left_to_read(&mut self, fields: Fields) -> Result<Left, Error> {
        let services = self.read_services()?;
        let quick = services.len() >= sockopt::SERVICES_MIN && sockopt::tells(fields);
        let sockopt = if quick { Sockopt::open(services.len()) } else { None };
        Ok(Left { services: services.into_iter(), sockopt, fields })
    }

    /// None if the service is gone: of such the kernel says that it has no real servers.
    fn read_entry(
        &mut self,
        service: ServiceStatus,
        fields: Fields,
    ) -> Result<Option<TableEntry>, Error> {
        let key = service.config.key;
        let servers = self.read_servers(&key, fields)?;
        if servers.is_empty() && self.is_gone(&key)? {
            return Ok(None);
        }
        Ok(Some(TableEntry { service, servers }))
    }

    fn is_gone(&mut self, key: &ServiceKey) -> Result<bool, Error> {
        match self.read_service(key) {
            Ok(_) => Ok(false),
            Err(Error::NoSuchService) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn read_service(&mut self, key: &ServiceKey) -> Result<ServiceStatus, Error> {
        self.get(Command::GetService, |out| message::put_key(out, key), message::service)
    }

    fn read_services(&mut self) -> Result<Vec<ServiceStatus>, Error> {
        self.dump_confirmed(
            Command::GetService,
            |_| {},
            message::service,
            |service: &ServiceStatus| service.config.key,
        )
    }

    /// Newest first, as the kernel keeps and sends them.
    fn read_servers(
        &mut self,
        key: &ServiceKey,
        fields: Fields,
    ) -> Result<Vec<RealServerStatus>, Error> {
        let family = key.family();
        self.dump_confirmed(
            Command::GetDest,
            |out| message::put_key(out, key),
            |body| message::server(body, family, fields.stats),
            |server: &RealServerStatus| -> Endpoint { server.config.endpoint },
        )
    }

    /// Asks for one thing.
    fn get<T>(
        &mut self,
        command: Command,
        body: impl FnOnce(&mut Vec<u8>),
        parse: impl FnOnce(&[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let sequence = self.request(command, NlmF::REQUEST, body)?;
        loop {
            for message in self.socket.receive(Wait::Deadline)? {
                match message.kind {
                    _ if message.sequence != sequence => {}
                    Kind::Reply(reply) => return parse(attributes(reply)),
                    Kind::Answer(errno) | Kind::Done(errno) => return Err(errno::of_read(errno)),
                }
            }
        }
    }

    /// Dumps until it can be trusted, see above; what comes twice counts once.
    fn dump_confirmed<T, K: Eq + Hash>(
        &mut self,
        command: Command,
        body: impl Fn(&mut Vec<u8>),
        parse: impl Fn(&[u8]) -> Result<T, Error>,
        key: impl Fn(&T) -> K,
    ) -> Result<Vec<T>, Error> {
        let mut before: Vec<T> = Vec::new();
        for confirmation in 0..=CONFIRMATIONS_MAX {
            let mut items = Vec::with_capacity(before.len());
            let whole = self.dump(command, &body, |body| {
                items.push(parse(body)?);
                Ok(())
            })?;
            if whole {
                items.shrink_to_fit();
                return Ok(items);
            }
            let mut seen = HashSet::with_capacity(items.len());
            items.retain(|item| seen.insert(key(item)));
            before.retain(|item| !seen.contains(&key(item)));
            let confirmed = confirmation > 0 && before.is_empty();
            // What a dump had and the next has not is gone, or was left out.
            items.append(&mut before);
            before = items;
            if confirmed {
                break;
            }
        }
        before.shrink_to_fit();
        Ok(before)
    }

    /// Gives the entries of a dump to `each`, and says whether they came in one chunk, so
    /// that nothing can have changed between them.
    ///
    /// All is received even after an error, for a dump that is not read to its end blocks
    /// the next.
    fn dump(
        &mut self,
        command: Command,
        body: impl Fn(&mut Vec<u8>),
        mut each: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let mut tried_again = false;
        let mut sequence = self.request(command, NlmF::REQUEST | NlmF::DUMP, &body)?;
        let (mut chunks, mut disturbed, mut result) = (0, false, Ok(()));
        loop {
            let mut filled = false;
            let mut busy = false;
            for message in self.socket.receive(Wait::Deadline)? {
                if message.sequence != sequence {
                    continue;
                }
                disturbed |= message.interrupted;
                match message.kind {
                    Kind::Reply(reply) => {
                        filled = true;
                        if result.is_ok() {
                            result = each(attributes(reply));
                        }
                    }
                    Kind::Answer(libc::EBUSY) if !tried_again => busy = true,
                    Kind::Answer(0) => {}
                    Kind::Done(0) => return result.map(|()| chunks <= 1 && !disturbed),
                    Kind::Answer(errno) | Kind::Done(errno) => return Err(errno::of_read(errno)),
                }
            }
            chunks += usize::from(filled);
            if busy {
                // A dump before this one was left in the middle, by a deadline.
                self.socket.drain();
                sequence = self.request(command, NlmF::REQUEST | NlmF::DUMP, &body)?;
                tried_again = true;
            }
        }
    }

    /// Sends a request and returns its sequence number.
    fn request(
        &mut self,
        command: Command,
        flags: NlmF,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> Result<u32, Error> {
        let sequence = self.socket.sequences(1);
        self.requests.clear();
        let written: Result<(), std::convert::Infallible> =
            put_message(&mut self.requests, self.family, flags, sequence, |out| {
                out.extend_from_slice(&command.header());
                body(out);
                Ok(())
            });
        let Ok(()) = written;
        self.socket.send(&self.requests)?;
        Ok(sequence)
    }
}

/// Services whose real servers are still to be read.
struct Left {
    services: vec::IntoIter<ServiceStatus>,
    /// The quicker way to them, if there is one.
    sockopt: Option<Sockopt>,
    fields: Fields,
}

impl Left {
    /// The next service that is still there. After an error there is none.
    fn next(&mut self, netlink: &mut Netlink) -> Option<Result<TableEntry, Error>> {
        let fields = self.fields;
        while let Some(service) = self.services.next() {
            let quick = self.sockopt.as_mut();
            if let Some(servers) = quick.and_then(|it| it.servers(&service.config.key, fields)) {
                return Some(Ok(TableEntry { service, servers }));
            }
            match netlink.read_entry(service, fields) {
                Ok(None) => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Err(error) => {
                    self.services = Vec::new().into_iter();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// What follows the generic netlink header.
fn attributes(reply: &[u8]) -> &[u8] {
    reply.get(GENERIC_HEADER_BYTES..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The controller of generic netlink, which every kernel has. Its `GETFAMILY` has the
    /// number of our `DelService`.
    fn controller() -> Netlink {
        let family = u16::from(neli::consts::nl::GenlId::Ctrl);
        Netlink { socket: Socket::open().unwrap(), family, requests: Vec::new() }
    }

    fn count(netlink: &mut Netlink) -> usize {
        let mut count = 0;
        netlink
            .dump(
                Command::DelService,
                |_| {},
                |_| {
                    count += 1;
                    Ok(())
                },
            )
            .unwrap();
        count
    }

    #[test]
    fn a_dump_left_in_the_middle_does_not_block_the_next() {
        let expected = count(&mut controller());
        assert!(expected > 0);
        let mut netlink = controller();
        netlink.request(Command::DelService, NlmF::REQUEST | NlmF::DUMP, |_| {}).unwrap();
        assert_eq!(count(&mut netlink), expected);
    }

    #[test]
    fn a_dump_is_received_to_its_end_even_after_an_error() {
        let mut netlink = controller();
        let mut given = 0;
        let result = netlink.dump(
            Command::DelService,
            |_| {},
            |_| {
                given += 1;
                Err(Error::Unsupported("nonsense".to_owned()))
            },
        );
        assert_eq!((result, given), (Err(Error::Unsupported("nonsense".to_owned())), 1));
        assert_eq!(count(&mut netlink), count(&mut controller()));
    }
}
