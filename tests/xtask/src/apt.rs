//! Debian packages, downloaded and unpacked without installing them.
//!
//! apt runs on lists and sources of its own: the system's configuration of proxies and
//! certificates is read, nothing of the system is written, and no root is needed.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Where to look for packages when the system's own sources do not say.
const ARCHIVE_VARIABLE: &str = "WEIR_DEBIAN_ARCHIVE";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Downloads `packages` of one `suite`, unpacks them into the tree `root`, and returns
/// the names of the files that were got, which tell their versions.
pub(crate) fn unpack(suite: &str, packages: &[&str], root: &Path) -> Result<Vec<String>> {
    let scratch = tempfile::tempdir().context("cannot create a directory for packages")?;
    let debs = download(suite, packages, scratch.path()).with_context(|| {
        format!("cannot get the Debian package(s) {} of {suite}", packages.join(", "))
    })?;
    lay_out(root)?;
    for deb in &debs {
        extract(deb, root).with_context(|| format!("cannot unpack {}", deb.display()))?;
    }
    Ok(debs.iter().filter_map(|it| Some(it.file_name()?.to_string_lossy().into_owned())).collect())
}

fn download(suite: &str, packages: &[&str], scratch: &Path) -> Result<Vec<PathBuf>> {
    let archive = archive()?;
    let debs = scratch.join("debs");
    for directory in ["lists/partial", "cache/archives/partial", "debs"] {
        fs::create_dir_all(scratch.join(directory))?;
    }
    let signed =
        if Path::new(KEYRING).exists() { format!("[signed-by={KEYRING}] ") } else { String::new() };
    fs::write(scratch.join("sources.list"), format!("deb {signed}{archive} {suite} main\n"))?;
    fs::write(scratch.join("apt.conf"), configuration(scratch))?;

    apt(scratch, &debs, &["update"]).with_context(|| {
        format!("cannot read the package lists of {suite} from {archive}; is it reachable?")
    })?;
    let named: Vec<String> = packages.iter().map(|it| format!("{it}/{suite}")).collect();
    let mut args = vec!["download"];
    args.extend(named.iter().map(String::as_str));
    apt(scratch, &debs, &args)?;

    let mut files =
        fs::read_dir(&debs)?.map(|it| Ok(it?.path())).collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    if files.len() != packages.len() {
        bail!("{} packages were asked for, and {} came", packages.len(), files.len());
    }
    Ok(files)
}

/// Hooks are cleared, because those of some images write to the system's own caches.
fn configuration(scratch: &Path) -> String {
    let at = scratch.display();
    format!(
        r#"#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
Dir::Etc::SourceList "{at}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "{at}/lists";
Dir::Cache "{at}/cache";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
"#
    )
}

fn apt(scratch: &Path, cwd: &Path, args: &[&str]) -> Result<()> {
    let configuration = scratch.join("apt.conf");
    let output = Command::new("apt-get")
        .arg("-qq")
        .arg("-c")
        .arg(configuration)
        // apt-get update calls a failed download a warning unless it is told not to.
        .args(["-o", "APT::Update::Error-Mode=any"])
        .args(args)
        .current_dir(cwd)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(it) if it.status.success() => Ok(()),
        Ok(it) => bail!("apt-get {}: {}", args[0], String::from_utf8_lossy(&it.stderr).trim()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("apt-get is missing: this needs Debian or one of its descendants")
        }
        Err(error) => Err(error).context("cannot run apt-get"),
    }
}

/// Returns the archive that this system already uses.
fn archive() -> Result<String> {
    if let Ok(archive) = env::var(ARCHIVE_VARIABLE)
        && !archive.is_empty()
    {
        return Ok(archive);
    }
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(directory) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(directory.flatten().map(|it| it.path()));
    }
    files.sort();
    files
        .iter()
        .filter_map(|it| fs::read_to_string(it).ok())
        .find_map(|it| archive_in(&it))
        .with_context(|| {
            format!(
                "no Debian archive is named in /etc/apt; set {ARCHIVE_VARIABLE} to the URL of one"
            )
        })
}

/// Finds a Debian archive in an apt sources file of either form.
fn archive_in(sources: &str) -> Option<String> {
    sources
        .lines()
        .map(str::trim)
        .filter(|it| it.starts_with("deb ") || it.starts_with("URIs:"))
        .flat_map(str::split_whitespace)
        .map(|it| it.trim_end_matches('/'))
        // The archive of security fixes has another last part, and lacks most packages.
        .find(|it| it.contains("://") && it.ends_with("/debian"))
        .map(str::to_owned)
}

/// Makes the links of a merged `/usr`, so that old and new packages land in one place.
fn lay_out(root: &Path) -> Result<()> {
    for directory in ["bin", "sbin", "lib", "lib64"] {
        let link = root.join(directory);
        fs::create_dir_all(root.join("usr").join(directory))?;
        if !link.is_symlink() {
            std::os::unix::fs::symlink(format!("usr/{directory}"), link)?;
        }
    }
    Ok(())
}

/// Unlike `dpkg-deb -x`, follows the links that [`lay_out`] made instead of replacing them.
fn extract(deb: &Path, root: &Path) -> Result<()> {
    let mut dpkg = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(deb)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run dpkg-deb")?;
    let tar = dpkg.stdout.take().context("dpkg-deb has no output")?;
    let status = Command::new("tar")
        .args(["-x", "--keep-directory-symlink", "--no-same-owner", "--exclude=./usr/share", "-C"])
        .arg(root)
        .stdin(tar)
        .status()
        .context("cannot run tar")?;
    if !dpkg.wait()?.success() || !status.success() {
        bail!("dpkg-deb or tar failed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sources: &str, expected: Option<&str>) {
        assert_eq!(archive_in(sources).as_deref(), expected);
    }

    #[test]
    fn the_archive_is_found_in_both_forms() {
        check("deb http://mirror.test/debian/ bookworm main\n", Some("http://mirror.test/debian"));
        check(
            "deb [signed-by=/k.gpg] http://mirror.test/debian bookworm main\n",
            Some("http://mirror.test/debian"),
        );
        check(
            "Types: deb\nURIs: http://mirror.test/debian\nSuites: bookworm\n",
            Some("http://mirror.test/debian"),
        );
    }

    #[test]
    fn other_archives_are_passed_over() {
        check("URIs: http://mirror.test/debian-security\n", None);
        check("# deb http://mirror.test/debian bookworm main\n", None);
        check("deb http://other.test/node nodistro main\n", None);
    }
}
