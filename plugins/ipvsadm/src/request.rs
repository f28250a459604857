//! What one line asks for: its options in the order given, each checked as it is met.

use std::{borrow::Cow, net::IpAddr};

use crate::{
    arguments::{Arguments, Given},
    endpoints,
    failure::Failure,
    host::{Host, SyncRole, TunnelType},
    options::{Checksum, Command, Kind, Kinds, Meaning, Method, Transport},
    values,
};

/// Seconds of persistence if none are given. (The manual says 300.)
const PERSISTENCE_DEFAULT: u32 = 360;
/// Netmask of IPv4 clients unless given: each is on its own.
const NETMASK4_DEFAULT: u32 = u32::MAX;
/// The same for IPv6.
const NETMASK6_DEFAULT: u32 = 128;

/// The service of a request. Without one the unspecified address and port 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// What names of ports mean; a mark has that of TCP.
    pub(crate) transport: Option<Transport>,
    pub(crate) fwmark: Option<u32>,
    /// Unspecified for a mark, but for its family.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

/// A sync daemon to be started or stopped.
#[derive(Debug)]
pub(crate) struct Daemon<'a> {
    pub(crate) role: SyncRole,
    pub(crate) device: Cow<'a, [u8]>,
    pub(crate) sync_id: u32,
    pub(crate) max_length: Option<u16>,
    pub(crate) group: Option<IpAddr>,
    pub(crate) port: Option<u16>,
    pub(crate) ttl: Option<u8>,
}

/// A line that was understood. What was not given has its default.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) command: Command,
    pub(crate) given: Kinds,
    pub(crate) service: Target,
    /// As typed; empty = the default one.
    pub(crate) scheduler: Cow<'a, [u8]>,
    /// As typed, a list.
    pub(crate) scheduler_flags: Cow<'a, [u8]>,
    pub(crate) persistence: Option<u32>,
    pub(crate) netmask: u32,
    pub(crate) engine: Cow<'a, [u8]>,
    pub(crate) server: (IpAddr, u16),
    pub(crate) method: Method,
    pub(crate) weight: u32,
    pub(crate) upper_threshold: u32,
    pub(crate) lower_threshold: u32,
    pub(crate) tunnel_type: TunnelType,
    pub(crate) tunnel_port: u16,
    pub(crate) checksum: Checksum,
    pub(crate) daemon: Daemon<'a>,
    pub(crate) plain: Vec<&'a [u8]>,
}

/// Reads a line; `program` is what messages call ipvsadm.
pub(crate) fn parse<'a>(
    host: &mut dyn Host,
    program: &[u8],
    tokens: &'a [&'a [u8]],
    posix: bool,
) -> Result<Request<'a>, Failure> {
    let mut arguments = Arguments::new(tokens, posix);
    let usage = || Failure::usage(program);
    let Ok(Some(Given { row, value })) = arguments.next_option() else { return Err(usage()) };
    let Meaning::Command(command) = row.meaning else { return Err(usage()) };
    let mut request = Request::new(command);
    if matches!(command, Command::Help | Command::Version) {
        return Ok(request);
    }
    if let Some(state) = value {
        request.daemon.role = values::sync_role(command, &state)?;
    }
    loop {
        match arguments.next_option() {
            Ok(Some(given)) => request.take(host, given, arguments.last())?,
            Ok(None) => break,
            Err(problem) => return Err(Failure::bad_option(arguments.last(), problem.text())),
        }
    }
    request.plain = arguments.into_plain();
    Ok(request)
}

impl<'a> Request<'a> {
    /// A request for `command` in which nothing is given.
    pub(crate) fn new(command: Command) -> Self {
        let unspecified = IpAddr::from([0; 4]);
        Self {
            command,
            given: Kinds::NONE,
            service: Target { transport: None, fwmark: None, address: unspecified, port: 0 },
            scheduler: Cow::Borrowed(&[]),
            scheduler_flags: Cow::Borrowed(&[]),
            persistence: None,
            netmask: NETMASK4_DEFAULT,
            engine: Cow::Borrowed(&[]),
            server: (unspecified, 0),
            method: Method::Direct,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel_type: TunnelType::Ipip,
            tunnel_port: 0,
            checksum: Checksum::None,
            daemon: Daemon {
                role: SyncRole::Master,
                device: Cow::Borrowed(&[]),
                sync_id: 0,
                max_length: None,
                group: None,
                port: None,
                ttl: None,
            },
            plain: Vec::new(),
        }
    }

