//! Names of hosts and ports by the system's own rules.
//!
//! glibc reads those rules (`nsswitch.conf`) and loads a library for each, which a static
//! program cannot do. So this crate is two programs that talk through a pipe: the binary
//! `weir-names`, linked dynamically, asks glibc; [`Resolver`] starts it from memory when
//! the first name is needed, and never otherwise.
//!
//! Invariant: nothing here fails. A name that cannot be had, for whatever reason, is not
//! found; the reason why the helper could not run is kept for whoever asks.

mod frame;

pub use frame::{Question, read_frame, write_frame};

use std::{
    fs::File,
    io::{self, BufReader, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd, FromRawFd},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Asks for names. Starts its helper with the first question; the helper ends with it.
#[derive(Debug)]
pub struct Resolver {
    program: &'static [u8],
    helper: State,
}

#[derive(Debug)]
enum State {
    Unused,
    Running(Helper),
    Broken(String),
}

#[derive(Debug)]
struct Helper {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Resolver {
    /// A resolver whose helper is `program`, the bytes of the executable `weir-names`.
    pub fn new(program: &'static [u8]) -> Self {
        Self { program, helper: State::Unused }
    }

    /// `gethostbyaddr`: the name of the host with this address.
    pub fn host(&mut self, address: IpAddr) -> Option<Vec<u8>> {
        let name = self.ask(&Question::Host(address));
        Some(name).filter(|name| !name.is_empty())
    }

    /// `getservbyport`: the name of this port, in host order, for a protocol as `tcp`.
    pub fn port_name(&mut self, port: u16, protocol: &str) -> Option<Vec<u8>> {
        let name = self.ask(&Question::PortName(port, protocol.as_bytes().to_vec()));
        Some(name).filter(|name| !name.is_empty())
    }

    /// `gethostbyname2`: IPv4 addresses of a host, in the system's order.
    pub fn ipv4_addresses(&mut self, host: &[u8]) -> Vec<IpAddr> {
        let bytes = self.ask(&Question::Ipv4Addresses(host.to_vec()));
        let (chunks, _) = bytes.as_chunks::<4>();
        chunks.iter().map(|&octets| Ipv4Addr::from(octets).into()).collect()
    }

    /// `gethostbyname2`: IPv6 addresses of a host, in the system's order.
    pub fn ipv6_addresses(&mut self, host: &[u8]) -> Vec<IpAddr> {
        let bytes = self.ask(&Question::Ipv6Addresses(host.to_vec()));
        let (chunks, _) = bytes.as_chunks::<16>();
        chunks.iter().map(|&octets| Ipv6Addr::from(octets).into()).collect()
    }

    /// `getservbyname`: the port of a service; case matters, aliases count.
    pub fn port(&mut self, service: &[u8], protocol: &str) -> Option<u16> {
        let question = Question::Port(service.to_vec(), protocol.as_bytes().to_vec());
        let answer = self.ask(&question);
        answer.first_chunk().map(|&bytes| u16::from_be_bytes(bytes))
    }

    /// Why the helper could not be run, if it could not.
    pub fn failure(&self) -> Option<&str> {
        match &self.helper {
            State::Broken(reason) => Some(reason),
            State::Unused | State::Running(_) => None,
        }
    }

    fn ask(&mut self, question: &Question) -> Vec<u8> {
        if matches!(self.helper, State::Unused) {
            self.helper = match Helper::start(self.program) {
                Ok(helper) => State::Running(helper),
                Err(error) => State::Broken(error.to_string()),
            };
        }
        let State::Running(helper) = &mut self.helper else { return Vec::new() };
        match helper.ask(question) {
            Ok(answer) => answer,
            Err(error) => {
                self.helper = State::Broken(error.to_string());
                Vec::new()
            }
        }
    }
}

impl Helper {
    fn start(program: &[u8]) -> io::Result<Self> {
        let file = in_memory(program)?;
        // The descriptor is closed by exec itself, after the kernel has opened the path.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the helper has no pipes"));
        };
        Ok(Self { child, questions, answers: BufReader::new(answers) })
    }

    fn ask(&mut self, question: &Question) -> io::Result<Vec<u8>> {
        write_frame(&mut self.questions, &question.encode())?;
        self.questions.flush()?;
        read_frame(&mut self.answers)?.ok_or_else(|| {
            let ending = match self.child.wait() {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            io::Error::other(format!("the name helper ended: {ending}"))
        })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may wait for a name server that does not answer; nobody waits for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file without a name that holds `program`.
fn in_memory(program: &[u8]) -> io::Result<File> {
    // SAFETY: the name is a valid C string, and the call takes no other pointer.
    let fd = unsafe { libc::memfd_create(c"weir-names".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, open, and owned by nobody else.
    let mut file = unsafe { File::from_raw_fd(fd) };
    file.write_all(program)?;
    Ok(file)
}
