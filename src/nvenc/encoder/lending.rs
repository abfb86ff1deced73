//! Lends frames that the caller writes in place.

use std::sync::Arc;
use std::time::Instant;

use super::NvencEncoder;
use super::frame::Brought;
use super::memory::SlotMemory;
use crate::access_unit::{AccessUnit, StageTimes};
use crate::encoder::Encoder;
use crate::engine::{Depth, Engine};
use crate::error::{Error, FrameError};
use crate::format::PixelFormat;
use crate::nvenc::lent::LentFrame;
use crate::nvenc::session::Source;
use crate::picture::Picture;
use crate::units::Timestamp;

impl NvencEncoder {
    /// Lends a page-locked frame to be filled and passed to [`encode_lent`](NvencEncoder::encode_lent): see
    /// [`LentFrame`]. Two exist, so that one can be written while the other is encoded. A frame lent before
    /// [`set_size`](Encoder::set_size) keeps the old size.
    ///
    /// # Errors
    /// [`FrameError::NotLent`] for a format that needs a conversion: packed RGB of 3 bytes, and of 4 bytes unless NVENC
    /// converts it ([`NvencConfig::converts_rgb`](crate::config::NvencConfig::converts_rgb)). [`FrameError::AllLent`] when both frames are lent, or one is and the
    /// other is in flight. Any other error as [`encode`](Encoder::encode).
    pub fn lend(&mut self, format: PixelFormat) -> Result<LentFrame, Error> {
        self.alive()?;
        let (surface, as_it_is) = self.unconverted.padded().for_frames(format);
        if !as_it_is {
            return Err(FrameError::NotLent { format }.into());
        }
        let slot = self.free_slot()?;
        let staging = self.staging(slot, surface)?;
        self.slots[slot] = SlotMemory::Lent;
        Ok(LentFrame::new(staging, slot, Arc::clone(&self.pool)))
    }

    /// Encodes a lent frame. A frame lent by an earlier session is copied like any other frame.
    ///
    /// # Errors
    /// As [`encode`](Encoder::encode).
    pub fn encode_lent(
        &mut self,
        frame: LentFrame,
        timestamp: Timestamp,
        picture: Picture,
    ) -> Result<AccessUnit<'_>, Error> {
        self.begin_unit()?;
        let submitted = self.submit_lent(&frame, timestamp, picture);
        if frame.is_of(&self.pool)
            && let Some((slot, staging)) = frame.take()
        {
            self.slots[slot] = SlotMemory::Here(staging);
        }
        submitted?;
        self.unit()
    }

    /// Takes a lent frame, as [`Engine::submit`] does with [`Depth::One`]. After the return its memory is not read any
    /// more, unless the driver hangs and keeps a share of the memory.
    pub(crate) fn submit_lent(
        &mut self,
        frame: &LentFrame,
        timestamp: Timestamp,
        picture: Picture,
    ) -> Result<(), Error> {
        let start = Instant::now();
        self.alive()?;
        let (coded, size) = (self.coded_size(), self.config.size());
        if frame.size() != coded {
            return Err(FrameError::Size { frame: frame.size(), encoder: size }.into());
        }
        let is_idr = self.prepare(picture, Depth::One)?;
        let brought = match frame.share().filter(|_| frame.is_of(&self.pool)) {
            Some((slot, staging)) => {
                Brought { source: Source::Staged(staging), slot, times: StageTimes::default(), start }
            }
            None => self.copy(&frame.as_frame(coded, timestamp)?, start)?,
        };
        self.submit_brought(brought, timestamp, (picture, is_idr), Depth::One, None)
    }
}
