//! `weir plugin new`: a folder with a plugin that builds, works and has a test.
//!
//! Everything in it is carried by this program, so that no network is needed: the example
//! of the SDK for the language, the SDK itself, and the scenario that it passes.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

/// The files of `sdk/` and `wit/`, by their path in the tree; sorted.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// What `weir plugin new` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What it is to be written in.
    #[arg(long, value_enum)]
    lang: Lang,
    /// What kind of plugin it is to be.
    #[arg(long, value_enum, default_value_t = World::Policy)]
    world: World,
    /// Its name, and that of the folder.
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// A text file; no compiler.
    Starlark,
    /// With cargo.
    Rust,
    /// With zig cc.
    C,
    /// With zig.
    Zig,
    /// With componentize-py.
    Python,
    /// With componentize-qjs.
    Javascript,
    /// With go; in beta.
    Go,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum World {
    /// Reacts to events; changes weights.
    Policy,
}

impl Lang {
    fn name(self) -> &'static str {
        match self {
            Self::Starlark => "starlark",
            Self::Rust => "rust",
            Self::C => "c",
            Self::Zig => "zig",
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::Go => "go",
        }
    }

    /// Where the example is, in the tree.
    fn example(self) -> &'static str {
        match self {
            Self::Starlark => "sdk/starlark/drain.star",
            Self::Rust => "plugins/health-weight/src/lib.rs",
            Self::C => "sdk/c/examples/drain.c",
            Self::Zig => "sdk/zig/examples/drain.zig",
            Self::Python => "sdk/python/examples/drain.py",
            Self::Javascript => "sdk/javascript/examples/drain.js",
            Self::Go => "sdk/go/examples/drain.go",
        }
    }

    /// The source of the plugin `name`, from its folder.
    fn source(self, name: &str) -> String {
        // What Python can import.
        let stem = name.replace('-', "_");
        let extension = self.example().rsplit_once('.').map_or("", |(_, it)| it);
        match self {
            Self::Rust => "src/lib.rs".to_owned(),
            _ => format!("src/{stem}.{extension}"),
        }
    }

    /// What of the tree lies in the folder, and where.
    fn sdk(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Starlark => &[],
            Self::Rust => &[("sdk/rust/", "weir/sdk/rust/"), ("wit/", "weir/wit/")],
            Self::C => &[("sdk/c/weir/", "weir/")],
            Self::Zig => &[("sdk/c/weir/", "weir/"), ("sdk/zig/weir/", "weir/")],
            Self::Python => &[("sdk/python/weir/", "weir/"), ("wit/", "weir/wit/")],
            Self::Javascript => &[("sdk/javascript/weir/", "weir/"), ("wit/", "weir/wit/")],
            Self::Go => {
                &[("sdk/go/go.mod", "go.mod"), ("sdk/go/weir/", "weir/"), ("wit/", "weir/wit/")]
            }
        }
    }
}

pub(super) fn run(options: &Options, out: &mut dyn Write) -> Result<ExitCode> {
    let Options { lang, world: World::Policy, name } = options;
    let is_name = name.len() <= 64
        && name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-');
    ensure!(is_name, "\"{name}\" is no name: a letter, then letters, digits and -, all small");
    let folder = Path::new(name);
    ensure!(!folder.exists(), "{name} is there already: choose another name, or remove it");
    for (path, contents) in project(*lang, name) {
        write(&folder.join(&path), &contents)?;
    }
    writeln!(out, "made {name}: the plugin is {}", folder.join(lang.source(name)).display())?;
    writeln!(out, "  cd {name}")?;
    if *lang == Lang::Starlark {
        writeln!(out, "  weir plugin check {}", lang.source(name))?;
    } else {
        writeln!(out, "  weir plugin build")?;
        writeln!(out, "  weir plugin check {name}.wasm")?;
    }
    writeln!(out, "  weir test")?;
    Ok(ExitCode::SUCCESS)
}

