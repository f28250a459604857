//! Where measurements are made, and how programs are started there.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};

use crate::{
    namespace,
    row::{Goal, Outcome, Row},
    sample,
};

/// Measures weir against the programs whose place it takes
#[derive(Parser)]
pub(crate) struct Bed {
    /// Where the kernel's part comes from
    #[arg(long)]
    bed: Kind,
    /// The release of the guest kernel
    #[arg(long, default_value = "")]
    release: String,
    /// weir; on the stand-in, the one that it is linked into
    #[arg(long)]
    weir: PathBuf,
    #[arg(long, default_value = "/usr/sbin/ipvsadm")]
    ipvsadm: PathBuf,
    #[arg(long, default_value = "/usr/sbin/keepalived")]
    keepalived: PathBuf,
    #[arg(long, default_value = "/usr/sbin/haproxy")]
    haproxy: PathBuf,
    /// A directory of libraries beside the system's; can be repeated
    #[arg(long, value_name = "DIR")]
    libraries: Vec<PathBuf>,
    /// The stand-in, to be loaded before the originals
    #[arg(long)]
    preload: Option<PathBuf>,
    /// Fewer rounds
    #[arg(long)]
    quick: bool,
    /// Only what these names are part of
    only: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The kernel of a guest
    Uml,
    /// The kernel of this machine
    Native,
    /// What answers in the place of a kernel
    StandIn,
    /// Nothing: measures what needs no kernel
    None,
}

/// How many services there are, and real servers of each.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) services: u32,
    pub(crate) servers: u32,
}

impl Bed {
    /// As it is called in reports.
    pub(crate) fn name(&self) -> String {
        match self.bed {
            Kind::Uml => format!("UML {}", self.release),
            Kind::Native => "native".to_owned(),
            Kind::StandIn => "native, stand-in".to_owned(),
            Kind::None => "native, no kernel".to_owned(),
        }
    }

