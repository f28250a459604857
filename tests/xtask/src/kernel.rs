//! `cargo xtask kernel`: User Mode Linux kernels, which run as ordinary processes.
//!
//! They come from Debian's `user-mode-linux`, found by suite: versions move with it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{apt, cache::Cache, debian};

/// The one way to go without a guest kernel.
pub(crate) const SKIP_VARIABLE: &str = "WEIR_SKIP_KERNEL_TESTS";

/// Fetches the guest kernels and says where they are
///
/// Needs apt-get and an archive that can be reached; no root. Does nothing when
/// all is there.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this kernel
    #[arg(long)]
    kernel: Option<Version>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Version {
    #[value(name = "6.12")]
    V6_12,
    #[value(name = "6.1")]
    V6_1,
}

impl Version {
    pub(crate) const ALL: [Self; 2] = [Self::V6_12, Self::V6_1];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V6_12 => "6.12",
            Self::V6_1 => "6.1",
        }
    }

    fn suite(self) -> &'static str {
        match self {
            Self::V6_12 => "trixie",
            Self::V6_1 => "bookworm",
        }
    }
}

/// A kernel that can be started.
pub(crate) struct Kernel {
    pub(crate) binary: PathBuf,
    /// The directory that holds one directory per kernel release.
    pub(crate) modules: PathBuf,
    /// Versions of the packages it came from.
    pub(crate) packages: String,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<ExitCode> {
    let cache = Cache::open()?;
    for version in Version::ALL.into_iter().filter(|it| args.kernel.is_none_or(|only| only == *it))
    {
        let kernel = obtain(&cache, version, &mut crate::note)?;
        writeln!(out, "{} {} ({})", version.name(), kernel.binary.display(), kernel.packages)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a kernel, fetched unless it is in the cache.
pub(crate) fn obtain(cache: &Cache, version: Version, say: &mut dyn FnMut(&str)) -> Result<Kernel> {
    let root = fetch(cache, version, say).with_context(|| {
        format!(
            "no guest kernel {}: it comes from the package user-mode-linux of Debian {} \
             (set {SKIP_VARIABLE}=1 to test without a kernel)",
            version.name(),
            version.suite(),
        )
    })?;
    Ok(Kernel {
        binary: root.join("usr/bin/linux.uml"),
        modules: root.join("usr/lib/uml/modules"),
        packages: fs::read_to_string(root.join(".packages"))?,
    })
}

fn fetch(cache: &Cache, version: Version, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("user-mode-linux exists for x86-64 only");
    }
    // The kernel wants the C library of its own suite, newer than this system's may be.
    let packages = ["user-mode-linux", "libc6"];
    let recipe = format!("{} {}\n", version.suite(), packages.join(" "));
    cache.entry(&format!("kernel-{}", version.name()), &recipe, |fresh, path| {
        let tools = debian::tools(cache, say)?;
        say(&format!("fetching the guest kernel {} (40 MB)", version.name()));
        let got = apt::unpack(version.suite(), &packages, fresh)?;
        set_libraries(&tools.join("usr/bin/patchelf"), fresh, path)?;
        let got = got.join(", ");
        fs::write(fresh.join(".packages"), &got)?;
        say(&format!("got {got} in {}", path.display()));
        Ok(())
    })
}

/// Calling the dynamic linker with the kernel as its argument would be simpler, but
/// breaks the kernel's memory layout.
fn set_libraries(patchelf: &Path, fresh: &Path, path: &Path) -> Result<()> {
    let libraries = path.join("usr/lib/x86_64-linux-gnu");
    let status = Command::new(patchelf)
        .arg("--set-interpreter")
        .arg(libraries.join("ld-linux-x86-64.so.2"))
        .arg("--set-rpath")
        .arg(&libraries)
        .arg(fresh.join("usr/bin/linux.uml"))
        .status()
        .context("cannot run patchelf")?;
    if !status.success() {
        bail!("patchelf failed on the kernel: {status}");
    }
    Ok(())
}
