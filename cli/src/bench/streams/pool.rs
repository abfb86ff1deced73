//! Opens and keeps the encoders of one entrant, so that growth of memory is theirs.

use std::fs;
use std::time::{Duration, Instant};

use direct264::error::Unavailable;
use direct264::{
    BackendOrder, Encoder, EncoderConfig, Error, FailoverEncoder, Frame, Picture, PixelFormat, Timestamp,
    open,
};

use crate::bench::clip::Clip;
use crate::bench::entrant::Entrant;
use crate::bench::measure::WARM_UP_FRAMES;
use crate::failure::{Failure, chain};

/// The distance in frames between the starts of two streams, so that they do not reach the scene change together.
const APART: usize = 37;

/// One stream.
#[derive(Debug)]
pub(super) struct PooledStream {
    name: String,
    encoder: FailoverEncoder,
    /// The next frame of the clip.
    next: usize,
}

impl PooledStream {
    /// Encodes the next frame and returns the time of the call.
    ///
    /// # Errors
    /// The encoder's error.
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
pub(super) struct EncoderPool {
    pub(super) entrant: Entrant,
    config: EncoderConfig,
    pub(super) streams: Vec<PooledStream>,
    /// The growth of the process while the encoders opened and warmed up.
    grown_bytes: Option<u64>,
    /// Whether opening another encoder failed.
    is_full: bool,
}

impl EncoderPool {
    pub(super) fn new(entrant: &Entrant, config: &EncoderConfig) -> Self {
        Self {
            entrant: entrant.clone(),
            config: entrant.config(config.clone()),
            streams: Vec::new(),
            grown_bytes: Some(0),
            is_full: false,
        }
    }

    /// Opens and warms up encoders until there are `count`. Returns once why no more open.
    ///
    /// # Errors
    /// An encoder's error; settings that cannot work.
    pub(super) fn grow(&mut self, count: usize, clip: &Clip) -> Result<Option<Unavailable>, Failure> {
        if self.is_full || self.streams.len() >= count {
            return Ok(None);
        }
        let before = resident_bytes();
        let mut refused = None;
        while self.streams.len() < count && refused.is_none() {
            match open(&self.config, &BackendOrder::only(self.entrant.backend)) {
                Ok(opened) => {
                    let name = format!("{}, stream {}", self.entrant.name, self.streams.len());
                    let next = APART * self.streams.len();
                    let mut stream = PooledStream { name, encoder: opened.encoder, next };
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

    /// Returns the host memory of each encoder.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let count = u64::try_from(self.streams.len()).ok()?;
        self.grown_bytes?.checked_div(count)
    }
}

/// Returns the resident memory of this process.
fn resident_bytes() -> Option<u64> {
    // This file is exact; /proc/self/status lags behind by the pages that threads have not yet reported.
    let text = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(1024 * kilobytes)
}
