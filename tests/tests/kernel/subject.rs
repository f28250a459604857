//! The kernel as a subject: netlink on one side, a card's wire on the other.

use std::{
    fs,
    sync::RwLockWriteGuard,
    thread,
    time::{Duration, Instant},
};

use weir_embedded::{Chunk, Generation, Packet, Signal, Sysctls};
use weir_ipvs::{
    Change, Endpoint, Error, Failure, Forwarding, Ipvs, OnFailure, Protocol, RealServer, Service,
    ServiceKey,
};
use weir_netlink::{Autoload, Netlink};
use weir_tests::{
    director::{self, Director, Seen},
    frame, guest,
};

use crate::conformance::subject::Subject;

/// The length of a moment: a tick, and a bit.
const MOMENT: Duration = Duration::from_millis(15);

/// The IPVS of the network namespace that the thread is in.
pub(crate) struct Kernel {
    ipvs: Netlink,
    director: Director,
    generation: Generation,
    start: Instant,
    /// Given away while time passes, so that others who wait for time wait together.
    alone: Option<RwLockWriteGuard<'static, ()>>,
}

impl Kernel {
    /// That of this thread's network namespace, which must be fresh.
    pub(crate) fn set_up() -> Self {
        let alone = guest::alone();
        guest::load_modules();
        let director = Director::set_up();
        let mut ipvs = Netlink::open(Autoload::No).expect("the guest has ip_vs");
        let generation = generation(&mut ipvs);
        Self { ipvs, director, generation, start: now(), alone: Some(alone) }
    }

    /// Lets a moment pass that is no more than that: nobody else gets the machine, to whom the
    /// moment might be a minute.
    pub(crate) fn let_a_short_moment_pass(&mut self) {
        thread::sleep(MOMENT);
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // Before others read: a namespace that goes takes its services along at some time.
        self.ipvs.apply(&[Change::Flush], OnFailure::Proceed);
    }
}

impl Subject for Kernel {
    fn generation(&self) -> Generation {
        self.generation
    }

    fn ipvs(&mut self) -> &mut dyn Ipvs {
        &mut self.ipvs
    }

    fn set(&mut self, sysctls: &Sysctls) {
        let Sysctls {
            cache_bypass,
            conn_reuse_mode,
            expire_nodest_conn,
            expire_quiescent_template,
            lblc_expiration,
            lblcr_expiration,
            run_estimation,
            secure_tcp,
            sloppy_sctp,
            sloppy_tcp,
        } = sysctls;
        let values: [(&str, u64); 10] = [
            ("cache_bypass", (*cache_bypass).into()),
            ("conn_reuse_mode", (*conn_reuse_mode).into()),
            ("expire_nodest_conn", (*expire_nodest_conn).into()),
            ("expire_quiescent_template", (*expire_quiescent_template).into()),
            ("lblc_expiration", lblc_expiration.as_secs()),
            ("lblcr_expiration", lblcr_expiration.as_secs()),
            ("run_estimation", (*run_estimation).into()),
            // On, whatever memory there is.
            ("secure_tcp", if *secure_tcp { 3 } else { 0 }),
            ("sloppy_sctp", (*sloppy_sctp).into()),
            ("sloppy_tcp", (*sloppy_tcp).into()),
        ];
        for (name, value) in values {
            let path = format!("/proc/sys/net/ipv4/vs/{name}");
            fs::write(&path, value.to_string()).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }

    fn client_sends(&mut self, packet: &Packet) -> Seen {
        self.director.client_sends(&on_the_wire(packet))
    }

    fn server_sends(&mut self, packet: &Packet) -> Seen {
        self.director.server_sends(&on_the_wire(packet))
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn let_a_moment_pass(&mut self) {
        drop(self.alone.take());
        self.let_a_short_moment_pass();
        self.alone = Some(guest::alone());
    }
}

/// By whose rules the kernel goes: only the newer generation refuses a threshold that takes
/// more than 31 bits.
fn generation(ipvs: &mut Netlink) -> Generation {
    let key = ServiceKey::from((Protocol::Tcp, Endpoint::new(director::vip_v4(0), 1)));
    let server = Endpoint::new(director::server_v4(1), 1);
    let server = RealServer {
        upper_threshold: u32::MAX,
        ..RealServer::new(server, Forwarding::Masquerade, 1)
    };
    let changes = [
        Change::AddService(Service::new(key, "rr")),
        Change::AddServer(key, server),
        Change::DeleteService(key),
    ];
    match &ipvs.apply(&changes, OnFailure::Proceed)[..] {
        [] => Generation::Older,
        [Failure { step: 1, error: Error::Errno(libc::EINVAL) }] => Generation::Newer,
        other => panic!("neither generation of kernels fails so: {other:?}"),
    }
}

fn on_the_wire(packet: &Packet) -> frame::Packet {
    assert_eq!(packet.mark, director::mark_of(packet.destination.address), "{packet:?}");
    let transport = match packet.signal {
        Signal::Tcp(flags) => {
            frame::Transport::Tcp { syn: flags.syn, ack: flags.ack, fin: flags.fin, rst: flags.rst }
        }
        Signal::Sctp(chunk) => frame::Transport::Sctp { chunk: chunk_type(chunk) },
        Signal::Datagram => frame::Transport::Udp,
    };
    frame::Packet {
        source: packet.source.into(),
        destination: packet.destination.into(),
        transport,
        bytes: packet.bytes.try_into().expect("packets are short"),
    }
}

/// As RFC 9260 numbers them, section 3.2.
fn chunk_type(chunk: Chunk) -> u8 {
    match chunk {
        Chunk::Data => 0,
        Chunk::Init => 1,
        Chunk::InitAck => 2,
        Chunk::Abort => 6,
        Chunk::Shutdown => 7,
        Chunk::ShutdownAck => 8,
        Chunk::Error => 9,
        Chunk::CookieEcho => 10,
        Chunk::CookieAck => 11,
        Chunk::ShutdownComplete => 14,
    }
}

#[expect(clippy::disallowed_methods, reason = "a kernel's time is real time")]
fn now() -> Instant {
    Instant::now()
}
