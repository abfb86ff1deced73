//! The encoders of one entrant: opened as more are asked for, and kept, so that what memory grows by is theirs.

use std::fs;
use std::time::{Duration, Instant};

use direct264::{
    Encoder, EncoderConfig, Error, FailoverEncoder, Frame, Order, Picture, PixelFormat, Timestamp,
    Unavailable, open,
};

use crate::bench::clip::Clip;
use crate::bench::entrant::Entrant;
use crate::bench::measure::WARM_UP_FRAMES;
use crate::failure::{Failure, chain};

/// Frames between the pictures at which one stream and the next begin: they are not to reach the cut together.
const APART: usize = 37;

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    name: String,
    encoder: FailoverEncoder,
    /// Of the clip.
    next: usize,
}

impl Stream {
    /// Encodes the next frame and tells how long that took.
    ///
    /// # Errors
    /// The encoder's.
    pub(super) fn encode(&mut self, clip: &Clip) -> Result<Duration, Failure> {
        let failed =
            |error: &dyn std::error::Error, name: &str| Failure::after(format!("{name}: {}", chain(error)));
        let picture = clip.picture(self.next);
        let frame = Frame::contiguous(clip.size, PixelFormat::I420, picture, Timestamp(0))
            .map_err(|error| failed(&error, &self.name))?;
        let start = Instant::now();
        self.encoder.encode(&frame, Picture::Auto).map_err(|error| failed(&error, &self.name))?;
        let took = start.elapsed();
        self.next += 1;
        self.encoder.take_events();
        Ok(took)
    }
}

/// The encoders of one entrant.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) entrant: Entrant,
    config: EncoderConfig,
    pub(super) streams: Vec<Stream>,
    /// What the process grew by while they were opened and warmed up.
    grown_bytes: Option<u64>,
    /// No more were to be had.
    is_full: bool,
}

impl Pool {
    pub(super) fn new(entrant: &Entrant, config: &EncoderConfig) -> Self {
        Self {
            entrant: entrant.clone(),
            config: entrant.config(config.clone()),
            streams: Vec::new(),
            grown_bytes: Some(0),
            is_full: false,
        }
    }

    /// Opens and warms up encoders until there are `count`; why there are not, once, where that cannot be.
    ///
    /// # Errors
    /// An encoder's; settings that cannot work.
    pub(super) fn grow(&mut self, count: usize, clip: &Clip) -> Result<Option<Unavailable>, Failure> {
        if self.is_full || self.streams.len() >= count {
            return Ok(None);
        }
        let before = resident_bytes();
        let mut refused = None;
        while self.streams.len() < count && refused.is_none() {
            match open(&self.config, &Order::only(self.entrant.backend)) {
                Ok(opened) => {
                    let name = format!("{}, stream {}", self.entrant.name, self.streams.len());
                    let next = APART * self.streams.len();
                    let mut stream = Stream { name, encoder: opened.encoder, next };
                    for _ in 0..WARM_UP_FRAMES {
                        stream.encode(clip)?;
                    }
                    self.streams.push(stream);
                }
                Err(Error::Unavailable(why)) => refused = Some(why),
                Err(error) => {
                    return Err(Failure::before(format!("{}: {}", self.entrant.name, chain(&error))));
                }
            }
        }
        self.is_full = refused.is_some();
        let grown = resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
        self.grown_bytes = self.grown_bytes.zip(grown).map(|(so_far, grown)| so_far + grown);
        Ok(refused)
    }

    /// Host memory for each encoder.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let count = u64::try_from(self.streams.len()).ok()?;
        self.grown_bytes?.checked_div(count)
    }
}

/// Memory of this process that is there and not only promised.
fn resident_bytes() -> Option<u64> {
    // Exact, where /proc/self/status lags behind by what each thread has not told yet.
    let text = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(1024 * kilobytes)
}
