//! One direction of a connection: bytes from one socket to the other, and their end.
//!
//! Knows nothing of the core. Whatever arrives is first shown to whoever drives the lane,
//! and goes on only if it is admitted. At most one read is held, and nothing more is read
//! while it is: a slow receiver slows its sender down, and no buffer grows. A lane at rest
//! holds no buffer and no pipe.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::Shutdown,
};

use mio::net::TcpStream;

use super::{
    descriptors::Descriptors,
    pipes::{Pipe, Pipes},
};

/// Bytes of one read, and so the most that is held outside of pipes. A read of as many
/// shows a sender that is ahead of its receiver: what follows goes through a pipe.
const READ_BYTES: usize = 32 * 1024;

/// Bytes that one lane moves before others have their turn.
const TURN_BYTES: usize = 1024 * 1024;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// There may be something to read. An event says so, a read that it is over.
    pub(super) readable: bool,
    /// The sender's end, or its reset, is on its way: reads go on until it is met.
    pub(super) ending: bool,
    /// The receiver took less than it was given. An event says that it is over.
    pub(super) blocked: bool,
    held: Held,
    /// Bytes of what is held that were not admitted yet.
    unadmitted: usize,
    /// The turn before this one moved more than one read.
    in_bulk: bool,
    stage: Stage,
}

/// What was read and could not be written yet.
#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    /// What lies between these positions of the tools' buffer; only during a turn.
    Fresh(usize, usize),
    /// What follows this position.
    Kept(Box<[u8]>, usize),
    /// So many bytes, in a pipe.
    Piped(Pipe, usize),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The sender's end was read.
    Ended,
    /// And passed on.
    Closed,
}

/// What came out of a lane's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// So many bytes.
    Bytes(usize),
    /// The end: there will be no more.
    End,
}

/// What becomes of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It goes on.
    Admit,
    /// It stays, and is shown again at the next turn.
    Hold,
    /// The connection is over.
    Refuse,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There is nothing to do until an event comes.
    Wait,
    /// There is more to do, after others had their turn.
    Yield,
    /// What arrived is held back.
    Held,
    /// What arrived was refused.
    Refused,
    /// The end was passed on, now or before.
    Closed,
    /// The sender was reset.
    SourceFailed,
    /// The receiver was reset.
    SinkFailed,
}

/// What lanes move bytes with; one set for all of them.
#[derive(Debug)]
pub(super) struct Tools {
    buffer: Box<[u8]>,
    pub(super) pipes: Pipes,
    /// All that sockets and pipes take.
    pub(super) descriptors: Descriptors,
}

impl Tools {
    pub(super) fn new(descriptors: Descriptors) -> Self {
        Self { buffer: vec![0; READ_BYTES].into(), pipes: Pipes::default(), descriptors }
    }
}

impl Lane {
    /// Whether the sender's end was read.
    pub(super) fn has_ended(&self) -> bool {
        self.stage != Stage::Open
    }

    /// Whether the sender's end was passed on.
    pub(super) fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// Moves what can be moved. Every arrival is shown to `admit`. The end is passed on by
    /// shutting `sink` down, unless `is_last`: then it will be closed at once.
    pub(super) fn turn(
        &mut self,
        source: &TcpStream,
        sink: &TcpStream,
        is_last: bool,
        tools: &mut Tools,
        mut admit: impl FnMut(Arrival) -> Admission,
    ) -> Turn {
        let mut moved = 0;
        let turn = loop {
            if let Err(turn) = self.pass_on(sink, tools, &mut admit) {
                break turn;
            }
            if self.stage != Stage::Open {
                break self.close(sink, is_last, &mut admit);
            }
            if !self.readable {
                break Turn::Wait;
            }
            if moved >= TURN_BYTES {
                break Turn::Yield;
            }
            match self.read(source, self.in_bulk || moved >= READ_BYTES, tools) {
                Ok(bytes) => moved += bytes,
                Err(turn) => break turn,
            }
        };
        if moved > 0 {
            self.in_bulk = moved >= READ_BYTES;
        }
        self.rest(tools);
        turn
    }