    /// Takes in an option after the command; `token` is what a second command is called.
    fn take(&mut self, host: &mut dyn Host, given: Given<'a>, token: &[u8]) -> Result<(), Failure> {
        let meaning = given.row.meaning;
        if let Some(kind) = meaning.kind()
            && !self.given.insert(kind)
        {
            let name = kind.name().as_bytes();
            return Err(Failure::rejected_value(&[b"multiple '", name, b"' options specified"]));
        }
        match (meaning, given.value) {
            (Meaning::Command(_), _) => {
                return Err(Failure::rejected_value(&[b"invalid option `", token, b"'"]));
            }
            (Meaning::Forwarding(method), _) => self.method = method,
            (Meaning::Checksum(checksum), _) => self.checksum = checksum,
            (Meaning::Ipv6, _) => self.take_ipv6()?,
            (Meaning::Other(Kind::Persistent), None) => {
                self.persistence = Some(PERSISTENCE_DEFAULT)
            }
            (Meaning::Service(transport), Some(value)) => {
                self.take_service(host, transport, &value)?
            }
            (Meaning::Fwmark, Some(value)) => self.take_fwmark(&value)?,
            (Meaning::Other(kind), Some(value)) => self.take_value(host, kind, value)?,
            (_, None) | (Meaning::Nothing, _) => {}
        }
        Ok(())
    }

    fn take_service(
        &mut self,
        host: &mut dyn Host,
        transport: Transport,
        value: &[u8],
    ) -> Result<(), Failure> {
        let (address, port) = endpoints::parse(host, value, Some(transport))
            .ok_or_else(|| Failure::rejected("illegal virtual server address[:port] specified"))?;
        self.service =
            Target { transport: Some(transport), fwmark: None, address, port: port.unwrap_or(0) };
        if address.is_ipv6() {
            self.netmask = NETMASK6_DEFAULT;
        }
        Ok(())
    }

    fn take_fwmark(&mut self, value: &[u8]) -> Result<(), Failure> {
        let mark = values::fwmark(value)?;
        let address = IpAddr::from([0; 4]);
        self.service =
            Target { transport: Some(Transport::Tcp), fwmark: Some(mark), address, port: 0 };
        Ok(())
    }

    fn take_ipv6(&mut self) -> Result<(), Failure> {
        if self.service.fwmark.is_none() {
            // It ends with an empty line.
            return Err(Failure::rejected("-6 used before -f\n"));
        }
        self.service.address = IpAddr::from([0; 16]);
        self.netmask = NETMASK6_DEFAULT;
        Ok(())
    }

    fn take_value(
        &mut self,
        host: &mut dyn Host,
        kind: Kind,
        value: Cow<'a, [u8]>,
    ) -> Result<(), Failure> {
        match kind {
            Kind::Scheduler => self.scheduler = value,
            Kind::SchedulerFlags => self.scheduler_flags = value,
            Kind::Engine => self.engine = value,
            Kind::McastInterface => self.daemon.device = value,
            Kind::Persistent => self.persistence = Some(values::persistence(&value)?),
            Kind::Netmask => self.netmask = self.parse_netmask(host, &value)?,
            Kind::RealServer => self.server = self.parse_server(host, &value)?,
            Kind::Weight => self.weight = values::number(kind, &value)?,
            Kind::UpperThreshold => self.upper_threshold = values::number(kind, &value)?,
            Kind::LowerThreshold => self.lower_threshold = values::number(kind, &value)?,
            Kind::SyncId => self.daemon.sync_id = values::number(kind, &value)?,
            Kind::McastGroup => self.daemon.group = Some(values::multicast_group(&value)?),
            Kind::McastPort => self.daemon.port = Some(values::number(kind, &value)?),
            Kind::McastTtl => self.daemon.ttl = Some(values::number(kind, &value)?),
            Kind::SyncMaxLength => self.daemon.max_length = Some(values::number(kind, &value)?),
            Kind::TunnelType => self.tunnel_type = values::tunnel_type(&value)?,
            Kind::TunnelPort => self.tunnel_port = values::number(kind, &value)?,
            // The other kinds have no value, or one that is read elsewhere.
            _ => {}
        }
        Ok(())
    }

    fn parse_netmask(&self, host: &mut dyn Host, value: &[u8]) -> Result<u32, Failure> {
        if self.service.address.is_ipv6() {
            return values::prefix_length(value);
        }
        let mask = endpoints::address4(host, value)
            .ok_or_else(|| Failure::rejected("illegal virtual server persistent mask specified"))?;
        Ok(mask.to_bits())
    }

    /// A real server; without a port it has that of the service, if that is known by now.
    fn parse_server(&self, host: &mut dyn Host, value: &[u8]) -> Result<(IpAddr, u16), Failure> {
        let (address, port) = endpoints::parse(host, value, self.service.transport)
            .ok_or_else(|| Failure::rejected("illegal real server address[:port] specified"))?;
        Ok((address, port.unwrap_or(self.service.port)))
    }
}
