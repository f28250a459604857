//! Getting hold of the kernel's IPVS, and saying why if there is none.

use std::{io::Cursor, iter::once, process::Command as Process};

use neli::{
    FromBytesWithInput, ToBytes,
    consts::{
        genl::{CtrlAttr, CtrlCmd},
        nl::{GenlId, NlmF},
    },
    genl::{AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, NlattrBuilder},
    nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder},
    types::GenlBuffer,
};
use weir_ipvs::{
    Change, Connections, Entries, Error, Failure, Fields, Info, Ipvs, OnFailure, Scheduler, Scope,
    Snapshot, Stats, SyncDaemon, Timeouts,
};

use crate::{
    connections, errno, schedulers,
    socket::{Kind, Socket, Wait},
    totals,
};

const FAMILY_NAME: &str = "IPVS";

/// Where the kernel's own tools look for it.
const MODPROBE: &str = "/sbin/modprobe";

/// Whether to run a program that loads the module `ip_vs`, if it is missing. The kernel
/// tries by itself in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Autoload {
    /// Runs `/sbin/modprobe -- ip_vs`, as ipvsadm does, with our standard streams: it may
    /// write to stderr.
    Yes,
    /// Runs nothing.
    No,
}

/// The IPVS of the kernel and network namespace in which it was opened.
///
/// ```no_run
/// use weir_ipvs::{Fields, Ipvs, Scope};
/// use weir_netlink::{Autoload, Netlink};
///
/// let mut ipvs = Netlink::open(Autoload::Yes)?;
/// for entry in ipvs.read(Scope::All, Fields::ALL)?.entries {
///     println!("{}", entry.service.config.key);
/// }
/// # Ok::<(), weir_ipvs::Error>(())
/// ```
pub struct Netlink {
    pub(crate) socket: Socket,
    pub(crate) family: u16,
    /// Requests under construction, kept for its room.
    pub(crate) requests: Vec<u8>,
}

impl Netlink {
    /// Opens it, in the network namespace of this thread.
    ///
    /// Fails with [`Error::NoIpvs`] if the kernel has none and none could be loaded, and
    /// with [`Error::NotPermitted`] without `CAP_NET_ADMIN` in the initial user namespace,
    /// which every request needs, reads included.
    pub fn open(autoload: Autoload) -> Result<Self, Error> {
        let mut socket = Socket::open().map_err(|error| errno::of_io(&error))?;
        let mut family = look_up_family(&mut socket);
        if family == Err(Error::NoIpvs) && autoload == Autoload::Yes && load_module() {
            family = look_up_family(&mut socket);
        }
        let family = family.map_err(|error| match error {
            Error::NoIpvs => why_there_is_none(),
            other => other,
        })?;
        let mut netlink = Self { socket, family, requests: Vec::new() };
        // Anybody may look a family up, so ask something that needs the permission.
        netlink.info()?;
        Ok(netlink)
    }
}

impl Ipvs for Netlink {
    fn info(&mut self) -> Result<Info, Error> {
        self.read_info()
    }

    fn read(&mut self, scope: Scope, fields: Fields) -> Result<Snapshot, Error> {
        self.read_table(scope, fields)
    }

    fn walk(&mut self, fields: Fields) -> Result<Entries, Error> {
        self.walk_table(fields)
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        self.apply_changes(changes, on_failure)
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        totals::read()
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.read_timeouts()
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.read_daemons()
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        Ok(schedulers::read())
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        connections::open()
    }
}

/// Asks the controller for the number of the family; the kernel then tries to load the
/// module by the alias `net-pf-16-proto-16-family-IPVS`.
fn look_up_family(socket: &mut Socket) -> Result<u16, Error> {
    let sequence = socket.sequences(1);
    socket.send(&family_request(sequence)?)?;
    loop {
        for message in socket.receive(Wait::Deadline)? {
            match message.kind {
                _ if message.sequence != sequence => {}
                Kind::Reply(reply) => return family_number(reply),
                Kind::Answer(libc::ENOENT) => return Err(Error::NoIpvs),
                Kind::Answer(errno) | Kind::Done(errno) => return Err(errno::of_any(errno)),
            }
        }
    }
}

/// Once per process, so neli's builders may take their time.
fn family_request(sequence: u32) -> Result<Vec<u8>, Error> {
    let build = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let kind = AttrTypeBuilder::default().nla_type(CtrlAttr::FamilyName).build()?;
        let name = NlattrBuilder::default().nla_type(kind).nla_payload(FAMILY_NAME).build()?;
        let message = GenlmsghdrBuilder::default()
            .cmd(CtrlCmd::Getfamily)
            .version(2)
            .attrs(once(name).collect::<GenlBuffer<_, _>>())
            .build()?;
        let request: Nlmsghdr<GenlId, _> = NlmsghdrBuilder::default()
            .nl_type(GenlId::Ctrl)
            .nl_flags(NlmF::REQUEST)
            .nl_seq(sequence)
            .nl_payload(NlPayload::<GenlId, _>::Payload(message))
            .build()?;
        let mut out = Cursor::new(Vec::new());
        request.to_bytes(&mut out)?;
        Ok(out.into_inner())
    };
    build().map_err(|error| Error::Unsupported(format!("look up generic netlink: {error}")))
}

fn family_number(reply: &[u8]) -> Result<u16, Error> {
    let nonsense =
        |error| Error::Unsupported(format!("make sense of a generic netlink family: {error}"));
    Genlmsghdr::<CtrlCmd, CtrlAttr>::from_bytes_with_input(&mut Cursor::new(reply), reply.len())
        .and_then(|reply| reply.attrs().get_attr_handle().get_attr_payload_as(CtrlAttr::FamilyId))
        .map_err(nonsense)
}

/// Whether modprobe says that the module is there now.
fn load_module() -> bool {
    Process::new(MODPROBE).args(["--", "ip_vs"]).status().is_ok_and(|status| status.success())
}

/// Whoever may not open a raw socket may not change IPVS either, and is told so first:
/// the module may be missing only because it was not theirs to load.
fn why_there_is_none() -> Error {
    // SAFETY: a plain system call; the descriptor is closed below and nowhere else.
    let descriptor = unsafe {
        libc::socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_RAW)
    };
    if descriptor < 0 {
        let error = std::io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Error::NotPermitted,
            _ => Error::NoIpvs,
        };
    }
    // SAFETY: the descriptor was opened above and is ours alone.
    unsafe { libc::close(descriptor) };
    Error::NoIpvs
}
