//! Files to write to, which keep what they hold until there is something to write.

use std::fs::{File, OpenOptions};
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

/// Whether two paths name one file, whether it exists or not.
pub(crate) fn is_same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => path::absolute(a).ok() == path::absolute(b).ok(),
    }
}
