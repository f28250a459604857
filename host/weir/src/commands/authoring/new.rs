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

use crate::builtin;

/// The files of `sdk/` and `wit/`, by their path in the tree; sorted.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// Packages that a project in Rust is built of, as far as a project may have their names: cargo
/// would not know which of two is meant.
const PACKAGES: [&str; 30] = [
    "anyhow",
    "bitflags",
    "equivalent",
    "foldhash",
    "hashbrown",
    "heck",
    "id-arena",
    "indexmap",
    "itoa",
    "leb128fmt",
    "log",
    "memchr",
    "prettyplease",
    "proc-macro2",
    "quote",
    "semver",
    "serde",
    "syn",
    "unicode-ident",
    "wasm-encoder",
    "wasm-metadata",
    "wasmparser",
    "weir-sdk",
    "wit-bindgen",
    "wit-bindgen-core",
    "wit-bindgen-rust",
    "wit-bindgen-rust-macro",
    "wit-component",
    "wit-parser",
    "zmij",
];

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
    /// Weighs the real servers of a service.
    Weigher,
    /// Owns services, by what it asks of others.
    Controller,
    /// Judges planned changes.
    Guard,
    /// Asks a server how it is.
    Checker,
}

impl World {
    fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Weigher => "weigher",
            Self::Controller => "controller",
            Self::Guard => "guard",
            Self::Checker => "checker",
        }
    }

    /// What the example of it is called, and what it does.
    fn example(self) -> (&'static str, &'static str) {
        match self {
            Self::Policy => ("drain", "Drains a real server that is down"),
            Self::Weigher => ("weights", "Gives a real server that is loaded less"),
            Self::Controller => ("discover", "Serves what a registry lists"),
            Self::Guard => ("guard", "Refuses what would leave too few real servers"),
            Self::Checker => ("check", "Asks a server by HTTP how it is"),
        }
    }

    /// What its example asks for, as a manifest says it.
    fn wants(self, lang: Lang) -> String {
        // Some compilers import all of a world, and the SDK tells each policy what is down.
        let unused: &[&str] = match (lang, self) {
            (Lang::Python | Lang::Javascript, Self::Policy) => &["state"],
            (Lang::Python | Lang::Javascript, Self::Guard) => &["health"],
            (Lang::Python | Lang::Javascript, Self::Controller) => {
                &["table", "health", "weights", "state"]
            }
            (Lang::Zig | Lang::Go, Self::Controller) => &["table", "health"],
            _ => &[],
        };
        let importer = match lang {
            Lang::Python => "componentize-py",
            Lang::Javascript => "componentize-qjs",
            _ => "the SDK",
        };
        let unused: Vec<String> = unused
            .iter()
            .map(|it| {
                let fields = if *it == "weights" { "intents = []\n" } else { "" };
                format!(
                    "\n[wants.{it}]\n{fields}reason = \"none: {importer} imports it unasked\"\n"
                )
            })
            .collect();
        self.wanted().to_owned() + &unused.concat()
    }

    /// The schema of its example's settings, which are those of the plugin that weir carries.
    fn schema(self, lang: Lang) -> &'static str {
        let plugin = match self {
            Self::Weigher if lang == Lang::Rust => "least-load",
            Self::Policy | Self::Weigher => "health-weight",
            Self::Controller => "discovery",
            Self::Guard => "n-plus-one",
            Self::Checker => "ready",
        };
        builtin::schema(plugin).unwrap_or("{}")
    }

    /// What it uses.
    fn wanted(self) -> &'static str {
        match self {
            Self::Policy => {
                r#"
[wants.table]
reason = "which real servers there are"

[wants.health]
reason = "what is down when it starts"

[wants.weights]
intents = ["drain"]
reason = "a real server that is down gets no new connections"
"#
            }
            Self::Weigher => {
                r#"
[wants.weights]
intents = ["scale"]
scale = [500, 1500]
reason = "a real server that is loaded gets fewer new connections"
"#
            }
            Self::Controller => {
                r#"
[wants.structure]
reason = "serves what the registry lists"

[wants.http]
reason = "asks the registry"
"#
            }
            Self::Guard => {
                r#"
[wants.table]
reason = "how many real servers serve now"
"#
            }
            Self::Checker => "",
        }
    }
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

    /// Where the example of a world is, in the tree.
    fn example(self, world: World) -> String {
        let (example, _) = world.example();
        match (self, world) {
            (Self::Rust, World::Policy) => "plugins/health-weight/src/lib.rs".to_owned(),
            (Self::Rust, World::Weigher) => "plugins/least-load/src/lib.rs".to_owned(),
            (Self::Rust, World::Checker) => "plugins/ready/src/lib.rs".to_owned(),
            (Self::Rust, World::Controller) => "plugins/discovery/src/lib.rs".to_owned(),
            (Self::Rust, World::Guard) => "plugins/n-plus-one/src/lib.rs".to_owned(),
            (Self::Starlark, _) => format!("sdk/starlark/{example}.star"),
            _ => format!("sdk/{}/examples/{example}.{}", self.name(), self.extension()),
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Starlark => "star",
            Self::Rust => "rs",
            Self::C => "c",
            Self::Zig => "zig",
            Self::Python => "py",
            Self::Javascript => "js",
            Self::Go => "go",
        }
    }

    /// The source of the plugin `name`, from its folder.
    fn source(self, name: &str) -> String {
        match self {
            Self::Rust => "src/lib.rs".to_owned(),
            // Whatever the name is, this is no module that Python's own library has, and no file
            // that Go takes for a test.
            Self::Python | Self::Go => format!("src/plugin.{}", self.extension()),
            _ => format!("src/{}.{}", name.replace('-', "_"), self.extension()),
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
    let Options { lang, world, name } = options;
    ensure!(
        is_name(name),
        "\"{name}\" is no name: a letter, then letters, digits and -, all small"
    );
    ensure!(
        *lang != Lang::Rust || !PACKAGES.contains(&name.as_str()),
        "{name} is a package that plugins in Rust are built of: choose another name"
    );
    let folder = Path::new(name);
    ensure!(!folder.exists(), "{name} is there already: choose another name, or remove it");
    ensure!(
        carried(&lang.example(*world)).is_some(),
        "weir carries no example of a {} in {} yet",
        world.name(),
        lang.name()
    );
    let test = scenario(*lang, *world, name);
    ensure!(
        test.matches(&format!("[plugin.{name}]")).count() == 1,
        "its test has another plugin of the name {name}: choose another name"
    );
    for (path, contents) in project(*lang, *world, name) {
        write(&folder.join(&path), &contents)?;
    }
    writeln!(out, "made {name}: the plugin is {}", folder.join(lang.source(name)).display())?;
    writeln!(out, "  cd {name}")?;
    let config = match world {
        World::Controller => r#" --config '{"url":"http://registry.example/services"}'"#,
        _ => "",
    };
    if *lang == Lang::Starlark {
        writeln!(out, "  weir plugin check {}{config}", lang.source(name))?;
    } else {
        writeln!(out, "  weir plugin build")?;
        writeln!(out, "  weir plugin check {name}.wasm{config}")?;
    }
    writeln!(out, "  weir test")?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a project may be called so.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
}

/// Every file of the folder.
fn project(lang: Lang, world: World, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let example = carried(&lang.example(world)).unwrap_or_default().to_vec();
    let mut files = vec![
        (lang.source(name).into(), example),
        (format!("test/{name}.scenario").into(), scenario(lang, world, name).into_bytes()),
    ];
    for (from, to) in lang.sdk() {
        for (path, contents) in FILES {
            if let Some(rest) = path.strip_prefix(from) {
                files.push((format!("{to}{rest}").into(), contents.to_vec()));
            }
        }
    }
    if lang != Lang::Starlark {
        files.push(("plugin.toml".into(), manifest(lang, world, name).into_bytes()));
        files.push(("settings.json".into(), world.schema(lang).into()));
    }
    if lang == Lang::Rust {
        files.push(("Cargo.toml".into(), cargo_manifest(world, name).into_bytes()));
    }
    files
}

/// The scenario of the example, with this plugin in it.
fn scenario(lang: Lang, world: World, name: &str) -> String {
    let (example, _) = world.example();
    let text = carried(&format!("sdk/starlark/{example}.scenario")).unwrap_or_default();
    let text = String::from_utf8_lossy(text).into_owned();
    let code = match lang {
        Lang::Starlark => {
            format!("component = \"starlark\"\nscript = \"../{}\"\n", lang.source(name))
        }
        _ => format!("source = \"../{name}.wasm\"\n"),
    };
    let script = format!("component = \"starlark\"\nscript = \"{example}.star\"\n");
    // The last of all: it has the name in it, and that may be like the example's.
    const CODE: &str = "\0";
    text.replace(&script, CODE)
        .replace(&format!("[plugin.{example}"), &format!("[plugin.{name}"))
        .replace(&format!("guard {example}:"), &format!("guard {name}:"))
        .replace(&format!("plugin = \"{example}\""), &format!("plugin = \"{name}\""))
        .replace(&format!("{example}.star"), name)
        .replace(CODE, &code)
}

fn manifest(lang: Lang, world: World, name: &str) -> String {
    format!(
        r#"# What this plugin is, and what it asks of whoever runs it. `weir plugin build` puts it
# into the component; `weir plugin grant` makes a grant of it.

[plugin]
name = "{name}"
version = "0.1.0"
world = "{}"
summary = "{}"

[build]
language = "{}"
source = "{}"

# What its settings may be, as JSON Schema: weir refuses others before the plugin runs.
[config]
schema = "settings.json"
{}"#,
        world.name(),
        world.example().1,
        lang.name(),
        lang.source(name),
        world.wants(lang)
    )
}

fn cargo_manifest(world: World, name: &str) -> String {
    // A controller is a policy that calls more.
    let feature = if world == World::Controller { "policy" } else { world.name() };
    format!(
        r#"[package]
name = "{name}"
version.workspace = true
edition.workspace = true

[lib]
crate-type = ["cdylib"]

[dependencies]
serde = {{ version = "1.0.228", features = ["derive"] }}
serde_json = "1.0.145"
weir-sdk = {{ path = "weir/sdk/rust", features = ["{feature}"] }}

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

/// A file of the tree, if the build script embeds it.
fn carried(path: &str) -> Option<&'static [u8]> {
    let found = FILES.binary_search_by_key(&path, |it| it.0);
    found.ok().map(|it| FILES[it].1)
}

fn write(file: &Path, contents: &[u8]) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, contents))
        .with_context(|| format!("failed to write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use toml::{Table, Value};

    use super::{super::manifest::Manifest, *};

    /// What a file of the tree says.
    fn of_tree(path: &str) -> Table {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
        toml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn a_project_is_built_of_the_packages_that_are_named() {
        let lock = of_tree("Cargo.lock");
        let packages = lock["package"].as_array().unwrap();
        let (mut seen, mut names) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting = vec!["weir-sdk", "serde", "serde_json"];
        while let Some(dependency) = waiting.pop() {
            if !seen.insert(dependency) {
                continue;
            }
            // Where there are several of a name, their versions follow.
            let (name, version) = dependency.split_once(' ').unwrap_or((dependency, ""));
            let is_it = |it: &&Value| {
                let is_version = version.is_empty() || it["version"].as_str() == Some(version);
                is_version && it["name"].as_str() == Some(name)
            };
            let package = packages.iter().find(is_it).unwrap();
            let dependencies = package.get("dependencies").and_then(Value::as_array);
            waiting.extend(dependencies.into_iter().flatten().filter_map(Value::as_str));
            names.insert(name);
        }
        let names: Vec<&str> = names.into_iter().filter(|it| is_name(it)).collect();
        assert_eq!(PACKAGES.to_vec(), names);
    }

    #[test]
    fn a_project_asks_for_what_the_tree_uses() {
        let project: Table = toml::from_str(&cargo_manifest(World::Policy, "x")).unwrap();
        let (root, sdk) = (of_tree("Cargo.toml"), of_tree("sdk/rust/Cargo.toml"));
        let (theirs, ours) = (&project["workspace"], &root["workspace"]);
        assert_eq!(theirs["package"], ours["package"]);
        let named = |it: &Value| it.as_table().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(named(&theirs["dependencies"]), named(&sdk["dependencies"]));
        for asked in [&theirs["dependencies"], &project["dependencies"]] {
            let asked = asked.as_table().unwrap();
            for (name, asked) in asked.iter().filter(|it| it.0 != "weir-sdk") {
                assert_eq!(asked, &ours["dependencies"][name.as_str()], "{name}");
            }
        }
    }

    #[test]
    fn every_folder_has_all_that_it_needs() {
        let worlds = World::value_variants();
        for (&lang, &world) in
            Lang::value_variants().iter().flat_map(|lang| worlds.iter().map(move |it| (lang, it)))
        {
            if carried(&lang.example(world)).is_none() {
                assert_ne!(world, World::Policy, "{lang:?}");
                continue;
            }
            let files = project(lang, world, "my-plugin");
            let has = |path: &str| files.iter().any(|it| it.0 == Path::new(path));
            assert!(has(&lang.source("my-plugin")), "{lang:?}");
            let scenario = scenario(lang, world, "my-plugin");
            assert!(has("test/my-plugin.scenario") && scenario.contains("[plugin.my-plugin"));
            assert!(!scenario.contains(&format!("[plugin.{}", world.example().0)), "{scenario}");
            for (_, to) in lang.sdk() {
                assert!(files.iter().any(|it| it.0.starts_with(to)), "{lang:?}: {to}");
            }
        }
    }

    #[test]
    fn its_manifest_can_be_read() {
        let parsed = |text: &str| Manifest::parse("plugin.toml", text).unwrap();
        for &world in World::value_variants() {
            let manifest = parsed(&manifest(Lang::C, world, "x"));
            assert_eq!(manifest.build.unwrap().source, Path::new("src/x.c"));
        }
        let controller = manifest(Lang::Python, World::Controller, "x");
        let controller = parsed(&controller);
        let reason = Some("none: componentize-py imports it unasked");
        assert_eq!(controller.reason("weights"), reason);
        assert_eq!(controller.reason("state"), reason);
        assert_eq!(controller.reason("http"), Some("asks the registry"));
    }
}
