//! Lends page-locked frames of the active NVENC session for the caller to write in place.

use std::any::Any;

use super::encoder::FailoverEncoder;
use crate::access_unit::AccessUnit;
use crate::engine::{Depth, Engine};
use crate::error::{Error, FrameError};
use crate::format::PixelFormat;
use crate::nvenc::{LentFrame, NvencEncoder};
use crate::picture::Picture;
use crate::replaceable::Replaceable;
use crate::units::Timestamp;

/// Returns the engine as NVENC's, the only one that lends frames.
fn as_nvenc(engine: &mut dyn Replaceable) -> Option<&mut NvencEncoder> {
    (engine as &mut dyn Any).downcast_mut()
}

impl FailoverEncoder {
    /// Lends a page-locked frame of the active NVENC session, to be filled and passed to
    /// [`encode_lent`](FailoverEncoder::encode_lent): see [`NvencEncoder::lend`].
    ///
    /// # Errors
    /// [`FrameError::NotLent`] while another backend is active: the caller then encodes from its own memory. Any other
    /// error as [`NvencEncoder::lend`].
    pub fn lend(&mut self, format: PixelFormat) -> Result<LentFrame, Error> {
        self.with_active(|engine| match as_nvenc(engine) {
            Some(nvenc) => nvenc.lend(format),
            None => Err(FrameError::NotLent { format }.into()),
        })
    }

    /// Encodes a lent frame. If NVENC fails meanwhile, the next backend encodes the same pixels, and no frame is lost.
    ///
    /// # Errors
    /// As [`encode`](crate::Encoder::encode).
    pub fn encode_lent(
        &mut self,
        lent: LentFrame,
        timestamp: Timestamp,
        picture: Picture,
    ) -> Result<AccessUnit<'_>, Error> {
        self.begin_unit()?;
        // A frame that was lent before a change of size is followed, as any frame of another size.
        let wanted = self.wanted.size;
        let size = if lent.size() == wanted.padded_to_even() { wanted } else { lent.size() };
        let frame = lent.as_frame(size, timestamp)?;
        self.submit_by(&frame, picture, Depth::One, |engine, picture| match as_nvenc(engine) {
            Some(nvenc) => nvenc.submit_lent(&lent, timestamp, picture),
            None => engine.submit(&frame, picture, Depth::One),
        })?;
        self.unit()
    }
}
