//! Writes the H.264 stream: each access unit at once, and nothing else.

use std::io::{self, Write};

use super::paths::Place;
use crate::failure::Failure;
use crate::file::Target;

/// The open output.
#[derive(Debug)]
pub(super) struct Output {
    name: String,
    target: Target,
}

impl Output {
    /// Opens `place` and keeps its content.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let name = place.to_string();
        let target = match place {
            Place::Standard(_) => Target::stdout(),
            Place::File(path) => Target::open(path).map_err(|error| unwritable(&name, &error))?,
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
