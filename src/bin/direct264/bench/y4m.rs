//! A y4m file as a source of pictures to measure.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use direct264::{FrameRate, FrameSize};

use super::clip::FrameSource;
use crate::failure::Failure;
use crate::y4m::Reader;

/// A y4m file, read picture by picture.
pub(crate) struct Y4mSource {
    path: PathBuf,
    reader: Reader<BufReader<File>>,
}

impl Y4mSource {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// Code 2, naming the file, for what cannot be read or is no y4m that can be measured.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let file =
            File::open(path).map_err(|error| Failure::before(format!("{name} cannot be read: {error}")))?;
        let reader = Reader::new(BufReader::with_capacity(1 << 20, file))
            .map_err(|error| Failure::before(format!("{name} {error}")))?;
        Ok(Self { path: path.to_owned(), reader })
    }
}

impl FrameSource for Y4mSource {
    fn size(&self) -> FrameSize {
        self.reader.header().size
    }

    fn frame_rate(&self) -> Option<FrameRate> {
        let (numerator, denominator) = self.reader.header().frame_rate?;
        FrameRate::new(numerator, denominator).ok()
    }

    fn next_picture(&mut self) -> Option<Result<Vec<u8>, Failure>> {
        let mut pixels = Vec::new();
        match self.reader.read(&mut pixels) {
            Ok(true) => Some(Ok(pixels)),
            Ok(false) => None,
            Err(error) => Some(Err(Failure::before(format!("{}: {error}", self.path.display())))),
        }
    }
}
