//! States of SCTP associations, as a balancer in the middle sees them
//! ([`ip_vs_proto_sctp.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_proto_sctp.c)).

use super::Side;
use crate::packet::Chunk;

/// State of an SCTP association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sctp {
    None,
    Init1,
    Init,
    CookieSent,
    CookieReplied,
    CookieWait,
    Cookie,
    CookieEchoed,
    Established,
    ShutdownSent,
    ShutdownReceived,
    ShutdownAckSent,
    Rejected,
    Closed,
}

use Sctp::{
    Closed, Cookie, CookieEchoed, CookieReplied, CookieSent, CookieWait, Established, Init, Init1,
    None, Rejected, ShutdownAckSent, ShutdownReceived, ShutdownSent,
};

impl Sctp {
    /// The state after a packet that begins with `chunk`.
    pub(super) fn after(self, side: Side, chunk: Chunk) -> Self {
        match side {
            Side::In => self.after_in(chunk),
            Side::Out => self.after_out(chunk),
            Side::InOnly => self.after_in_only(chunk),
        }
    }

    fn after_in(self, chunk: Chunk) -> Self {
        match (chunk, self) {
            (Chunk::Data, None) => Established,
            (Chunk::Init, None) => Init1,
            (Chunk::Init, Init1 | Rejected | Closed) => Init,
            (Chunk::InitAck, None | Init1 | Init) => CookieWait,
            (Chunk::InitAck, CookieWait) => Cookie,
            (Chunk::CookieEcho, None | CookieSent) => CookieReplied,
            (Chunk::CookieEcho, Init1) => Init,
            (Chunk::CookieAck, None | CookieEchoed) => Established,
            (Chunk::Shutdown, None | Established) => ShutdownReceived,
            (Chunk::ShutdownAck, None | ShutdownSent | ShutdownAckSent) => Closed,
            (Chunk::ShutdownAck, Init1) => Init,
            (Chunk::ShutdownComplete, None | Init1 | Init | ShutdownAckSent) => Closed,
            (Chunk::Error, None | CookieEchoed) => Closed,
            (Chunk::Abort, CookieWait) => Rejected,
            (Chunk::Abort, _) => Closed,
            _ => self,
        }
    }

    fn after_out(self, chunk: Chunk) -> Self {
        match (chunk, self) {
            (Chunk::Data, None) => Established,
            (Chunk::Init, Established) => Established,
            (Chunk::Init, _) => CookieWait,
            (Chunk::InitAck, None | Init1 | Init) => CookieSent,
            (
                Chunk::CookieEcho,
                None | Init1 | Init | CookieSent | CookieReplied | CookieWait | Cookie,
            ) => CookieEchoed,
            (
                Chunk::CookieAck,
                None | Init1 | Init | CookieSent | CookieReplied | CookieWait | Cookie
                | CookieEchoed,
            ) => Established,
            (
                Chunk::Shutdown,
                None | Init1 | Init | CookieSent | CookieReplied | CookieWait | Cookie
                | CookieEchoed | Established,
            ) => ShutdownSent,
            (
                Chunk::ShutdownAck,
                None | Init1 | Init | CookieSent | CookieReplied | ShutdownSent | ShutdownReceived,
            ) => ShutdownAckSent,
            (Chunk::ShutdownComplete, None) => Closed,
            (Chunk::Error, None | Init1 | Init | CookieSent | CookieReplied) => Closed,
            (Chunk::Abort, Init1) => Rejected,
            (Chunk::Abort, _) => Closed,
            _ => self,
        }
    }

    fn after_in_only(self, chunk: Chunk) -> Self {
        match (chunk, self) {
            (Chunk::Data, None | CookieWait) => Established,
            (Chunk::Init, None) => Init1,
            (Chunk::Init, Init1 | CookieSent | CookieReplied | CookieWait | Rejected | Closed) => {
                Init
            }
            (Chunk::InitAck, None | Init1 | Init | CookieSent | CookieReplied | CookieWait) => {
                CookieEchoed
            }
            (Chunk::CookieEcho, None | Init1 | Init | CookieSent | CookieReplied | CookieWait) => {
                Established
            }
            (Chunk::CookieAck, None | CookieSent | CookieReplied | Cookie | CookieEchoed) => {
                Established
            }
            (Chunk::Shutdown, None | Established) => ShutdownReceived,
            (Chunk::ShutdownAck, None | Established | ShutdownSent | ShutdownAckSent) => Closed,
            (Chunk::ShutdownAck, Init1) => Init,
            (
                Chunk::ShutdownComplete,
                None | Init1 | Init | CookieSent | CookieReplied | ShutdownReceived
                | ShutdownAckSent,
            ) => Closed,
            (Chunk::Error, None) => Closed,
            (Chunk::Abort, CookieWait) => Rejected,
            (Chunk::Abort, _) => Closed,
            _ => self,
        }
    }

