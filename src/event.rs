//! The events that an encoder reports beside access units.

use crate::backend::Backend;
use crate::reason::Reason;
use crate::recovery::Recovery;
use crate::units::{Bitrate, FrameId, FrameSize};

/// An event of a stream, at a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The frame being encoded, or else the next one.
    pub frame_id: FrameId,
    /// The backend that the event concerns.
    pub backend: Backend,
    /// The kind of event, with its values.
    pub kind: EventKind,
}

impl Event {
    pub(crate) const fn new(frame_id: FrameId, backend: Backend, kind: EventKind) -> Self {
        Self { frame_id, backend, kind }
    }
}

/// The kind of an event, with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// This backend encodes the stream now.
    Selected,
    /// This backend was passed over: at opening, because it could not open or could not stand in for the first; at a
    /// retry, because its first frame failed; or in mid-stream, because it failed and no other backend is left.
    PassedOver {
        /// The reason.
        reason: Reason,
        /// The library, versions, call or status that was seen.
        detail: String,
        /// An action for a person. Empty when none is needed.
        advice: &'static str,
    },
    /// This backend failed, or cannot take the requested size. The next backend encodes this very frame as an IDR.
    FellBack {
        /// The backend that takes over.
        to: Backend,
        /// The reason.
        reason: Reason,
        /// The library, versions, call or status that was seen.
        detail: String,
        /// An action for a person. Empty when none is needed.
        advice: &'static str,
    },
    /// This better backend encodes the stream again, from this frame on, with an IDR.
    Restored {
        /// The backend that stood in.
        from: Backend,
    },
    /// The encoder was recreated for another size; the next access unit is an IDR.
    Recreated {
        /// The size from here on.
        size: FrameSize,
        /// Whether that took a new session of the driver, whose opening costs much more than a change within one. Always
        /// false for openh264.
        is_new_session: bool,
    },
    /// The target bitrate changed.
    BitrateChanged {
        /// The target before.
        from: Bitrate,
        /// The target from here on.
        to: Bitrate,
    },
    /// The target bitrate cannot be met: pictures at the coarsest quantiser still need more.
    RateUnmet {
        /// The target bitrate.
        target: Bitrate,
        /// Bits per second over the last second of frames.
        reached_bps: u64,
    },
    /// The driver refused a change of bitrate, frame rate or quantisers, in the session and for a new session. The
    /// settings before the change stay in force.
    ChangeRefused {
        /// The reason.
        reason: Reason,
        /// The call and the status that were seen.
        detail: String,
        /// An action for a person. Empty when none is needed.
        advice: &'static str,
    },
    /// The caller asked for an IDR.
    IdrRequested,
    /// The receiver lost frames that later ones would depend on, and the next frame does without them.
    Invalidated {
        /// The first frame that was reported lost.
        first: FrameId,
        /// The last frame that was reported lost.
        last: FrameId,
        /// The way in which the stream recovers.
        recovery: Recovery,
    },
}

impl EventKind {
    /// The stable word of the kind, such as `bitrate_changed`.
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
            Self::ChangeRefused { .. } => "change_refused",
            Self::IdrRequested => "idr_requested",
            Self::Invalidated { .. } => "invalidated",
        }
    }
}

/// A bounded queue of events for the caller. A full queue drops its oldest event.
#[derive(Debug, Default)]
pub(crate) struct EventLog(Vec<Event>);

impl EventLog {
    /// The capacity of the queue.
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
