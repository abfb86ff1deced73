//! Collects access units, and carries a frame in flight over to the next backend when its own fails.

use std::time::Instant;

use super::encoder::FailoverEncoder;
use crate::engine::{Depth, Engine};
use crate::error::Error;
use crate::picture::Picture;
use crate::replaceable::Replaceable;

impl FailoverEncoder {
    /// Records a frame that was submitted to the active engine as `picture` and arrived at `start`.
    pub(super) fn taken(&mut self, picture: Picture, start: Instant) {
        let is_idr = picture == Picture::Idr || self.idr_is_due();
        self.frames_since_idr = if is_idr { 1 } else { self.frames_since_idr.saturating_add(1) };
        self.idr_requested &= !is_idr;
        self.tell();
        self.record.taken();
        let mut this = Some(start);
        // Oldest first: the frame in flight precedes this frame.
        while let Some(came) = self.flying.or(this)
            && self.collect(None, came)
        {
            if self.flying.take().is_none() {
                this = None;
            }
        }
        self.flying = self.flying.or(this);
    }

    /// Waits for the frame in flight.
    ///
    /// # Errors
    /// When the backend fails and none is left.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        let Some(start) = self.flying else { return Ok(()) };
        match self.active.finish() {
            Ok(()) => {
                self.flying = None;
                self.collect(None, start);
                Ok(())
            }
            // The next backend encodes the frame.
            Err(error) => self.fall_back(error),
        }
    }

    /// Waits for the frame in flight before the stream leaves its backend, and drops the frame if no backend encodes
    /// it.
    pub(super) fn settle_or_lose(&mut self) {
        // Behind the last backend the failover itself has lost the frame.
        if let Err(error) = self.settle()
            && self.flying.take().is_some()
        {
            self.lose(error);
        }
    }

    /// Collects the frame in flight from an engine that the stream leaves, if the engine still returns it.
    pub(super) fn take_from(&mut self, left: &mut dyn Replaceable) {
        let Some(start) = self.flying else { return };
        if left.finish().is_ok() {
            self.flying = None;
            self.collect(Some(left), start);
        }
    }

    /// Encodes again the frame in flight of an engine that the stream has left for an error.
    pub(super) fn rescue(&mut self, left: &dyn Replaceable, why: &Error) {
        let Some(start) = self.flying.take() else { return };
        let Some(frame) = left.in_flight() else { return self.lose(why.clone()) };
        // A backend that fails on it too leaves it to the next in line.
        match self.with_active(|engine| engine.submit(&frame, Picture::Auto, Depth::One)) {
            Ok(()) => {
                self.collect(None, start);
            }
            Err(error) => self.lose(error),
        }
    }

    /// Counts the oldest access unit of the active engine, or of one that is left, and queues it for the caller.
    /// `start` is the arrival time of its frame. Returns false when there is none.
    fn collect(&mut self, left: Option<&mut dyn Replaceable>, start: Instant) -> bool {
        let is_of_active = left.is_none();
        let from = match left {
            Some(left) => left.ready(),
            None => self.active.ready(),
        };
        let Some((info, bytes)) = self.ready.take_from(from) else { return false };
        if info.is_idr {
            // At most one more frame was submitted since.
            self.frames_since_idr = self.frames_since_idr.min(1 + u32::from(self.flying.is_some()));
        }
        info.times.total = start.elapsed();
        let frame_id = self.record.coded(info, bytes);
        if is_of_active {
            self.ids.coded(frame_id, info.frame_id);
        }
        info.frame_id = frame_id;
        true
    }

    pub(super) fn lose(&mut self, error: Error) {
        tracing::warn!(%error, "a frame in flight is lost");
        self.mind(&error);
        self.record.lost();
        self.ready.push_lost(error);
    }
}
