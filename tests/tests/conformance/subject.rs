//! An IPVS to be judged, with clients and real servers around it.

use std::time::Duration;

use weir_embedded::{Generation, Packet, Sysctls};
use weir_ipvs::{
    Change, Connection, Error, Failure, Fields, Ipvs, OnFailure, RealServer, RealServerStatus,
    Scope, ServiceKey, Snapshot, TableEntry,
};
use weir_tests::director::Seen;

/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What both the embedded core and the kernel are to a test body.
///
/// Around both lies the network of [`weir_tests::director`]. A body has the subject for
/// itself, empty and with nothing in the trash.
pub(crate) trait Subject {
    /// By whose rules thresholds and overhead go.
    fn generation(&self) -> Generation;

    fn ipvs(&mut self) -> &mut dyn Ipvs;

    fn set(&mut self, sysctls: &Sysctls);

    /// What becomes of a packet of a client's. Its mark follows from its destination.
    fn client_sends(&mut self, packet: &Packet) -> Seen;

    /// What becomes of a packet of a real server's to its client.
    fn server_sends(&mut self, packet: &Packet) -> Seen;

    /// The time since the subject was made.
    fn now(&self) -> Duration;

    /// Lets a moment pass, some hundredths of a second. Only a wait for something has any
    /// use for it: on a kernel nobody knows how long the moment is.
    fn let_a_moment_pass(&mut self);
}

/// What bodies say to a subject.
impl dyn Subject + '_ {
    /// Makes changes that all have to succeed.
    #[track_caller]
    pub(crate) fn make(&mut self, changes: &[Change]) {
        assert_eq!(self.ipvs().apply(changes, OnFailure::Proceed), [], "{changes:?}");
    }

    /// Why the change is refused, which it has to be.
    #[track_caller]
    pub(crate) fn refusal(&mut self, change: Change) -> Error {
        let changes = [change];
        let failures = self.ipvs().apply(&changes, OnFailure::Proceed);
        let [Failure { step: 0, error }] = &failures[..] else {
            panic!("{changes:?} succeeded: {failures:?}")
        };
        error.clone()
    }

    #[track_caller]
    pub(crate) fn add_server(&mut self, key: ServiceKey, server: RealServer) {
        self.make(&[Change::AddServer(key, server)]);
    }

    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.ipvs().read(Scope::All, Fields::ALL).expect("a table can be read")
    }

    /// The service and its real servers; it has to be there.
    #[track_caller]
    pub(crate) fn entry(&mut self, key: ServiceKey) -> TableEntry {
        let mut snapshot = self.ipvs().read(Scope::One(key), Fields::ALL).expect("it is there");
        assert_eq!(snapshot.entries.len(), 1);
        snapshot.entries.remove(0)
    }

    /// The real servers of a service, newest first.
    #[track_caller]
    pub(crate) fn servers(&mut self, key: ServiceKey) -> Vec<RealServerStatus> {
        self.entry(key).servers
    }

    /// The real server of a service at the address that ends with `number`.
    #[track_caller]
    pub(crate) fn server(&mut self, key: ServiceKey, number: u8) -> RealServerStatus {
        let servers = self.servers(key);
        let is_it =
            |it: &&RealServerStatus| super::packets::number(it.config.endpoint.address) == number;
        *servers.iter().find(is_it).unwrap_or_else(|| panic!("no {number} in {servers:?}"))
    }

    /// Active and inactive connections, and templates, of that real server.
    #[track_caller]
    pub(crate) fn counts(&mut self, key: ServiceKey, number: u8) -> (u32, u32, u32) {
        let server = self.server(key, number);
        (server.active, server.inactive, server.persistent)
    }

    /// The connection table, in an order of our own.
    pub(crate) fn connections(&mut self) -> Vec<Connection> {
        let connections = self.ipvs().connections().expect("the table can be read");
        let mut connections: Vec<_> = connections.map(|it| it.expect("it is a row")).collect();
        connections.sort_by_key(|it| {
            (it.client, it.virtual_address, it.protocol.clone(), it.server, it.state.clone())
        });
        connections
    }

    /// Lets time pass until it `happened`, which it has to do, and returns how much that was.
    /// What is true for a few seconds only may be missed: others use the same processor.
    #[track_caller]
    pub(crate) fn wait(&mut self, mut happened: impl FnMut(&mut Self) -> bool) -> Duration {
        let start = self.now();
        loop {
            if happened(self) {
                return self.now() - start;
            }
            assert!(self.now() - start < PATIENCE, "it did not happen within {PATIENCE:?}");
            self.let_a_moment_pass();
        }
    }
}
