//! Files that end: a pipe or a device may not, or keeps whoever opens it waiting.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt as _, path::Path};

/// Opens a regular file for reading; what is none is refused at once.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [pipe.as_path(), directory.path(), Path::new("/dev/zero")] {
            assert_eq!(open_regular(path).unwrap_err().to_string(), "it is no regular file");
        }
        let file = directory.path().join("file");
        std::fs::write(&file, "x").unwrap();
        open_regular(&file).unwrap();
    }
}
