//! Files to write to, which keep what they hold until there is something to write.

use std::fs::{self, File, OpenOptions};
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

    /// Opens a file to write to, and makes it where there is none.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
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

/// Whether two paths name one regular file, or one that is not there yet. A device such as /dev/null may well be several
/// things at once.
pub(crate) fn is_same(a: &Path, b: &Path) -> bool {
    // Before they exist only their names can tell.
    if path::absolute(a).ok() == path::absolute(b).ok() {
        return fs::metadata(a).map_or(true, |metadata| metadata.is_file());
    }
    let is_file = |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file(a) && is_file(b) && identity(a) == identity(b)
}

/// Hard links have two names for one file, so the names are not asked.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map(|file| (file.dev(), file.ino())).ok()
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<path::PathBuf> {
    fs::canonicalize(path).ok()
}