    /// Gives back what the lane has of the tools. Bytes that it holds are lost.
    pub(super) fn abandon(&mut self, tools: &mut Tools) {
        if let Held::Piped(pipe, bytes) = std::mem::take(&mut self.held) {
            tools.pipes.give(pipe, bytes == 0, &mut tools.descriptors);
        }
    }

    /// Reads once, into a pipe where that is worth it and one can be had.
    fn read(
        &mut self,
        source: &TcpStream,
        in_bulk: bool,
        tools: &mut Tools,
    ) -> Result<usize, Turn> {
        if in_bulk && matches!(self.held, Held::Nothing) {
            let pipe = tools.pipes.take(&mut tools.descriptors);
            self.held = pipe.map_or(Held::Nothing, |it| Held::Piped(it, 0));
        }
        let read = match &self.held {
            Held::Piped(pipe, _) => pipe.splice_from(source),
            _ => (&*source).read(&mut tools.buffer),
        };
        let count = match read {
            Ok(0) => {
                self.stage = Stage::Ended;
                return Ok(0);
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(0);
            }
            Err(_) => return Err(Turn::SourceFailed),
        };
        self.unadmitted = count;
        if let Held::Piped(_, bytes) = &mut self.held {
            *bytes = count;
        } else {
            self.held = Held::Fresh(0, count);
            // Less than was asked for is all there was; of more, an event tells.
            self.readable = count == tools.buffer.len() || self.ending;
        }
        Ok(count)
    }

    /// Writes what is held. Fails with how the turn ends if any of it stays.
    fn pass_on(
        &mut self,
        sink: &TcpStream,
        tools: &Tools,
        admit: &mut impl FnMut(Arrival) -> Admission,
    ) -> Result<(), Turn> {
        if self.unadmitted > 0 {
            admitted(admit(Arrival::Bytes(self.unadmitted)))?;
            self.unadmitted = 0;
        }
        while !self.held.is_empty() {
            if self.blocked {
                return Err(Turn::Wait);
            }
            match self.held.write(sink, &tools.buffer) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.blocked = true,
                Err(_) => return Err(Turn::SinkFailed),
            }
        }
        Ok(())
    }

    /// Passes the sender's end on.
    fn close(
        &mut self,
        sink: &TcpStream,
        is_last: bool,
        admit: &mut impl FnMut(Arrival) -> Admission,
    ) -> Turn {
        if self.stage == Stage::Closed {
            return Turn::Closed;
        }
        if let Err(turn) = admitted(admit(Arrival::End)) {
            return turn;
        }
        self.stage = Stage::Closed;
        if !is_last && sink.shutdown(Shutdown::Write).is_err() {
            return Turn::SinkFailed;
        }
        Turn::Closed
    }

    /// Ends a turn: what is held moves out of the tools, and an empty pipe goes back.
    fn rest(&mut self, tools: &mut Tools) {
        match self.held {
            Held::Fresh(from, to) => self.held = Held::Kept(tools.buffer[from..to].into(), 0),
            Held::Piped(_, 0) => self.abandon(tools),
            _ => {}
        }
    }
}

impl Held {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Nothing | Self::Piped(_, 0))
    }

    /// Writes once.
    fn write(&mut self, sink: &TcpStream, buffer: &[u8]) -> io::Result<()> {
        let is_over = match self {
            Self::Nothing => true,
            Self::Fresh(from, to) => {
                *from += (&*sink).write(&buffer[*from..*to])?;
                from == to
            }
            Self::Kept(bytes, from) => {
                *from += (&*sink).write(&bytes[*from..])?;
                *from == bytes.len()
            }
            Self::Piped(pipe, bytes) => {
                *bytes -= pipe.splice_to(sink, *bytes)?;
                false
            }
        };
        if is_over {
            *self = Self::Nothing;
        }
        Ok(())
    }
}

fn admitted(admission: Admission) -> Result<(), Turn> {
    match admission {
        Admission::Admit => Ok(()),
        Admission::Hold => Err(Turn::Held),
        Admission::Refuse => Err(Turn::Refused),
    }
}
