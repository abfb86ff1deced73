//! Files to write to, which keep what they hold until there is something to write.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Stdout, Write};
use std::path::{self, Path, PathBuf};

/// Something to write to that has not been touched yet. A file that is dropped before [`Target::begin`] leaves nothing
/// behind: what was there still is, and what was not is not.
#[derive(Debug)]
pub(crate) struct Target {
    to: To,
    /// Where a file was made that was not there before.
    made: Option<PathBuf>,
}

#[derive(Debug)]
enum To {
    Stdout(Stdout),
    File(File),
}

impl Target {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        Self { to: To::Stdout(io::stdout()), made: None }
    }

    /// Opens a file to write to, and makes it where there is none; `-` is standard output.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::stdout());
        }
        let is_there = fs::metadata(path).is_ok();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok(Self { to: To::File(file), made: (!is_there).then(|| path.to_owned()) })
    }

    /// Throws away what the file holds: from here on it is written. A device or a pipe holds nothing.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.made = None;
        match &self.to {
            To::File(file) if file.metadata()?.is_file() => file.set_len(0),
            _ => Ok(()),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Stdout(stdout) => stdout.write(bytes),
            To::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Stdout(stdout) => stdout.flush(),
            To::File(file) => file.flush(),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            // What cannot be removed is empty, and in nobody's way.
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether two paths name one file or one pipe, or one that is not there yet. A device such as /dev/null may well be
/// several things at once, and so may a socket.
pub(crate) fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(first), Ok(second)) => {
            holds_one_thing(&first) && holds_one_thing(&second) && identity(a) == identity(b)
        }
        // Before they exist only their names can tell.
        (Err(_), Err(_)) => path::absolute(a).ok() == path::absolute(b).ok(),
        _ => false,
    }
}

#[cfg(unix)]
fn holds_one_thing(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.is_file() || metadata.file_type().is_fifo()
}

#[cfg(not(unix))]
fn holds_one_thing(metadata: &Metadata) -> bool {
    metadata.is_file()
}

/// Hard links have two names for one file, so the names are not asked.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map(|file| (file.dev(), file.ino())).ok()
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}
