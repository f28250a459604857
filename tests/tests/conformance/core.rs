//! The embedded core as a subject, in virtual time and with nobody else on its machine.

use std::{collections::HashMap, time::Duration};

use weir_embedded::{
    ConnectionId, Embedded, Generation, Interface, Machine, Packet, Route, Settings, Signal,
    Sysctls, Verdict,
};
use weir_ipvs::{Endpoint, Family, Forwarding, Ipvs};
use weir_tests::director::{CARD, CARD_V4, CARD_V6, Seen};

use super::{packets::segment, subject::Subject};

/// The length of a moment.
const MOMENT: Duration = Duration::from_millis(20);

/// The embedded core.
pub(crate) struct Core {
    ipvs: Embedded,
    /// Where the clients of connections connected to.
    connected_to: HashMap<ConnectionId, Endpoint>,
}

impl Core {
    /// One that answers for that generation of kernels, with what the guests' kernels have.
    pub(crate) fn new(generation: Generation) -> Self {
        let mut settings =
            Settings { generation, engines: vec!["sip".to_owned()], ..Settings::default() };
        settings.schedulers.retain(|name| name != "twos");
        let mut ipvs = Embedded::new(settings);
        ipvs.set_machine(machine());
        Self { ipvs, connected_to: HashMap::new() }
    }

    /// Lets time pass until `now`.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.ipvs.advance(now);
    }

    /// What the machine itself does with a packet, for nobody listens on it.
    fn take_in(&mut self, packet: &Packet) -> Seen {
        match packet.signal {
            Signal::Tcp(flags) if flags.rst => Seen::Nothing,
            Signal::Tcp(_) => {
                // IPVS sees what the machine itself sends.
                self.ipvs.reply(&segment(packet.destination, packet.source, "R"));
                Seen::Reset
            }
            Signal::Sctp(_) | Signal::Datagram => Seen::Unreachable,
        }
    }

    /// Whether something falls due with the next ticks.
    pub(crate) fn is_about_to_act(&self) -> bool {
        self.ipvs.next_deadline().is_some_and(|deadline| deadline <= self.ipvs.now() + MOMENT)
    }
}

impl Subject for Core {
    fn generation(&self) -> Generation {
        self.ipvs.settings().generation
    }

    fn ipvs(&mut self) -> &mut dyn Ipvs {
        &mut self.ipvs
    }

    fn set(&mut self, sysctls: &Sysctls) {
        self.ipvs.settings_mut().sysctls.clone_from(sysctls);
    }

    fn client_sends(&mut self, packet: &Packet) -> Seen {
        match self.ipvs.receive(packet) {
            Verdict::Forward(route) => {
                self.connected_to.insert(route.connection, packet.destination);
                arrived(&route)
            }
            Verdict::Refuse => Seen::Unreachable,
            Verdict::Drop => Seen::Nothing,
            Verdict::Pass => self.take_in(packet),
        }
    }

    fn server_sends(&mut self, packet: &Packet) -> Seen {
        match self.ipvs.reply(packet) {
            Verdict::Forward(route) => Seen::Client(self.connected_to[&route.connection].into()),
            // It is routed as any other.
            Verdict::Pass => Seen::Client(packet.source.into()),
            other => panic!("a reply is forwarded, or not looked at: {other:?}"),
        }
    }

    fn now(&self) -> Duration {
        self.ipvs.now()
    }

    fn let_a_moment_pass(&mut self) {
        self.ipvs.advance(self.ipvs.now() + MOMENT);
    }
}

/// Where a packet arrives that goes this way.
fn arrived(route: &Route) -> Seen {
    let Endpoint { address, port } = route.server;
    Seen::Server(address, (route.forwarding == Forwarding::Masquerade).then_some(port))
}

/// The director as IPVS sees it.
fn machine() -> Machine {
    let interface = |name: &str, mtu, multicast_routes: &[Family]| Interface {
        name: name.into(),
        mtu,
        addresses: Vec::new(),
        multicast_routes: multicast_routes.to_vec(),
    };
    let mut lo = interface("lo", 65_536, &[Family::V4]);
    lo.addresses = vec![([127, 0, 0, 1].into(), 8), (std::net::Ipv6Addr::LOCALHOST.into(), 128)];
    let mut card = interface(CARD, 1500, &[Family::V4, Family::V6]);
    card.addresses = vec![(CARD_V4.into(), 24), (CARD_V6.into(), 64)];
    Machine { interfaces: vec![lo, card] }
}
