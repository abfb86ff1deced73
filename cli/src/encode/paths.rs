//! The paths of input, output and statistics, and the check that no two are one file.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::options::EncodeArgs;
use crate::failure::Failure;
use crate::file;

/// A file, or a standard stream for `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileOrStdio {
    /// Stdin or stdout.
    Standard(&'static str),
    /// The path of a file.
    File(PathBuf),
}

impl FileOrStdio {
    fn of(path: &Path, standard: &'static str) -> Self {
        if path.as_os_str() == "-" { Self::Standard(standard) } else { Self::File(path.to_owned()) }
    }

    /// Returns a path of the place, where the system has one.
    fn path(&self) -> &Path {
        match self {
            Self::Standard("stdin") => Path::new("/dev/stdin"),
            Self::Standard(_) => Path::new("/dev/stdout"),
            Self::File(path) => path,
        }
    }
}

impl fmt::Display for FileOrStdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The places of input, output and statistics.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) input: FileOrStdio,
    pub(super) output: FileOrStdio,
    /// The output of `--stats`, if asked for.
    pub(super) stats: Option<PathBuf>,
}

impl Places {
    /// Returns the places that the options name.
    ///
    /// # Errors
    /// When two places are one file, or the H.264 stream would go to a terminal.
    pub(super) fn of(args: &EncodeArgs) -> Result<Self, Failure> {
        let input = FileOrStdio::of(&args.input, "stdin");
        let output = match (&args.output, &input) {
            (Some(path), _) => FileOrStdio::of(path, "stdout"),
            (None, FileOrStdio::Standard(_)) => FileOrStdio::Standard("stdout"),
            (None, FileOrStdio::File(path)) => FileOrStdio::File(path.with_extension("h264")),
        };
        if output == FileOrStdio::Standard("stdout") && io::stdout().is_terminal() {
            return Err(Failure::before(
                "stdout is a terminal, which H.264 is not for: give -o FILE, or pipe it",
            ));
        }
        let places = Self { input, output, stats: args.stats.clone() };
        places.check_apart(args)?;
        Ok(places)
    }

    fn check_apart(&self, args: &EncodeArgs) -> Result<(), Failure> {
        let Self { input, output, stats } = self;
        let same = |a: &FileOrStdio, b: &FileOrStdio| file::is_same(a.path(), b.path());
        if same(input, output) {
            let hint = if args.output.is_none() { ": give -o OUT" } else { "" };
            return Err(Failure::before(format!("INPUT and OUT are the same file, {output}{hint}")));
        }
        let Some(stats) = stats.as_deref().map(|path| FileOrStdio::of(path, "stdout")) else { return Ok(()) };
        if stats == FileOrStdio::Standard("stdout") && *output == stats {
            return Err(Failure::before("OUT and --stats are both stdout: give one of them a file"));
        }
        for (name, other) in [("INPUT", input), ("OUT", output)] {
            if same(other, &stats) {
                return Err(Failure::before(format!("{name} and --stats are the same file, {stats}")));
            }
        }
        Ok(())
    }
}
