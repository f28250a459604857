//! What is known of a file without reading it.
//!
//! To digest a component of megabytes, and its code, takes longer than all else that loading
//! does. So once both were digested, a note says which code is that component's. It is good for
//! these two files, and as long as neither changed: by device, inode, size and both times, of
//! which a change of what is in a file sets the second (`ctime`), and nobody can set it back.
//!
//! Times have grains, and what changes twice within one looks the same after both. So a file
//! that was changed only just before is not noted, but digested the next time, too. A file
//! server that has a clock of its own must have fine grains if that clock is slow.

use std::{
    fs::File,
    hash::Hash,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{self, Path},
    time::Duration,
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use super::{DIGEST_BYTES, DigestHasher, Key, code_name, directory::Directory, run};

/// How long before it is digested a file must have been changed last: longer than the grains of
/// times, which are 2 s at the most, on FAT.
const SETTLING: Duration = Duration::from_secs(2);

/// The note on the component in one file.
pub(crate) struct Note<'a> {
    directory: &'a Directory,
    name: String,
    component: Identity,
    now: Duration,
}

impl<'a> Note<'a> {
    /// None of a file that is not noted.
    ///
    /// `now`, time since the Unix epoch, is from before the first byte of either file is read.
    pub(super) fn of(
        directory: &'a Directory,
        engine: &Engine,
        path: &Path,
        file: &File,
        now: Duration,
    ) -> Option<Self> {
        let component = Identity::of(file, now)?;
        let mut hasher = DigestHasher(Sha256::new());
        hasher.0.update(path::absolute(path).ok()?.as_os_str().as_bytes());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        // One for each path, so that there are no more of them with each change of a file.
        let name = format!("{:x}.note", hasher.0.finalize());
        Some(Self { directory, name, component, now })
    }

    /// The component, if the note is good.
    pub(crate) fn recall(&self, engine: &Engine) -> Option<Component> {
        let mut noted = [0; 2 * DIGEST_BYTES];
        self.directory.file(&self.name)?.read_exact(&mut noted).ok()?;
        let (key, seal) = noted.split_at(DIGEST_BYTES);
        let key = Key::clone_from_slice(key);
        let code = self.directory.file(&code_name(&key))?;
        let is_good = seal == self.seal(&key, &code)?.as_slice();
        is_good.then(|| run(engine, &code)).flatten()
    }

    /// Notes that the code is that in the file `code`, named by `key`; both were digested.
    pub(super) fn keep(&self, key: &Key, code: &File) {
        if let Some(seal) = self.seal(key, code) {
            // Without a note all is as it is, only slower.
            let _ = self.directory.replace(&self.name, &[key, &seal]);
        }
    }

    /// What only a note on these two files, as they are, has in it.
    fn seal(&self, key: &Key, code: &File) -> Option<Key> {
        let code = Identity::of(code, self.now)?;
        let mut hasher = DigestHasher(Sha256::new());
        (&self.name, &self.component, key.as_slice(), code).hash(&mut hasher);
        Some(hasher.0.finalize())
    }
}

/// Tells a file as it is from all others, and from itself as it was, and will be.
#[derive(Hash)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// None if a change of the file since `now` might not show.
    fn of(file: &File, now: Duration) -> Option<Self> {
        let found = file.metadata().ok()?;
        let settled = i64::try_from(now.checked_sub(SETTLING)?.as_secs()).ok()?;
        // A file that says that it is from the future never is.
        let is_settled = found.mtime().max(found.ctime()) < settled;
        (found.is_file() && is_settled).then(|| Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}