/// Every file of the folder.
fn project(lang: Lang, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = vec![
        (lang.source(name).into(), carried(lang.example()).to_vec()),
        (format!("test/{name}.scenario").into(), scenario(lang, name).into_bytes()),
    ];
    for (from, to) in lang.sdk() {
        for (path, contents) in FILES {
            if let Some(rest) = path.strip_prefix(from) {
                files.push((format!("{to}{rest}").into(), contents.to_vec()));
            }
        }
    }
    if lang != Lang::Starlark {
        files.push(("plugin.toml".into(), manifest(lang, name).into_bytes()));
    }
    if lang == Lang::Rust {
        files.push(("Cargo.toml".into(), cargo_manifest(name).into_bytes()));
    }
    files
}

/// The scenario of the example, with this plugin in it.
fn scenario(lang: Lang, name: &str) -> String {
    let text = String::from_utf8_lossy(carried("sdk/starlark/drain.scenario")).into_owned();
    let code = match lang {
        Lang::Starlark => {
            format!("component = \"starlark\"\nscript = \"../{}\"\n", lang.source(name))
        }
        _ => format!("source = \"../{name}.wasm\"\n"),
    };
    text.replace("component = \"starlark\"\nscript = \"drain.star\"\n", &code)
        .replace("[plugin.drain]", &format!("[plugin.{name}]"))
        .replace("drain.star", name)
}

fn manifest(lang: Lang, name: &str) -> String {
    format!(
        r#"# What this plugin is, and what it asks of whoever runs it. `weir plugin build` puts it
# into the component; `weir plugin grant` makes a grant of it.

[plugin]
name = "{name}"
version = "0.1.0"
world = "policy"
summary = "Drains a real server that is down"

[build]
language = "{}"
source = "{}"

[wants.table]
reason = "which real servers there are"

[wants.health]
reason = "what is down when it starts"

[wants.weights]
intents = ["drain"]
reason = "a real server that is down gets no new connections"
"#,
        lang.name(),
        lang.source(name)
    )
}

fn cargo_manifest(name: &str) -> String {
    format!(
        r#"[package]
name = "{name}"
version.workspace = true
edition.workspace = true

[lib]
crate-type = ["cdylib"]

[dependencies]
weir-sdk = {{ path = "weir/sdk/rust", features = ["policy"] }}

[profile.guest]
inherits = "release"
lto = "fat"
codegen-units = 1
panic = "abort"
strip = "debuginfo"

# What the SDK beside it takes from its workspace.
[workspace]
members = ["weir/sdk/rust"]

[workspace.package]
version = "0.1.0"
edition = "2024"
rust-version = "1.95"
license = "Apache-2.0 OR MIT"
publish = false

[workspace.dependencies]
serde = {{ version = "1.0.228", features = ["derive"] }}
serde_json = "1.0.145"
wit-bindgen = {{ version = "0.63", default-features = false, features = ["macros", "realloc"] }}

[workspace.lints]
"#
    )
}

fn carried(path: &str) -> &'static [u8] {
    let found = FILES.binary_search_by_key(&path, |it| it.0);
    found.map(|it| FILES[it].1).expect("the build script embeds it")
}

fn write(file: &Path, contents: &[u8]) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, contents))
        .with_context(|| format!("failed to write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::{super::manifest::Manifest, *};

    #[test]
    fn every_folder_has_all_that_it_needs() {
        for &lang in Lang::value_variants() {
            let files = project(lang, "my-plugin");
            let has = |path: &str| files.iter().any(|it| it.0 == Path::new(path));
            assert!(has(&lang.source("my-plugin")), "{lang:?}");
            assert!(has("test/my-plugin.scenario"), "{lang:?}");
            for (_, to) in lang.sdk() {
                assert!(files.iter().any(|it| it.0.starts_with(to)), "{lang:?}: {to}");
            }
        }
    }

    #[test]
    fn its_manifest_can_be_read() {
        let manifest = Manifest::parse(&manifest(Lang::C, "x")).unwrap();
        assert_eq!(manifest.build.unwrap().source, Path::new("src/x.c"));
    }
}
