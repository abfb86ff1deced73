//! What an encoder tells its caller beside access units.

use crate::encoder::Backend;
use crate::reason::Reason;
use crate::units::{Bitrate, FrameSize};

/// Something that happened to a stream, at a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The frame at which it happened, counted from 0 by the encoder: the one being encoded, or else the next one.
    pub frame: u64,
    /// The backend that it concerns.
    pub backend: Backend,
    /// What happened.
    pub kind: EventKind,
}

impl Event {
    pub(crate) const fn new(frame: u64, backend: Backend, kind: EventKind) -> Self {
        Self { frame, backend, kind }
    }
}

/// What happened, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The stream is encoded by this backend now.
    Selected,
    /// This backend would have come first and was passed over.
    PassedOver {
        /// Why.
        reason: Reason,
        /// What was seen.
        detail: String,
    },
    /// The encoder was set up anew for another size; the next access unit is an IDR.
    Recreated {
        /// The size from here on.
        size: FrameSize,
    },
    /// The target changed.
    BitrateChanged {
        /// The target before.
        from: Bitrate,
        /// The target from here on.
        to: Bitrate,
    },
    /// The target cannot be met: the quantiser is at its coarsest and the pictures still need more.
    RateUnmet {
        /// What was asked for.
        target: Bitrate,
        /// Bits per second over the last second of frames.
        reached_bps: u64,
    },
    /// An IDR was asked for.
    IdrRequested,
}

impl EventKind {
    /// The word for it, such as `bitrate_changed`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::PassedOver { .. } => "passed_over",
            Self::Recreated { .. } => "recreated",
            Self::BitrateChanged { .. } => "bitrate_changed",
            Self::RateUnmet { .. } => "rate_unmet",
            Self::IdrRequested => "idr_requested",
        }
    }
}
