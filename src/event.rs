//! What an encoder tells its caller beside access units.

use crate::backend::Backend;
use crate::reason::Reason;
use crate::recovery::Recovery;
use crate::units::{Bitrate, FrameId, FrameSize};

/// Something that happened to a stream, at a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The frame at which it happened: the one being encoded, or else the next one.
    pub frame_id: FrameId,
    /// The backend that it concerns.
    pub backend: Backend,
    /// What happened.
    pub kind: EventKind,
}

impl Event {
    pub(crate) const fn new(frame_id: FrameId, backend: Backend, kind: EventKind) -> Self {
        Self { frame_id, backend, kind }
    }
}

/// What happened, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The stream is encoded by this backend now.
    Selected,
    /// This backend was passed over: when the stream was opened, as one that would have come first or as one that could
    /// not stand in for the first; or when it was tried again and failed at its first frame; or when it failed and there
    /// is no other.
    PassedOver {
        /// Why.
        reason: Reason,
        /// What was seen.
        detail: String,
        /// What a person can do about it. Empty where nothing needs doing.
        advice: &'static str,
    },
    /// This backend failed, or cannot take the size asked for; the stream goes on at this very frame, with an IDR.
    FellBack {
        /// The backend that the stream goes on with.
        to: Backend,
        /// Why.
        reason: Reason,
        /// What was seen.
        detail: String,
        /// What a person can do about it. Empty where nothing needs doing.
        advice: &'static str,
    },
    /// The stream is encoded by this better backend again, from this frame on, with an IDR.
    Restored {
        /// The backend that stood in.
        from: Backend,
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
    /// The receiver has lost frames, and the next one does without them. It is told where something had to be done.
    Invalidated {
        /// The first frame that was reported lost.
        first: FrameId,
        /// The last one.
        last: FrameId,
        /// How the stream goes on.
        recovery: Recovery,
    },
}

impl EventKind {
    /// The word for it, such as `bitrate_changed`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::PassedOver { .. } => "passed_over",
            Self::FellBack { .. } => "fell_back",
            Self::Restored { .. } => "restored",
            Self::Recreated { .. } => "recreated",
            Self::BitrateChanged { .. } => "bitrate_changed",
            Self::RateUnmet { .. } => "rate_unmet",
            Self::IdrRequested => "idr_requested",
            Self::Invalidated { .. } => "invalidated",
        }
    }
}

/// Events that wait for the caller to take them. The oldest ones go when nobody does.
#[derive(Debug, Default)]
pub(crate) struct EventLog(Vec<Event>);

impl EventLog {
    /// Events that are kept.
    const MOST: usize = 256;

    pub(crate) fn note(&mut self, frame_id: FrameId, backend: Backend, kind: EventKind) {
        if self.0.len() >= Self::MOST {
            self.0.remove(0);
        }
        self.0.push(Event::new(frame_id, backend, kind));
    }

    pub(crate) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_events_are_kept() {
        let mut log = EventLog::default();
        for frame in 0..300 {
            log.note(FrameId(frame), Backend::Nvenc, EventKind::IdrRequested);
        }
        let events = log.take();
        assert_eq!(
            (events.len(), events[0].frame_id, events[255].frame_id),
            (256, FrameId(44), FrameId(299))
        );
        assert!(log.take().is_empty());
    }
}
