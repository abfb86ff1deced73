//! Writes the H.264 stream: each access unit at once, and nothing else.

use std::io::{self, Write};

use super::paths::FileOrStdio;
use crate::failure::Failure;
use crate::file::PendingFile;

/// The open output.
#[derive(Debug)]
pub(super) struct StreamOutput {
    name: String,
    target: PendingFile,
}

impl StreamOutput {
    /// Opens `place` and keeps its content.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn open(place: &FileOrStdio) -> Result<Self, Failure> {
        let name = place.to_string();
        let target = match place {
            FileOrStdio::Standard(_) => PendingFile::stdout(),
            FileOrStdio::File(path) => PendingFile::open(path).map_err(|error| unwritable(&name, &error))?,
        };
        Ok(Self { name, target })
    }

    /// Empties the output.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.target.begin().map_err(|error| unwritable(&self.name, &error))
    }

    /// Writes the access unit of frame `number`.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn write(&mut self, number: u64, unit: &[u8]) -> Result<(), Failure> {
        // Stdout is buffered and its reader waits for the frame; the file is not buffered.
        let written = self.target.write_all(unit).and_then(|()| self.target.flush());
        written.map_err(|error| Failure::writing(format!("frame {number} to {}", self.name), &error))
    }
}

fn unwritable(name: &str, error: &io::Error) -> Failure {
    Failure::before(format!("{name} cannot be written: {error}"))
}
