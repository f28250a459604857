//! States of TCP connections, as a balancer in the middle sees them
//! ([`ip_vs_proto_tcp.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_proto_tcp.c)).

use weir_ipvs::Timeouts;

use super::Side;
use crate::packet::TcpFlags;

/// State of a TCP connection. The kernel's tables have two more, `LAST_ACK` and `LISTEN`, to
/// which no packet leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tcp {
    None,
    Established,
    SynSent,
    SynRecv,
    FinWait,
    TimeWait,
    Close,
    CloseWait,
    SynAck,
}

use Tcp::{Close, CloseWait, Established, FinWait, None, SynAck, SynRecv, SynSent, TimeWait};

impl Tcp {
    /// The state after a packet. Of several flags the first in this order counts: RST, SYN,
    /// FIN, ACK; a packet with none of them closes. With `secure` a connection counts as
    /// half-open for longer (`secure_tcp`).
    pub(super) fn after(self, side: Side, flags: TcpFlags, secure: bool) -> Self {
        match flags {
            TcpFlags { rst: true, .. } => self.after_rst(side, secure),
            TcpFlags { syn: true, .. } => self.after_syn(side, secure),
            TcpFlags { fin: true, .. } => self.after_fin(side, secure),
            TcpFlags { ack: true, .. } => self.after_ack(side, secure),
            _ => Close,
        }
    }

    fn after_syn(self, side: Side, secure: bool) -> Self {
        match (side, self) {
            (Side::In | Side::InOnly, SynSent) => Established,
            (Side::In | Side::InOnly, SynAck) if secure => SynAck,
            (Side::InOnly, None | FinWait | TimeWait | Close | CloseWait) if secure => SynAck,
            (Side::In | Side::InOnly, None | FinWait | TimeWait | Close | CloseWait | SynAck) => {
                SynRecv
            }
            (Side::Out, None | FinWait | TimeWait | Close | CloseWait) => SynSent,
            (Side::Out, SynRecv | SynAck) if secure => SynAck,
            (Side::Out, SynAck) => SynRecv,
            _ => self,
        }
    }

    fn after_fin(self, side: Side, secure: bool) -> Self {
        match (side, self) {
            (Side::In, SynAck) if secure => SynAck,
            (Side::In, SynRecv | FinWait | SynAck) => TimeWait,
            (Side::InOnly, SynRecv | SynAck) => TimeWait,
            (Side::In | Side::InOnly, None) => Close,
            (Side::In, Established) => CloseWait,
            (Side::Out, None | SynRecv | CloseWait | SynAck) => TimeWait,
            (Side::Out | Side::InOnly, Established) => FinWait,
            _ => self,
        }
    }

    fn after_ack(self, side: Side, secure: bool) -> Self {
        match (side, self) {
            (Side::In, SynRecv | SynAck) if secure => self,
            (_, None | SynRecv | SynAck) => Established,
            _ => self,
        }
    }

    fn after_rst(self, side: Side, secure: bool) -> Self {
        match (side, self) {
            (Side::In, SynAck) if !secure => SynRecv,
            (Side::In | Side::InOnly, SynRecv) | (Side::Out, SynSent | TimeWait) => self,
            _ => Close,
        }
    }

    pub(super) fn seconds(self, timeouts: &Timeouts) -> u32 {
        match self {
            None => 2,
            Established => timeouts.tcp,
            FinWait => timeouts.tcp_fin,
            SynSent | TimeWait | SynAck => 120,
            SynRecv | CloseWait => 60,
            Close => 10,
        }
    }

