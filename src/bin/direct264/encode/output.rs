//! Where the stream goes: each access unit is written when it is there, and nothing else ever is.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};

use super::paths::Place;
use crate::failure::Failure;

/// The output, open.
pub(super) struct Output {
    name: String,
    stream: Box<dyn Write>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Output {
    /// Opens `place` and empties it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn create(place: &Place) -> Result<Self, Failure> {
        let name = place.to_string();
        let stream: Box<dyn Write> = match place {
            Place::Standard(_) => Box::new(io::stdout()),
            Place::File(path) => Box::new(
                File::create(path)
                    .map_err(|error| Failure::before(format!("{name} cannot be written: {error}")))?,
            ),
        };
        Ok(Self { name, stream })
    }

    /// Writes the access unit of frame `number`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self, number: u64, unit: &[u8]) -> Result<(), Failure> {
        // A file is not buffered here; stdout is, and its reader wants the frame now.
        let written = self.stream.write_all(unit).and_then(|()| self.stream.flush());
        written.map_err(|error| Failure::writing(format!("frame {number} to {}", self.name), &error))
    }
}
