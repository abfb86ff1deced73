//! Takes the pictures to measure from a y4m file.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use direct264::{FrameRate, FrameSize};

use super::clip::FrameSource;
use crate::failure::Failure;
use crate::y4m::Y4mReader;

/// A source that reads pictures from a y4m file or stdin.
pub(crate) struct Y4mSource {
    name: String,
    reader: Y4mReader<BufReader<Box<dyn Read + Send>>>,
}

impl Y4mSource {
    /// Opens a file, or stdin for `-`, and reads its header.
    ///
    /// # Errors
    /// Code 2, naming the file, when the file cannot be read or is not the y4m that `bench` accepts.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
        let input: Box<dyn Read + Send> = if is_stdin {
            Box::new(io::stdin())
        } else {
            let opened = File::open(path);
            Box::new(opened.map_err(|error| Failure::before(format!("{name} cannot be read: {error}")))?)
        };
        let reader = Y4mReader::new(BufReader::with_capacity(1 << 20, input))
            .map_err(|error| Failure::before(format!("{name} {error}")))?;
        Ok(Self { name, reader })
    }

    /// Returns the frame rate in the header, where there is one.
    ///
    /// # Errors
    /// Code 2 for a rate that no encoder accepts.
    pub(crate) fn frame_rate(&self) -> Result<Option<FrameRate>, Failure> {
        let Some((numerator, denominator)) = self.reader.header().frame_rate else { return Ok(None) };
        FrameRate::new(numerator, denominator).map(Some).map_err(|error| {
            Failure::before(format!("{} says in its y4m header: {error}; give --fps", self.name))
        })
    }
}

impl FrameSource for Y4mSource {
    fn size(&self) -> FrameSize {
        self.reader.header().size
    }

    fn next_picture(&mut self) -> Option<Result<Vec<u8>, Failure>> {
        let mut pixels = Vec::new();
        match self.reader.read(&mut pixels) {
            Ok(true) => Some(Ok(pixels)),
            Ok(false) => None,
            Err(error) => Some(Err(Failure::before(format!("{}: {error}", self.name)))),
        }
    }
}
