//! The examples, and what is built as they are, from sources in the tree.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use weir_build::{Language, Source};

/// The file of the example `name` of the SDK for `language`.
pub fn example(language: Language, name: &str) -> PathBuf {
    let source = Path::new("examples").join(name).with_extension(language.extension());
    sdk(language).join(source)
}

/// Builds the component of `file` as the SDK's page says; `scratch` is made, for this one alone.
pub fn component(language: Language, world: &str, file: &Path, scratch: &Path) -> Result<Vec<u8>> {
    let sdk = laid_out(language, scratch)?;
    // JavaScript imports from beside the SDK alone, and Python leaves what it compiled beside the
    // source, which would have cargo build anew what carries the SDK.
    let beside = scratch.join("src").join(file.file_name().context("the source has no name")?);
    let is_beside = matches!(language, Language::JavaScript | Language::Python);
    if is_beside {
        fs::create_dir_all(scratch.join("src"))?;
        fs::copy(file, &beside)?;
    }
    let source = Source {
        language,
        world,
        file: if is_beside { &beside } else { file },
        sdk: &sdk,
        wit: &root().join("wit"),
        scratch,
    };
    source.component()
}

/// The folder with the whole SDK of a language: Zig's stands on that of C.
fn laid_out(language: Language, scratch: &Path) -> Result<PathBuf> {
    let parts = match language {
        Language::Zig => ["c/weir", "c/weir/bindings", "zig/weir"].as_slice(),
        Language::JavaScript => &["javascript/weir"],
        Language::Python => &["python/weir"],
        _ => return Ok(sdk(language)),
    };
    lay_out(parts, scratch)?;
    Ok(scratch.to_owned())
}

/// Copies these parts of `sdk/` into the folder `weir` in `scratch`.
pub fn lay_out(parts: &[&str], scratch: &Path) -> Result<()> {
    let weir = scratch.join("weir");
    fs::create_dir_all(weir.join("bindings"))?;
    for part in parts {
        let to = if part.ends_with("bindings") { weir.join("bindings") } else { weir.clone() };
        for entry in fs::read_dir(root().join("sdk").join(part))? {
            let entry = entry?;
            if entry.path().is_file() {
                fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
    }
    Ok(())
}

fn sdk(language: Language) -> PathBuf {
    root().join("sdk").join(language.name())
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
