//! The settings that can change while a stream runs.

use super::EncoderConfig;
use crate::units::{Bitrate, FrameRate, FrameSize, QpRange};

/// The settings of a stream that can change in flight, as one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The size of the frames, in pixels.
    pub size: FrameSize,
    /// The frame rate by which the bits are shared out.
    pub frame_rate: FrameRate,
    /// The target bitrate.
    pub bitrate: Bitrate,
    /// The QP range of the rate control.
    pub qp_range: QpRange,
}

impl Settings {
    pub(super) const fn new(size: FrameSize, frame_rate: FrameRate, bitrate: Bitrate) -> Self {
        Self { size, frame_rate, bitrate, qp_range: QpRange::DEFAULT }
    }

    /// These settings with a change made.
    #[must_use]
    pub fn with(self, change: SettingsChange) -> Self {
        let SettingsChange { size, frame_rate, bitrate, qp_range } = change;
        Self {
            size: size.unwrap_or(self.size),
            frame_rate: frame_rate.unwrap_or(self.frame_rate),
            bitrate: bitrate.unwrap_or(self.bitrate),
            qp_range: qp_range.unwrap_or(self.qp_range),
        }
    }
}

/// A change of some settings; the others stay in force.
///
/// ```
/// use direct264::config::SettingsChange;
/// use direct264::{Bitrate, FrameRate};
///
/// # fn main() -> Result<(), direct264::Error> {
/// let change = SettingsChange::new().bitrate(Bitrate::from_kbps(800)?).frame_rate(FrameRate::hz(15)?);
/// # let _ = change; Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "a change does nothing before an encoder is given it"]
pub struct SettingsChange {
    pub(crate) size: Option<FrameSize>,
    pub(crate) frame_rate: Option<FrameRate>,
    pub(crate) bitrate: Option<Bitrate>,
    pub(crate) qp_range: Option<QpRange>,
}

impl SettingsChange {
    /// No change.
    pub const fn new() -> Self {
        Self { size: None, frame_rate: None, bitrate: None, qp_range: None }
    }

    /// Changes the size. The next frame must have the new size and becomes an IDR.
    pub const fn size(mut self, size: FrameSize) -> Self {
        self.size = Some(size);
        self
    }

    /// Changes the frame rate by which the bits are shared out.
    pub const fn frame_rate(mut self, frame_rate: FrameRate) -> Self {
        self.frame_rate = Some(frame_rate);
        self
    }

    /// Changes the target bitrate.
    pub const fn bitrate(mut self, bitrate: Bitrate) -> Self {
        self.bitrate = Some(bitrate);
        self
    }

    /// Changes the QP range of the rate control.
    pub const fn qp_range(mut self, qp_range: QpRange) -> Self {
        self.qp_range = Some(qp_range);
        self
    }

    /// Splits this change into the rest and the size.
    pub(crate) const fn without_size(self) -> (Self, Option<FrameSize>) {
        (Self { size: None, ..self }, self.size)
    }

    /// Returns the sum of an earlier change and this one, which takes precedence.
    pub(crate) fn after(self, earlier: Self) -> Self {
        let Self { size, frame_rate, bitrate, qp_range } = self;
        Self {
            size: size.or(earlier.size),
            frame_rate: frame_rate.or(earlier.frame_rate),
            bitrate: bitrate.or(earlier.bitrate),
            qp_range: qp_range.or(earlier.qp_range),
        }
    }
}

impl EncoderConfig {
    /// Sets the QP range of the rate control; [`QpRange::DEFAULT`] unless set. A picture that no buffer holds within
    /// the range (noise at QP 0) is coded coarser, so that no frame is lost.
    #[must_use]
    pub const fn qp_range(mut self, qp_range: QpRange) -> Self {
        self.settings.qp_range = qp_range;
        self
    }

    /// The opening size in pixels.
    #[must_use]
    pub const fn size(&self) -> FrameSize {
        self.settings.size
    }

    /// The opening frame rate.
    #[must_use]
    pub const fn frame_rate(&self) -> FrameRate {
        self.settings.frame_rate
    }

    /// The opening bitrate.
    #[must_use]
    pub const fn bitrate(&self) -> Bitrate {
        self.settings.bitrate
    }

    /// Returns this configuration with other settings, and `max_size` raised to their size.
    pub(crate) fn with_settings(&self, settings: Settings) -> Self {
        Self { settings, max_size: settings.size.union(self.max_size), ..self.clone() }
    }
}