    pub(super) fn is_active(self) -> bool {
        matches!(self, SynSent | SynRecv | Established | SynAck)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            None => "NONE",
            Established => "ESTABLISHED",
            SynSent => "SYN_SENT",
            SynRecv => "SYN_RECV",
            FinWait => "FIN_WAIT",
            TimeWait => "TIME_WAIT",
            Close => "CLOSE",
            CloseWait => "CLOSE_WAIT",
            SynAck => "SYNACK",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Tcp, &str); 9] = [
        (None, "NO"),
        (Established, "ES"),
        (SynSent, "SS"),
        (SynRecv, "SR"),
        (FinWait, "FW"),
        (TimeWait, "TW"),
        (Close, "CL"),
        (CloseWait, "CW"),
        (SynAck, "SA"),
    ];

    fn flags(word: &str) -> TcpFlags {
        let has = |flag| word.split('+').any(|it| it == flag);
        TcpFlags { syn: has("syn"), ack: has("ack"), fin: has("fin"), rst: has("rst") }
    }

    /// Compares with rows as the kernel's tables have them: what becomes of each state, in
    /// the order of [`ALL`].
    fn check(side: Side, secure: bool, rows: [(&str, &str); 4]) {
        let short = |state| ALL.iter().find(|(it, _)| *it == state).unwrap().1;
        for (flag, row) in rows {
            let after = |(state, _): &(Tcp, _)| short(state.after(side, flags(flag), secure));
            let found: Vec<_> = ALL.iter().map(after).collect();
            assert_eq!(found.join(" "), row, "{side:?} {flag}");
        }
    }

    #[test]
    fn packets_of_clients_move_states() {
        check(
            Side::In,
            false,
            [
                ("syn", "SR ES ES SR SR SR SR SR SR"),
                ("fin", "CL CW SS TW TW TW CL CW TW"),
                ("ack", "ES ES SS ES FW TW CL CW ES"),
                ("rst", "CL CL CL SR CL CL CL CL SR"),
            ],
        );
    }

    #[test]
    fn packets_of_servers_move_states() {
        check(
            Side::Out,
            false,
            [
                ("syn", "SS ES SS SR SS SS SS SS SR"),
                ("fin", "TW FW SS TW FW TW CL TW TW"),
                ("ack", "ES ES SS ES FW TW CL CW ES"),
                ("rst", "CL CL SS CL CL TW CL CL CL"),
            ],
        );
    }

    #[test]
    fn packets_of_clients_move_states_alone() {
        check(
            Side::InOnly,
            false,
            [
                ("syn", "SR ES ES SR SR SR SR SR SR"),
                ("fin", "CL FW SS TW FW TW CL CW TW"),
                ("ack", "ES ES SS ES FW TW CL CW ES"),
                ("rst", "CL CL CL SR CL CL CL CL CL"),
            ],
        );
    }

    #[test]
    fn secure_connections_are_half_open_until_the_server_speaks() {
        check(
            Side::In,
            true,
            [
                ("syn", "SR ES ES SR SR SR SR SR SA"),
                ("fin", "CL CW SS TW TW TW CL CW SA"),
                ("ack", "ES ES SS SR FW TW CL CW SA"),
                ("rst", "CL CL CL SR CL CL CL CL CL"),
            ],
        );
        check(
            Side::Out,
            true,
            [
                ("syn", "SS ES SS SA SS SS SS SS SA"),
                ("fin", "TW FW SS TW FW TW CL TW TW"),
                ("ack", "ES ES SS ES FW TW CL CW ES"),
                ("rst", "CL CL SS CL CL TW CL CL CL"),
            ],
        );
        check(
            Side::InOnly,
            true,
            [
                ("syn", "SA ES ES SR SA SA SA SA SA"),
                ("fin", "CL FW SS TW FW TW CL CW TW"),
                ("ack", "ES ES SS ES FW TW CL CW ES"),
                ("rst", "CL CL CL SR CL CL CL CL CL"),
            ],
        );
    }

    #[test]
    fn of_several_flags_one_counts() {
        let check = |before: Tcp, word, after| {
            assert_eq!(before.after(Side::In, flags(word), false), after, "{word}");
        };
        check(None, "rst+syn+fin+ack", Close);
        check(None, "syn+fin+ack", SynRecv);
        check(Established, "fin+ack", CloseWait);
        check(Established, "", Close);
    }
}
