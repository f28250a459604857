//! `weir:host/probe`: the server under check. Grant: none; there is no address to give, so that
//! whoever runs the check says what is reached.

use wasmtime::component::Resource;

use crate::{
    Conversation, ProbeError, Reach,
    bindings::probe::{Error, Host, HostConnection, Request, Response},
    limits::{PROBE_BYTES, QUESTIONS_PER_CHECK},
    state::PolicyState,
};

/// A connection that a guest holds.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Connected(Box<dyn Conversation>);

impl PolicyState {
    /// What may be asked once more, if so.
    fn reach(&mut self) -> Result<&mut dyn Reach, Error> {
        self.questions += 1;
        if self.questions > QUESTIONS_PER_CHECK {
            let why = format!("more than {QUESTIONS_PER_CHECK} questions in one check");
            return Err(Error::Invalid(why));
        }
        let nobody = || Error::Invalid("there is a server to ask in `check` alone".to_owned());
        Ok(self.reach.as_mut().ok_or_else(nobody)?.as_mut())
    }
}

impl Host for PolicyState {
    fn http(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        Ok(self.reach().and_then(|it| Ok(it.http(request.into())?.into())))
    }

    fn exchange(&mut self, datagram: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        Ok(self.reach().and_then(|it| Ok(it.exchange(datagram)?)))
    }
}

impl HostConnection for PolicyState {
    fn connect(&mut self) -> wasmtime::Result<Result<Resource<Connected>, Error>> {
        match self.reach().and_then(|it| Ok(it.connect()?)) {
            Ok(conversation) => Ok(Ok(self.common.resources.push(Connected(conversation))?)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn write(
        &mut self,
        connection: Resource<Connected>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let connection = self.common.resources.get_mut(&connection)?;
        Ok(connection.0.write(bytes).map_err(Into::into))
    }

    fn read(
        &mut self,
        connection: Resource<Connected>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let connection = self.common.resources.get_mut(&connection)?;
        let max = (max as usize).min(PROBE_BYTES);
        let read: Result<Vec<u8>, ProbeError> = connection.0.read(max);
        Ok(read.map_err(Into::into))
    }

    fn drop(&mut self, connection: Resource<Connected>) -> wasmtime::Result<()> {
        self.common.resources.delete(connection)?;
        Ok(())
    }
}
