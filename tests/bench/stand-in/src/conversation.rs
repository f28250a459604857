//! One socket: what was asked on it, and the datagram that is next.

use crate::{
    answers::{self, Asked, Question, Table},
    wire::{self, Writer},
};

/// Sockets of one program at one time.
pub(crate) const SOCKETS_MAX: usize = 8;

/// Questions without an answer; what is beyond is lost, as with the kernel.
const QUESTIONS_MAX: usize = 2048;

/// A datagram is as large as the largest buffer that was read into, within these bounds:
/// what the kernel does.
const DATAGRAM_BYTES: [usize; 2] = [3776, 32_448];

/// All zeros at first, so that it takes no room in a file.
pub(crate) struct Conversation {
    /// Whom answers are for.
    pub(crate) port: u32,
    /// A ring.
    questions: [Question; QUESTIONS_MAX],
    first: usize,
    count: usize,
    room: usize,
    datagram: [u8; DATAGRAM_BYTES[1]],
    /// How much of it is filled, and was peeked at only.
    peeked: usize,
}

const NONE: Question = Question { sequence: 0, port: 0, asked: Asked::Family };

impl Conversation {
    pub(crate) const fn new() -> Self {
        Self {
            port: 0,
            questions: [NONE; QUESTIONS_MAX],
            first: 0,
            count: 0,
            room: 0,
            datagram: [0; DATAGRAM_BYTES[1]],
            peeked: 0,
        }
    }

    pub(crate) fn open(&mut self) {
        self.port = 0;
        self.first = 0;
        self.count = 0;
        self.room = 0;
        self.peeked = 0;
    }

    /// Takes what was sent, in order.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        const ACK: u16 = 4;

        for (header, body) in wire::messages(bytes) {
            let asked = answers::question(&header, body);
            // What is asked for with an acknowledgement is answered, and acknowledged.
            let single = matches!(
                asked,
                Some(Asked::Family | Asked::Info | Asked::Config | Asked::Service(_))
            );
            let acknowledged = single && header.flags & ACK != 0;
            let then = acknowledged.then_some(Asked::Acknowledgement(0));
            for asked in asked.into_iter().chain(then) {
                self.push(Question { sequence: header.sequence, port: self.port, asked });
            }
        }
    }

    /// The next datagram, which with `peek` stays the next; empty if there is none.
    pub(crate) fn give(&mut self, room: usize, peek: bool, table: Table) -> &[u8] {
        if !peek {
            self.room = self.room.max(room);
        }
        if self.peeked == 0 {
            self.peeked = self.fill(table);
        }
        let length = self.peeked;
        if !peek {
            self.peeked = 0;
        }
        self.datagram.get(..length).unwrap_or_default()
    }

    fn fill(&mut self, table: Table) -> usize {
        loop {
            let index = self.first;
            let Some(question) = self.questions.get_mut(index).filter(|_| self.count > 0) else {
                return 0;
            };
            let [least, most] = DATAGRAM_BYTES;
            let room = self.room.clamp(least, most);
            let mut out = Writer::new(self.datagram.get_mut(..room).unwrap_or_default());
            let rest = answers::answer(&mut out, *question, table);
            let length = out.len();
            match rest {
                Some(asked) => question.asked = asked,
                None => {
                    self.first = (self.first + 1) % QUESTIONS_MAX;
                    self.count -= 1;
                }
            }
            // A dump of nothing is its end at once.
            if length > 0 {
                return length;
            }
        }
    }

    fn push(&mut self, question: Question) {
        let index = (self.first + self.count) % QUESTIONS_MAX;
        if self.count < QUESTIONS_MAX
            && let Some(slot) = self.questions.get_mut(index)
        {
            *slot = question;
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: u16 = 0x301;

    fn request(kind: u16, flags: u16, command: u8) -> Vec<u8> {
        let mut bytes = [0; 64];
        let mut out = Writer::new(&mut bytes);
        let header = wire::Header { kind, flags, sequence: 7, port: 0 };
        out.message(&header, |out| out.put(&[command, 1, 0, 0]));
        let length = out.len();
        bytes[..length].to_vec()
    }

    fn kinds(conversation: &mut Conversation, table: Table) -> Vec<u16> {
        let mut kinds = Vec::new();
        loop {
            let datagram = conversation.give(4096, false, table).to_vec();
            if datagram.is_empty() {
                return kinds;
            }
            kinds.extend(wire::messages(&datagram).map(|(header, _)| {
                assert_eq!(header.sequence, 7);
                header.kind
            }));
        }
    }

    #[test]
    fn a_dump_lists_everything_and_ends() {
        let mut conversation = Conversation::new();
        conversation.take(&request(answers::FAMILY, DUMP, 4));
        let kinds = kinds(&mut conversation, Table::parse(b"100x1"));
        assert_eq!(kinds.len(), 101);
        assert_eq!(kinds[100], 3, "the end comes last");
    }

    #[test]
    fn an_empty_dump_is_only_an_end() {
        let mut conversation = Conversation::new();
        conversation.take(&request(answers::FAMILY, DUMP, 4));
        assert_eq!(kinds(&mut conversation, Table::default()), [3]);
    }

    #[test]
    fn changes_are_acknowledged_if_so_asked() {
        let mut conversation = Conversation::new();
        conversation.take(&request(answers::FAMILY, 1, 6));
        conversation.take(&request(answers::FAMILY, 5, 6));
        assert_eq!(kinds(&mut conversation, Table::default()), [2]);
    }

    #[test]
    fn what_is_peeked_at_comes_again() {
        let mut conversation = Conversation::new();
        conversation.take(&request(0x10, 5, 3));
        let peeked = conversation.give(0, true, Table::default()).to_vec();
        assert_eq!(conversation.give(4096, false, Table::default()), peeked);
        assert_eq!(kinds(&mut conversation, Table::default()), [2], "then the acknowledgement");
    }
}
