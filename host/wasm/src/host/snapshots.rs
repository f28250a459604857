//! `weir:ipvs/snapshots`: the table at one moment, as far as its reader may see it.
//!
//! No grant is checked here: who may have a snapshot, and of what, is decided where one is
//! made, in `table` and `live`.

use std::sync::Arc;

use wasmtime::component::Resource;
use weir_ipvs::{ServiceKey, TableEntry};

use crate::{
    bindings::{real_servers, services, snapshots},
    convert,
    state::Common,
    table::Contents,
};

/// A snapshot in the hands of a guest.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Seen {
    contents: Arc<Contents>,
    /// The numbers in `contents` of what may be seen, rising; none = everything.
    visible: Option<Arc<[u32]>>,
}

impl Seen {
    pub(crate) fn new(contents: Arc<Contents>, visible: Option<Arc<[u32]>>) -> Self {
        Self { contents, visible }
    }

    fn size(&self) -> usize {
        self.visible.as_ref().map_or(self.contents.snapshot.entries.len(), |visible| visible.len())
    }

    fn get(&self, number: usize) -> Option<&TableEntry> {
        let position = match &self.visible {
            Some(visible) => usize::try_from(*visible.get(number)?).ok()?,
            None => number,
        };
        self.contents.snapshot.entries.get(position)
    }

    /// At most `count` entries from number `first`, with their numbers.
    fn range(&self, first: u32, count: u32) -> impl Iterator<Item = (u32, &TableEntry)> {
        let end = u64::from(first) + u64::from(count);
        let end = usize::try_from(end).map_or(self.size(), |end| end.min(self.size()));
        (first..)
            .zip(index(first)..end)
            .filter_map(|(number, position)| self.get(position).map(|entry| (number, entry)))
    }

    fn find(&self, key: &ServiceKey) -> Option<u32> {
        let position = u32::try_from(self.contents.find(key)?).ok()?;
        match &self.visible {
            Some(visible) => {
                visible.binary_search(&position).ok().and_then(|number| u32::try_from(number).ok())
            }
            None => Some(position),
        }
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl snapshots::Host for Common {}

impl snapshots::HostSnapshot for Common {
    fn size(&mut self, this: Resource<Seen>) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.resources.get(&this)?.size()).unwrap_or(u32::MAX))
    }

    fn services(
        &mut self,
        this: Resource<Seen>,
        first: u32,
        count: u32,
    ) -> wasmtime::Result<Vec<services::Service>> {
        let seen = self.resources.get(&this)?;
        Ok(seen.range(first, count).map(|(_, entry)| (&entry.service).into()).collect())
    }

    fn find(
        &mut self,
        this: Resource<Seen>,
        key: services::ServiceKey,
    ) -> wasmtime::Result<Option<u32>> {
        Ok(self.resources.get(&this)?.find(&key.into()))
    }

    fn real_servers(
        &mut self,
        this: Resource<Seen>,
        service: u32,
    ) -> wasmtime::Result<Vec<real_servers::RealServer>> {
        let entry = self.resources.get(&this)?.get(index(service));
        Ok(entry.map_or_else(Vec::new, |entry| entry.servers.iter().map(Into::into).collect()))
    }

    fn columns(
        &mut self,
        this: Resource<Seen>,
        first: u32,
        count: u32,
        fields: snapshots::Fields,
    ) -> wasmtime::Result<snapshots::RealServerColumns> {
        let seen = self.resources.get(&this)?;
        let rows = seen.range(first, count).map(|(_, entry)| entry.servers.len()).sum();
        let mut columns = convert::columns(rows, fields);
        for (number, entry) in seen.range(first, count) {
            for server in &entry.servers {
                convert::push_row(&mut columns, number, server, fields);
            }
        }
        Ok(columns)
    }

    fn taken_at(&mut self, this: Resource<Seen>) -> wasmtime::Result<u64> {
        Ok(self.resources.get(&this)?.contents.taken_at_ns)
    }

    fn drop(&mut self, this: Resource<Seen>) -> wasmtime::Result<()> {
        self.resources.delete(this)?;
        Ok(())
    }
}
