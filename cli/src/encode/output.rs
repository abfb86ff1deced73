//! Where the stream goes: each access unit is written when it is there, and nothing else ever is.

use std::io::{self, Write};

use super::paths::Place;
use crate::failure::Failure;
use crate::file::Target;

/// The output, open.
#[derive(Debug)]
pub(super) struct Output {
    name: String,
    target: Target,
}

impl Output {
    /// Opens `place`, and leaves it as it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let name = place.to_string();
        let target = match place {
            Place::Standard(_) => Target::stdout(),
            Place::File(path) => Target::open(path).map_err(|error| unwritable(&name, &error))?,
        };
        Ok(Self { name, target })
    }

    /// Empties it.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.target.begin().map_err(|error| unwritable(&self.name, &error))
    }

    /// Writes the access unit of frame `number`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self, number: u64, unit: &[u8]) -> Result<(), Failure> {
        // A file is not buffered here; stdout is, and its reader wants the frame now.
        let written = self.target.write_all(unit).and_then(|()| self.target.flush());
        written.map_err(|error| Failure::writing(format!("frame {number} to {}", self.name), &error))
    }
}

fn unwritable(name: &str, error: &io::Error) -> Failure {
    Failure::before(format!("{name} cannot be written: {error}"))
}
