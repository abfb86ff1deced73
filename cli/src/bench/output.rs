//! Writes the results to files and to standard output. A file keeps its content until the results are there.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::file::{self, PendingFile};

/// A result file of `--json` or `--report`.
#[derive(Debug)]
pub(crate) struct ResultFile {
    path: PathBuf,
    target: PendingFile,
}

impl ResultFile {
    /// Opens the file before the run, so that a wrong path is reported first.
    ///
    /// # Errors
    /// Code 2, naming the path.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let target = PendingFile::open(path)
            .map_err(|e| Failure::before(format!("{} cannot be written: {e}", path.display())))?;
        Ok(Self { path: path.to_owned(), target })
    }

    /// Writes the whole result.
    ///
    /// # Errors
    /// The system's error, naming the path.
    pub(crate) fn save(&mut self, text: &str) -> Result<(), Failure> {
        let target = &mut self.target;
        let written =
            target.begin().and_then(|()| target.write_all(text.as_bytes())).and_then(|()| target.flush());
        written.map_err(|e| Failure::writing(self.path.display(), &e))
    }
}

/// Checks that no result would overwrite the input or another result.
///
/// # Errors
/// Code 2, naming both options.
pub(crate) fn check_apart(named: &[(&str, Option<&Path>)]) -> Result<(), Failure> {
    let named: Vec<_> = named.iter().filter_map(|&(name, path)| Some((name, path?))).collect();
    for (at, (name, path)) in named.iter().enumerate() {
        for (other, other_path) in &named[at + 1..] {
            if file::is_same(path, other_path) {
                let path = path.display();
                return Err(Failure::before(format!("{name} and {other} are the same file, {path}")));
            }
        }
    }
    Ok(())
}

/// Whether a result goes to standard output.
pub(crate) fn is_stdout(path: Option<&Path>) -> bool {
    path.is_some_and(|path| path.as_os_str() == "-")
}

/// Prints the table to stdout, or to stderr if `is_taken`.
///
/// # Errors
/// The system's error.
pub(crate) fn print(text: &str, is_taken: bool) -> Result<(), Failure> {
    if is_taken {
        return io::stderr().write_all(text.as_bytes()).map_err(|error| Failure::writing("stderr", &error));
    }
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::writing("stdout", &error))
}
