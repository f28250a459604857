//! `weir plugin build`: a component from the source of this folder.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use weir_build::{Artifact, Language, Source, Target};

use super::{Component, manifest::Manifest, size};
use crate::schema::Schema;

/// What `weir plugin build` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder, with plugin.toml in it.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// The language that is cargo's.
const RUST: &str = "rust";

pub(super) fn run(options: &Options, out: &mut dyn Write) -> Result<ExitCode> {
    let folder = &options.folder;
    let file = folder.join("plugin.toml");
    let text = fs::read_to_string(&file).with_context(|| {
        format!("failed to read {}: `weir plugin new` makes one", file.display())
    })?;
    let manifest = Manifest::parse(&file.to_string_lossy(), &text)?;
    let schema = manifest.config.as_ref().map(|it| schema(&folder.join(&it.schema))).transpose()?;
    let mut component = weir_build::with_manifest(&built(folder, &manifest)?, &text);
    if let Some(schema) = schema {
        component = weir_build::with_schema(&component, &schema);
    }
    let made = folder.join(format!("{}.wasm", manifest.plugin.name));
    let component = Component::of(component)?;
    ensure!(
        component.worlds().contains(&&*manifest.plugin.world),
        "what was built is no {}: it exports {}",
        manifest.plugin.world,
        component.surface.exports.join(", ")
    );
    write(&made, &component.bytes)
        .with_context(|| format!("failed to write {}", made.display()))?;
    writeln!(out, "made     {}", made.display())?;
    writeln!(out, "size     {}", size(component.bytes.len()))?;
    writeln!(out, "world    {}", component.worlds().join(", "))?;
    writeln!(out, "imports  {}", component.surface.imports.join(", "))?;
    Ok(ExitCode::SUCCESS)
}

/// Puts it in the place of what was there, whole: a running weir may look at any time.
fn write(made: &Path, component: &[u8]) -> io::Result<()> {
    let unfinished = made.with_extension("wasm.new");
    fs::write(&unfinished, component)?;
    fs::rename(&unfinished, made)
}

/// The text of the schema in `file`, if it is one.
fn schema(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| {
        format!("failed to read {}, which plugin.toml names as [config] schema", file.display())
    })?;
    Schema::parse(&text).with_context(|| format!("{} cannot be used", file.display()))?;
    Ok(text)
}

fn built(folder: &Path, manifest: &Manifest) -> Result<Vec<u8>> {
    let build = manifest.build.as_ref().context(
        "plugin.toml has no [build]: a script of Starlark needs none, others want language and source",
    )?;
    let scratch = folder.join("build");
    if build.language == RUST {
        return weir_build::Plugin {
            package: &manifest.plugin.name,
            artifact: Artifact::Library,
            target: Target::Bare,
            directory: folder,
            target_directory: &scratch,
        }
        .component();
    }
    let known = Language::ALL.into_iter().find(|it| it.name() == build.language);
    let language = known.with_context(|| {
        let names: Vec<_> = Language::ALL.iter().map(|it| it.name()).collect();
        format!("language = \"{}\" is not known: rust, {}", build.language, names.join(", "))
    })?;
    Source {
        language,
        world: &manifest.plugin.world,
        file: &folder.join(&build.source),
        sdk: folder,
        wit: &folder.join("weir/wit"),
        scratch: &scratch,
    }
    .component()
}