    pub(super) fn seconds(self) -> u32 {
        match self {
            None => 2,
            Init1 | Rejected => 4,
            Established => 900,
            _ => 61,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            None => "NONE",
            Init1 => "INIT1",
            Init => "INIT",
            CookieSent => "C-SENT",
            CookieReplied => "C-REPLIED",
            CookieWait => "C-WAIT",
            Cookie => "COOKIE",
            CookieEchoed => "C-ECHOED",
            Established => "ESTABLISHED",
            ShutdownSent => "S-SENT",
            ShutdownReceived => "S-RECEIVED",
            ShutdownAckSent => "S-ACK-SENT",
            Rejected => "REJECTED",
            Closed => "CLOSED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Sctp, &str); 14] = [
        (None, "NO"),
        (Init1, "I1"),
        (Init, "IN"),
        (CookieSent, "CS"),
        (CookieReplied, "CR"),
        (CookieWait, "CW"),
        (Cookie, "CO"),
        (CookieEchoed, "CE"),
        (Established, "ES"),
        (ShutdownSent, "SS"),
        (ShutdownReceived, "SR"),
        (ShutdownAckSent, "SA"),
        (Rejected, "RJ"),
        (Closed, "CL"),
    ];

    /// Compares with rows as the kernel's tables have them: what becomes of each state, in
    /// the order of [`ALL`].
    fn check(side: Side, rows: [(Chunk, &str); 10]) {
        let short = |state| ALL.iter().find(|(it, _)| *it == state).unwrap().1;
        for (chunk, row) in rows {
            let found: Vec<_> = ALL.iter().map(|(it, _)| short(it.after(side, chunk))).collect();
            assert_eq!(found.join(" "), row, "{side:?} {chunk:?}");
        }
    }

    #[test]
    fn packets_of_clients_move_states() {
        check(
            Side::In,
            [
                (Chunk::Data, "ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
                (Chunk::Init, "I1 IN IN CS CR CW CO CE ES SS SR SA IN IN"),
                (Chunk::InitAck, "CW CW CW CS CR CO CO CE ES SS SR SA RJ CL"),
                (Chunk::CookieEcho, "CR IN IN CR CR CW CO CE ES SS SR SA RJ CL"),
                (Chunk::CookieAck, "ES I1 IN CS CR CW CO ES ES SS SR SA RJ CL"),
                (Chunk::Shutdown, "SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL"),
                (Chunk::ShutdownAck, "CL IN IN CS CR CW CO CE ES CL SR CL RJ CL"),
                (Chunk::ShutdownComplete, "CL CL CL CS CR CW CO CE ES SS SR CL RJ CL"),
                (Chunk::Error, "CL I1 IN CS CR CW CO CL ES SS SR SA RJ CL"),
                (Chunk::Abort, "CL CL CL CL CL RJ CL CL CL CL CL CL CL CL"),
            ],
        );
    }

    #[test]
    fn packets_of_servers_move_states() {
        check(
            Side::Out,
            [
                (Chunk::Data, "ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
                (Chunk::Init, "CW CW CW CW CW CW CW CW ES CW CW CW CW CW"),
                (Chunk::InitAck, "CS CS CS CS CR CW CO CE ES SS SR SA RJ CL"),
                (Chunk::CookieEcho, "CE CE CE CE CE CE CE CE ES SS SR SA RJ CL"),
                (Chunk::CookieAck, "ES ES ES ES ES ES ES ES ES SS SR SA RJ CL"),
                (Chunk::Shutdown, "SS SS SS SS SS SS SS SS SS SS SR SA RJ CL"),
                (Chunk::ShutdownAck, "SA SA SA SA SA CW CO CE ES SA SA SA RJ CL"),
                (Chunk::ShutdownComplete, "CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
                (Chunk::Error, "CL CL CL CL CL CW CO CE ES SS SR SA RJ CL"),
                (Chunk::Abort, "CL RJ CL CL CL CL CL CL CL CL CL CL CL CL"),
            ],
        );
    }

    #[test]
    fn packets_of_clients_move_states_alone() {
        check(
            Side::InOnly,
            [
                (Chunk::Data, "ES I1 IN CS CR ES CO CE ES SS SR SA RJ CL"),
                (Chunk::Init, "I1 IN IN IN IN IN CO CE ES SS SR SA IN IN"),
                (Chunk::InitAck, "CE CE CE CE CE CE CO CE ES SS SR SA RJ CL"),
                (Chunk::CookieEcho, "ES ES ES ES ES ES CO CE ES SS SR SA RJ CL"),
                (Chunk::CookieAck, "ES I1 IN ES ES CW ES ES ES SS SR SA RJ CL"),
                (Chunk::Shutdown, "SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL"),
                (Chunk::ShutdownAck, "CL IN IN CS CR CW CO CE CL CL SR CL RJ CL"),
                (Chunk::ShutdownComplete, "CL CL CL CL CL CW CO CE ES SS CL CL RJ CL"),
                (Chunk::Error, "CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL"),
                (Chunk::Abort, "CL CL CL CL CL RJ CL CL CL CL CL CL CL CL"),
            ],
        );
    }
}
