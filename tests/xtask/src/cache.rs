//! The directory that outlives a clone: kernels, tools and packages.
//!
//! Whatever is in it can be made again. Each entry appears whole or not at all, is
//! made by one process at a time, and is made anew when its recipe changes.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// In each entry: what it was made from.
const RECIPE: &str = ".recipe";

pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens `$XDG_CACHE_HOME/weir`, or `~/.cache/weir`, and creates it where missing.
    pub(crate) fn open() -> Result<Self> {
        let root = root()?;
        fs::create_dir_all(&root)
            .with_context(|| format!("cannot create the cache directory {}", root.display()))?;
        Ok(Self { root })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Returns the directory `name`, made by `make` unless it is there from this `recipe`.
    ///
    /// `make` fills the first path it is given, an empty directory, which then takes its
    /// name, the second path, in one step.
    pub(crate) fn entry(
        &self,
        name: &str,
        recipe: &str,
        make: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(name);
        if is_made(&path, recipe) {
            return Ok(path);
        }
        let lock = File::create(self.path(&format!(".{name}.lock")))?;
        lock.lock().context("cannot lock the cache directory")?;
        if is_made(&path, recipe) {
            return Ok(path);
        }
        let fresh = tempfile::Builder::new().prefix(&format!(".{name}.")).tempdir_in(&self.root)?;
        let filled = fresh.path().join("entry");
        fs::create_dir(&filled)?;
        make(&filled, &path)?;
        fs::write(filled.join(RECIPE), recipe)?;
        if path.exists() {
            fs::rename(&path, fresh.path().join("old"))?;
        }
        fs::rename(&filled, &path)?;
        Ok(path)
    }
}

fn is_made(path: &Path, recipe: &str) -> bool {
    fs::read_to_string(path.join(RECIPE)).is_ok_and(|it| it == recipe)
}

fn root() -> Result<PathBuf> {
    let base = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(cache), _) if Path::new(&cache).is_absolute() => PathBuf::from(cache),
        (_, Some(home)) if !home.is_empty() => Path::new(&home).join(".cache"),
        _ => bail!("neither HOME nor XDG_CACHE_HOME is set: no place to keep kernels and tools"),
    };
    let root = base.join("weir");
    // A guest kernel gets these paths on its command line, where a space ends an argument.
    if root.as_os_str().to_string_lossy().contains(char::is_whitespace) {
        bail!("the cache directory {} has a space in its name; set XDG_CACHE_HOME", root.display());
    }
    Ok(root)
}
