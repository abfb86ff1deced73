//! One entrant under measurement, and what was seen of it.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use direct264::{
    Encoder, EncoderConfig, Error, EventKind, FailoverEncoder, Frame, Order, Picture, PixelFormat, Timestamp,
    Unavailable, open,
};

use super::clip::Clip;
use super::entrant::Entrant;
use super::stats::{FrameRecord, stages};
use crate::failure::{Failure, chain};

/// An open encoder and the frames it has encoded.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) entrant: Entrant,
    encoder: FailoverEncoder,
    /// From the call of `open` to an encoder that takes frames.
    pub(crate) open: Duration,
    pub(crate) records: Vec<FrameRecord>,
    /// Every access unit, when the pictures are to be looked at afterwards.
    pub(crate) stream: Option<Vec<Vec<u8>>>,
    /// How often the encoder said that its rate cannot be met.
    pub(crate) rate_unmet: usize,
    /// Paced frames that were not done when the next one was due.
    pub(crate) late: usize,
}

impl Contender {
    /// Opens an entrant's backend alone.
    ///
    /// # Errors
    /// The inner one says why this machine does not have it; the outer one that the settings cannot work.
    pub(crate) fn open(
        entrant: &Entrant,
        config: &EncoderConfig,
        frames: usize,
        keeps_stream: bool,
    ) -> Result<Result<Self, Unavailable>, Failure> {
        let config = entrant.config(config.clone());
        let start = Instant::now();
        match open(&config, &Order::only(entrant.backend)) {
            Ok(opened) => Ok(Ok(Self {
                entrant: entrant.clone(),
                encoder: opened.encoder,
                open: start.elapsed(),
                // No growing while frames are timed.
                records: Vec::with_capacity(frames),
                stream: keeps_stream.then(|| Vec::with_capacity(frames)),
                rate_unmet: 0,
                late: 0,
            })),
            Err(Error::Unavailable(why)) => Ok(Err(why)),
            Err(other) => Err(Failure::before(format!("{}: {}", entrant.name, chain(&other)))),
        }
    }

    /// Encodes the next frame and notes what it took. All that is not the encoder's happens outside of the clock.
    ///
    /// # Errors
    /// The encoder's, with backend and frame.
    pub(crate) fn encode(&mut self, clip: &Clip, is_steady: bool) -> Result<(), Failure> {
        let index = self.records.len();
        let failed = |error: &dyn std::error::Error| {
            Failure::after(format!("{}: frame {index}: {}", self.entrant.name, chain(error)))
        };
        let timestamp = Timestamp(i64::try_from(index).unwrap_or(i64::MAX));
        let frame = Frame::contiguous(clip.size, PixelFormat::I420, clip.picture(index), timestamp)
            .map_err(|e| failed(&e))?;

        let cpu = ProcessTime::now();
        let start = Instant::now();
        let unit = self.encoder.encode(&frame, Picture::Auto).map_err(|e| failed(&e))?;
        let total = start.elapsed();
        let cpu = cpu.elapsed();

        self.records.push(FrameRecord {
            is_idr: unit.is_idr,
            bytes: unit.bytes.len(),
            qp: unit.qp,
            times: stages(&unit.times, total),
            cpu,
            is_steady,
            psnr_db: None,
        });
        if let Some(stream) = &mut self.stream {
            stream.push(unit.bytes.to_vec());
        }
        let events = self.encoder.take_events();
        self.rate_unmet += events.iter().filter(|e| matches!(e.kind, EventKind::RateUnmet { .. })).count();
        Ok(())
    }
}