    pub(crate) fn is_wanted(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|it| name.contains(it.as_str()))
    }

    pub(crate) fn has_kernel(&self) -> bool {
        matches!(self.bed, Kind::Uml | Kind::Native)
    }

    /// Whether there is a table to list, be it made up.
    pub(crate) fn has_table(&self) -> bool {
        self.bed != Kind::None
    }

    pub(crate) fn is_uml(&self) -> bool {
        self.bed == Kind::Uml
    }

    pub(crate) fn is_stand_in(&self) -> bool {
        self.bed == Kind::StandIn
    }

    /// Whether what is written stays so.
    pub(crate) fn is_real(&self) -> bool {
        !self.is_stand_in()
    }

    /// Whether this is for what needs no kernel.
    pub(crate) fn is_machine(&self) -> bool {
        self.bed == Kind::None
    }

    /// One of two, by how much time there is.
    pub(crate) fn rounds(&self, all: usize, quick: usize) -> usize {
        if self.quick { quick } else { all }
    }

    /// A goal for UML, and one for everywhere else.
    pub(crate) fn ratio(&self, uml: f64, native: f64) -> Goal {
        Goal::RatioAtMost(if self.is_uml() { uml } else { native })
    }

    /// Sets this process up, before it has threads.
    pub(crate) fn enter(&self) -> Result<()> {
        fs::create_dir_all(scratch()).context("failed to create a directory for files")?;
        namespace::become_root().context("failed to be root in a namespace; run this as root")?;
        if self.libraries.is_empty() {
            return Ok(());
        }
        self.add_libraries().context("failed to let the originals find their libraries")
    }

    /// A row without its measures.
    pub(crate) fn row(&self, what: impl Into<String>, unit: &str) -> Row {
        Row {
            name: String::new(),
            bed: self.name(),
            what: what.into(),
            unit: unit.to_owned(),
            original: None,
            weir: 0.0,
            goal: None,
            samples: 0,
            note: String::new(),
        }
    }

    /// That it could not be measured.
    pub(crate) fn failed(&self, name: impl Into<String>, error: &anyhow::Error) -> Outcome {
        Outcome::Failed { name: name.into(), bed: self.name(), why: format!("{error:#}") }
    }

    /// The original ipvsadm.
    pub(crate) fn original(&self, size: Size) -> Command {
        self.other(&self.ipvsadm, size)
    }

    /// keepalived, in the foreground.
    pub(crate) fn run_keepalived(&self, size: Size, configuration: &Path) -> Command {
        let mut command = self.other(&self.keepalived, size);
        command.args(["-n", "-l", "-C", "-f"]).arg(configuration);
        command.arg("-p").arg(scratch().join("keepalived.pid"));
        command.arg("-c").arg(scratch().join("checkers.pid"));
        command
    }

    /// HAProxy.
    pub(crate) fn haproxy(&self) -> Command {
        self.command(&self.haproxy, Size::EMPTY)
    }

    /// weir, as a daemon that remembers nothing of those before it.
    pub(crate) fn run_weir(&self, size: Size, configuration: &Path) -> Result<Command> {
        let directory = scratch().join("daemon");
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context("failed to clear a daemon's directory");
            }
            _ => fs::create_dir(&directory).context("failed to make a daemon's directory")?,
        }
        let mut command = self.command(&self.weir, size);
        command.args(["run", "--config"]).arg(configuration);
        command.arg("--socket").arg(directory.join("weir.sock"));
        Ok(command)
    }

    /// weir, called by its own name.
    pub(crate) fn weir(&self) -> Command {
        self.command(&self.weir, Size::EMPTY)
    }

    /// weir, called by the name of ipvsadm.
    pub(crate) fn ours(&self, size: Size) -> Result<Command> {
        let link = scratch().join("ipvsadm");
        if !link.exists() {
            std::os::unix::fs::symlink(&self.weir, &link).context("failed to link to weir")?;
        }
        Ok(self.command(&link, size))
    }

    /// Milliseconds that the preloaded stand-in costs a program that does nothing.
    pub(crate) fn cost_of_preloading(&self) -> Result<f64> {
        let idle = Path::new("/bin/true");
        let without = || sample::time(self.command(idle, Size::EMPTY));
        let with = || sample::time(self.other(idle, Size::EMPTY));
        let pairs = sample::in_turns(self.rounds(100, 20), without, with)?;
        Ok(sample::median(&pairs.weir) - sample::median(&pairs.original))
    }

    fn other(&self, program: &Path, size: Size) -> Command {
        let mut command = self.command(program, size);
        if let Some(library) = &self.preload {
            command.env("LD_PRELOAD", library);
        }
        command
    }

    /// Nothing of the environment is inherited: `RUST_BACKTRACE` costs, `LC_ALL` changes.
    fn command(&self, program: &Path, size: Size) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if self.is_stand_in() {
            command.env("WEIR_STAND_IN", format!("{}x{}", size.services, size.servers));
        }
        command
    }

    /// Puts an index of all libraries in the place of the system's, for this process and
    /// its children: the originals then start exactly as installed ones do.
    fn add_libraries(&self) -> Result<()> {
        let directory = scratch();
        let (list, index) = (directory.join("ld.so.conf"), directory.join("ld.so.cache"));
        let mut text = String::new();
        for library in &self.libraries {
            text.push_str(&format!("{}\n", library.display()));
        }
        text.push_str("include /etc/ld.so.conf.d/*.conf\n");
        fs::write(&list, text)?;
        let status = Command::new("/sbin/ldconfig")
            .arg("-X")
            .arg("-C")
            .arg(&index)
            .arg("-f")
            .arg(&list)
            .status()
            .context("cannot run ldconfig")?;
        ensure!(status.success(), "ldconfig: {status}");
        namespace::cover("/etc/ld.so.cache", &index)
    }
}

impl Size {
    pub(crate) const EMPTY: Self = Self::new(0, 0);

    pub(crate) const fn new(services: u32, servers: u32) -> Self {
        Self { services, servers }
    }
}

/// A directory for files that programs are given.
pub(crate) fn scratch() -> PathBuf {
    env::temp_dir().join(format!("weir-bench-{}", process::id()))
}
