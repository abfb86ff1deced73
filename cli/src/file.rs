//! Output files that keep their content until the first write.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Stdout, Write};
use std::path::{self, Path, PathBuf};

/// An output that is opened and not yet changed. A target that is dropped before [`PendingFile::begin`] keeps the file's
/// content, and removes a file that it created.
#[derive(Debug)]
pub(crate) struct PendingFile {
    to: To,
    /// The path of a file that this target created.
    made: Option<PathBuf>,
}

#[derive(Debug)]
enum To {
    Stdout(Stdout),
    File(File),
}

impl PendingFile {
    /// Returns the target standard output.
    pub(crate) fn stdout() -> Self {
        Self { to: To::Stdout(io::stdout()), made: None }
    }

    /// Opens a file for writing, and creates it where there is none; `-` is standard output.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::stdout());
        }
        let is_there = fs::metadata(path).is_ok();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok(Self { to: To::File(file), made: (!is_there).then(|| path.to_owned()) })
    }

    /// Empties the file before the first write. Devices and pipes are left alone.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.made = None;
        let To::File(file) = &self.to else { return Ok(()) };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => file.set_len(0),
            Ok(_) => Ok(()),
            // On Windows a device such as `NUL` refuses to tell what it is.
            Err(_) if cfg!(windows) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Write for PendingFile {
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

impl Drop for PendingFile {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            // A file that cannot be removed stays behind empty.
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether two paths name one file or one pipe, existing or not. Several outputs may share a device such as /dev/null,
/// or a socket.
pub(crate) fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(first), Ok(second)) => {
            let is_one = || match (identity(a), identity(b)) {
                (Some(first), Some(second)) => first == second,
                // Windows may tell nothing of a file whose path is long.
                _ => has_same_name(a, b),
            };
            holds_one_thing(&first) && holds_one_thing(&second) && is_one()
        }
        // Files that do not exist can only be compared by name.
        (Err(_), Err(_)) => has_same_name(a, b),
        _ => false,
    }
}

fn has_same_name(a: &Path, b: &Path) -> bool {
    path::absolute(a).ok() == path::absolute(b).ok()
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

/// Returns device and inode: a file with hard links has several names.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map(|file| (file.dev(), file.ino())).ok()
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}
