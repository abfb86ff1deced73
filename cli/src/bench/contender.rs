//! Runs one entrant and records its frames.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use direct264::error::Unavailable;
use direct264::{
    BackendOrder, Encoder, EncoderConfig, Error, EventKind, FailoverEncoder, Frame, Picture, PixelFormat,
    Timestamp, open,
};

use super::clip::Clip;
use super::entrant::Entrant;
use super::stats::{FrameRecord, stages};
use crate::failure::{Failure, chain};

/// An open encoder and the records of its frames.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) entrant: Entrant,
    encoder: FailoverEncoder,
    /// The time of the call of `open`.
    pub(crate) open: Duration,
    pub(crate) records: Vec<FrameRecord>,
    /// Every access unit, kept for `--quality`.
    pub(crate) stream: Option<Vec<Vec<u8>>>,
    /// The number of events that tell of an unmet bitrate.
    pub(crate) rate_unmet: usize,
    /// The number of paced frames that were unfinished when the next one was due.
    pub(crate) late: usize,
}

impl Contender {
    /// Opens the entrant's backend alone, without failover.
    ///
    /// # Errors
    /// The inner error tells why the backend is not available, the outer one that the settings cannot work.
    pub(crate) fn open(
        entrant: &Entrant,
        config: &EncoderConfig,
        frames: usize,
        keeps_stream: bool,
    ) -> Result<Result<Self, Unavailable>, Failure> {
        let config = entrant.config(config.clone());
        let start = Instant::now();
        match open(&config, &BackendOrder::only(entrant.backend)) {
            Ok(opened) => Ok(Ok(Self {
                entrant: entrant.clone(),
                encoder: opened.encoder,
                open: start.elapsed(),
                // Allocated now, so that no growth falls into the timed frames.
                records: Vec::with_capacity(frames),
                stream: keeps_stream.then(|| Vec::with_capacity(frames)),
                rate_unmet: 0,
                late: 0,
            })),
            Err(Error::Unavailable(why)) => Ok(Err(why)),
            Err(other) => Err(Failure::before(format!("{}: {}", entrant.name, chain(&other)))),
        }
    }

    /// Encodes the next frame and records it. The clock runs during the call of the encoder alone.
    ///
    /// # Errors
    /// The encoder's error, with backend and frame.
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
