//! Commands: what one is run with.

use std::net::IpAddr;

use weir_ipvs::{Error, Family, Ipvs};

use crate::{Limits, LogSink, Stdio};

/// Which standard streams are terminals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminals {
    /// File descriptor 0.
    pub stdin: bool,
    /// File descriptor 1.
    pub stdout: bool,
    /// File descriptor 2.
    pub stderr: bool,
}

/// What a command may do; nothing, by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandGrant {
    /// Ask IPVS.
    pub live: bool,
    /// Change IPVS.
    pub admin: bool,
    /// See client addresses.
    pub connections: bool,
    /// Look up names of hosts and ports.
    pub names: bool,
}

/// Opens IPVS, at the first call that needs it and once: what it returns is kept, an error
/// included.
pub type IpvsOpener = Box<dyn FnOnce() -> Result<Box<dyn Ipvs>, Error> + Send>;

/// Names of hosts and ports, by the system's own rules. May wait. Never fails: what cannot
/// be found is not there.
pub trait Names: Send {
    /// The name of each address, or none, in order.
    fn hosts(&mut self, addresses: &[IpAddr]) -> Vec<Option<Vec<u8>>>;
    /// The name of each (port, "tcp"), or none, in order.
    fn ports(&mut self, ports: &[(u16, String)]) -> Vec<Option<Vec<u8>>>;
    /// Addresses of one family; none = no such name.
    fn addresses(&mut self, host: &[u8], family: Family) -> Vec<IpAddr>;
    /// The port of a service such as (`http`, "tcp").
    fn port(&mut self, service: &[u8], protocol: &str) -> Option<u16>;
}

/// Finds nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn hosts(&mut self, addresses: &[IpAddr]) -> Vec<Option<Vec<u8>>> {
        vec![None; addresses.len()]
    }

    fn ports(&mut self, ports: &[(u16, String)]) -> Vec<Option<Vec<u8>>> {
        vec![None; ports.len()]
    }

    fn addresses(&mut self, _: &[u8], _: Family) -> Vec<IpAddr> {
        Vec::new()
    }

    fn port(&mut self, _: &[u8], _: &str) -> Option<u16> {
        None
    }
}

/// One run of a command.
pub struct Command {
    /// All of argv, the name it was called by first and verbatim.
    pub arguments: Vec<Vec<u8>>,
    /// The environment variables it is shown.
    pub environment: Vec<(String, Vec<u8>)>,
    /// Which of its streams are terminals.
    pub terminals: Terminals,
    /// What it may do.
    pub grant: CommandGrant,
    /// What it may use.
    pub limits: Limits,
    /// How to reach IPVS.
    pub ipvs: IpvsOpener,
    /// How to look up names.
    pub names: Box<dyn Names>,
    /// Its standard streams.
    pub stdio: Stdio,
    /// Where its log goes.
    pub log: LogSink,
}

/// What a command is told of its caller.
pub(crate) struct Invocation {
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) environment: Vec<(String, Vec<u8>)>,
    pub(crate) terminals: Terminals,
}
