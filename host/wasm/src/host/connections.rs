//! `weir:ipvs/connections`: walking the connection table. Grant: `connections`, apart from
//! `live`, for it shows client addresses.

use wasmtime::component::Resource;
use weir_ipvs::Connections;

use crate::{
    bindings::{connections, errors::Error},
    host::denied,
    state::CommandState,
};

/// Entries of one `cursor.next`, at most: a page of some 2 MiB, whatever is asked for.
const PAGE: usize = 16_384;

/// A walk in the hands of a guest.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Walk {
    rest: Connections,
    /// What ended the walk, when entries before it were still to be handed over.
    failed: Option<weir_ipvs::Error>,
}

impl CommandState {
    fn begin_walk(&mut self) -> Result<Walk, Error> {
        if !self.grant.connections {
            let message = "seeing connections needs the command's grant.connections";
            return Err(denied("connections-outside-grant", message));
        }
        Ok(Walk { rest: self.backend.get()?.connections()?, failed: None })
    }
}

impl connections::Host for CommandState {
    fn open(&mut self) -> wasmtime::Result<Result<Resource<Walk>, Error>> {
        match self.begin_walk() {
            Ok(walk) => Ok(Ok(self.common.resources.push(walk)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl connections::HostCursor for CommandState {
    fn next(
        &mut self,
        this: Resource<Walk>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<connections::Connection>, Error>> {
        let walk = self.common.resources.get_mut(&this)?;
        if let Some(error) = walk.failed.take() {
            return Ok(Err(error.into()));
        }
        let max = usize::try_from(max).map_or(PAGE, |max| max.min(PAGE));
        let mut page = Vec::new();
        for connection in walk.rest.by_ref().take(max) {
            match connection {
                Ok(connection) => page.push(connection.into()),
                Err(error) if page.is_empty() => return Ok(Err(error.into())),
                Err(error) => {
                    walk.failed = Some(error);
                    break;
                }
            }
        }
        Ok(Ok(page))
    }

    fn drop(&mut self, this: Resource<Walk>) -> wasmtime::Result<()> {
        self.common.resources.delete(this)?;
        Ok(())
    }
}
