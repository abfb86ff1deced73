//! Files to write to, which keep what they hold until there is something to write.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{self, Path};

/// Opens a file to write to, and makes it where there is none. What it holds stays: see [`empty`].
///
/// # Errors
/// The system's.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// Throws away what the file holds. A device or a pipe holds nothing.
///
/// # Errors
/// The system's.
pub(crate) fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
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
