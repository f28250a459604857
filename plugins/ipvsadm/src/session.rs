//! One run: IPVS is opened, then lines are carried out, one or a stream of them.
//!
//! Changes are staged and reach the kernel together, in order, before anything that could
//! tell the difference: another kind of line, a message, more waiting for input.

use crate::{
    checks,
    console::Console,
    failure::{self, Failure},
    help,
    host::{Error, Host, IpvsInfo, Operation, Terminals},
    listing, operations,
    options::Command,
    request::{self, Request},
    restore, save,
};

/// Changes handed over at once. Well below what the host takes in a call, and far above
/// what makes crossings matter.
const STAGED_MAX: usize = 4096;

/// The oldest IPVS that 1.31 was written for.
const VERSION_MIN: (u8, u8, u8) = (1, 1, 4);

/// What to do after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Go on.
    Line,
    /// Leave the run with this status.
    Exit(u8),
}

/// A run, from opening IPVS to the exit status.
pub(crate) struct Session<'h> {
    pub(crate) host: &'h mut dyn Host,
    pub(crate) console: Console,
    pub(crate) info: IpvsInfo,
    /// What the original is called by, and therefore calls itself.
    program: &'h [u8],
    /// Options end with the first plain argument.
    posix: bool,
    staged: Vec<Operation>,
    /// The command of each staged change, for its message.
    staged_commands: Vec<Command>,
    /// Status of the last line carried out.
    status: u8,
}

impl<'h> Session<'h> {
    /// Opens IPVS, or says why not and returns the exit status.
    pub(crate) fn open(
        host: &'h mut dyn Host,
        program: &'h [u8],
        terminals: Terminals,
        posix: bool,
    ) -> Result<Self, u8> {
        let mut console = Console::new(terminals);
        let info = match host.info() {
            Ok(info) => info,
            Err(error) => {
                complain_of_opening(host, &mut console, &error);
                return Err(failure::REJECTED);
            }
        };
        if info.version < VERSION_MIN {
            warn_of_version(host, &mut console, info.version);
        }
        let (staged, staged_commands) = (Vec::new(), Vec::new());
        Ok(Self { host, console, info, program, posix, staged, staged_commands, status: 0 })
    }

    /// Carries out the command line and whatever it reads; the exit status.
    pub(crate) fn run(mut self, tokens: &[&[u8]]) -> u8 {
        match self.execute(tokens, false) {
            Next::Line => self.finish(),
            Next::Exit(status) => self.exit(status),
        }
    }

    /// Carries out one line; in a `stream` there may be more.
    pub(crate) fn execute(&mut self, tokens: &[&[u8]], stream: bool) -> Next {
        if tokens.is_empty() {
            return self.show(&Request::new(Command::List));
        }
        let understood = request::parse(self.host, self.program, tokens, self.posix)
            .and_then(|request| checks::check(&request).map(|checked| (request, checked)));
        let (request, checked) = match understood {
            Ok(understood) => understood,
            Err(failure) => return self.fail(&failure),
        };
        match operations::operation(&request, &checked) {
            Some(operation) => self.stage(request.command, operation),
            None if request.command == Command::Restore && stream => {
                self.fail(&Failure::usage(self.program))
            }
            None => self.show(&request),
        }
    }

    /// Hands over what is staged; the exit status.
    pub(crate) fn finish(mut self) -> u8 {
        self.settle();
        self.console.flush(self.host);
        self.status
    }

    /// Leaves with `status`.
    pub(crate) fn exit(mut self, status: u8) -> u8 {
        self.console.flush(self.host);
        status
    }

    /// Hands staged changes to the kernel and reports those that it refuses.
    pub(crate) fn settle(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        for failure in self.host.apply(&self.staged) {
            let Some(&command) = self.staged_commands.get(failure.step as usize) else { continue };
            self.console.complain(self.host, failure::explain(command, &failure.error).as_bytes());
            if failure.step as usize + 1 == self.staged.len() {
                self.status = failure::REFUSED;
            }
        }
        self.staged.clear();
        self.staged_commands.clear();
    }

    fn stage(&mut self, command: Command, operation: Operation) -> Next {
        self.staged.push(operation);
        self.staged_commands.push(command);
        self.status = 0;
        if self.staged.len() >= STAGED_MAX {
            self.settle();
        }
        Next::Line
    }

    fn fail(&mut self, failure: &Failure) -> Next {
        self.settle();
        if !failure.message.is_empty() {
            self.console.complain(self.host, &failure.message);
        }
        self.status = failure.status;
        if failure.ends_stream { Next::Exit(failure.status) } else { Next::Line }
    }

    /// Everything that is not a change.
    fn show(&mut self, request: &Request<'_>) -> Next {
        self.settle();
        self.status = 0;
        let shown = match request.command {
            Command::Help => {
                help::put(&mut self.console.out, self.program);
                return Next::Exit(0);
            }
            Command::Version => {
                self.console.out.extend_from_slice(help::VERSION);
                return Next::Exit(0);
            }
            Command::Restore => return restore::run(self),
            Command::Save => save::run(self, request),
            _ => listing::run(self, request),
        };
        match shown {
            Ok(()) => Next::Line,
            Err(failure) => self.fail(&failure),
        }
    }
}

fn complain_of_opening(host: &mut dyn Host, console: &mut Console, error: &Error) {
    let reason = failure::explain(Command::List, error);
    let message = [
        "Can't initialize ipvs: ",
        reason,
        "\nAre you sure that IP Virtual Server is built in the kernel or as module?",
    ];
    console.complain(host, message.concat().as_bytes());
    match error {
        Error::NoIpvs => {
            console.advise(host, "Load it with `modprobe ip_vs' (CONFIG_IP_VS), or `weir run' its own: backend = \"embedded\".")
        }
        Error::NotPermitted => {
            console.advise(host, "Run it as root, or with the capability CAP_NET_ADMIN.")
        }
        _ => {}
    }
}

fn warn_of_version(
    host: &mut dyn Host,
    console: &mut Console,
    (major, minor, patch): (u8, u8, u8),
) {
    let mut message =
        b"Warning: IPVS version mismatch: \n  Kernel compiled with IPVS version ".to_vec();
    put_version(&mut message, (major, minor, patch));
    message.extend_from_slice(b"\n  ipvsadm v1.31  requires minimum IPVS version ");
    put_version(&mut message, VERSION_MIN);
    message.push(b'\n');
    console.complain(host, &message);
}

/// Appends a version of IPVS.
pub(crate) fn put_version(out: &mut Vec<u8>, (major, minor, patch): (u8, u8, u8)) {
    for (separator, number) in [("", major), (".", minor), (".", patch)] {
        out.extend_from_slice(separator.as_bytes());
        crate::text::put_decimal(out, number.into());
    }
}
