//! The end of a worker where frames and changes go in.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use super::frame::HostFrame;
use super::queue::Changes;
use super::shared::{Shared, WorkerCounters};
use crate::config::SettingsChange;
use crate::event::Event;
use crate::failover::FailoverEncoder;
use crate::picture::Picture;
use crate::units::{Bitrate, FrameRate, FrameSize, QpRange};

/// The worker has ended, and takes nothing more. What was to go in comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Closed<T = ()>(pub T);

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the encoder's worker has ended")
    }
}

impl<T> StdError for Closed<T> {}

/// Where frames go in, and changes to the stream. It never waits for the encoder, so async code may call it; but for
/// [`with_encoder`](FrameSender::with_encoder), which says so.
///
/// A clone is the same worker's. The worker ends when the last one is dropped and what was submitted is encoded.
#[derive(Debug)]
pub struct FrameSender<F = HostFrame, E = FailoverEncoder> {
    shared: Arc<Shared<F, E>>,
}

impl<F, E> FrameSender<F, E> {
    /// The first one, which is counted before the thread begins to look.
    pub(super) const fn first(shared: Arc<Shared<F, E>>) -> Self {
        Self { shared }
    }

    /// Has a frame encoded, as what it is asked to be, unless a newer one takes its place. What it takes the place of itself
    /// comes back: a frame that will not be encoded, whose changes and IDR pass to the next.
    ///
    /// # Errors
    /// [`Closed`] with the frame.
    pub fn submit(&self, frame: F, picture: Picture) -> Result<Option<F>, Closed<F>> {
        let now = Instant::now();
        let mut state = self.shared.state();
        if state.is_closed {
            return Err(Closed(frame));
        }
        let replaced = state.queue.push(frame, picture, now);
        state.counters.submitted += 1;
        state.counters.replaced += u64::from(replaced.is_some());
        self.shared.has_work(state);
        Ok(replaced)
    }

    /// Has the next frame that is encoded be an IDR, whichever it is; kept until one was made.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn request_idr(&self) -> Result<(), Closed> {
        self.queue(|changes| changes.wants_idr = true)
    }

    /// See [`Encoder::change`](crate::Encoder::change); from the next frame submitted on.
    ///
    /// # Errors
    /// [`Closed`]. What the encoder says against it comes out of the [`UnitReceiver`](super::UnitReceiver).
    pub fn change(&self, change: SettingsChange) -> Result<(), Closed> {
        self.queue(|changes| changes.settings = change.after(changes.settings))
    }

    /// See [`Encoder::set_bitrate`](crate::Encoder::set_bitrate); from the next frame submitted on.
    ///
    /// # Errors
    /// As [`change`](FrameSender::change).
    pub fn set_bitrate(&self, bitrate: Bitrate) -> Result<(), Closed> {
        self.change(SettingsChange::new().bitrate(bitrate))
    }

    /// See [`Encoder::set_frame_rate`](crate::Encoder::set_frame_rate); from the next frame submitted on.
    ///
    /// # Errors
    /// As [`change`](FrameSender::change).
    pub fn set_frame_rate(&self, frame_rate: FrameRate) -> Result<(), Closed> {
        self.change(SettingsChange::new().frame_rate(frame_rate))
    }

    /// See [`Encoder::set_qp_range`](crate::Encoder::set_qp_range); from the next frame submitted on.
    ///
    /// # Errors
    /// As [`change`](FrameSender::change).
    pub fn set_qp_range(&self, qp_range: QpRange) -> Result<(), Closed> {
        self.change(SettingsChange::new().qp_range(qp_range))
    }

    /// See [`Encoder::set_size`](crate::Encoder::set_size); from the next frame submitted on, which must have it.
    ///
    /// # Errors
    /// As [`change`](FrameSender::change).
    pub fn set_size(&self, size: FrameSize) -> Result<(), Closed> {
        self.change(SettingsChange::new().size(size))
    }

    /// Does something with the encoder on its thread, and **waits** for it: until the frame that is being encoded is done.
    /// For all that is not here: the encoder's own counters, [`parameter_sets`](crate::Encoder::parameter_sets),
    /// [`forget_cuda`](crate::Encoder::forget_cuda). It comes before frames that wait, and before changes that belong to them;
    /// an IDR for a viewer is asked for by [`request_idr`](FrameSender::request_idr). Not to be called from within itself.
    ///
    /// # Errors
    /// [`Closed`], also when `act` panics, which ends the worker.
    pub fn with_encoder<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut E) -> R + Send + 'static,
    ) -> Result<R, Closed> {
        let (tell, told) = mpsc::sync_channel(1);
        let mut state = self.shared.state();
        if state.is_closed {
            return Err(Closed(()));
        }
        state.calls.push_back(Box::new(move |encoder| drop(tell.send(act(encoder)))));
        self.shared.has_work(state);
        told.recv().map_err(|_| Closed(()))
    }

    /// What happened since the last call on either end: see [`Encoder::take_events`](crate::Encoder::take_events).
    pub fn take_events(&self) -> Vec<Event> {
        self.shared.state().events.take()
    }

    /// What the worker came to so far.
    #[must_use]
    pub fn counters(&self) -> WorkerCounters {
        self.shared.state().counters
    }

    fn queue(&self, change: impl FnOnce(&mut Changes)) -> Result<(), Closed> {
        let mut state = self.shared.state();
        if state.is_closed {
            return Err(Closed(()));
        }
        state.queue.change(change);
        self.shared.has_work(state);
        Ok(())
    }
}

impl<F, E> Clone for FrameSender<F, E> {
    fn clone(&self) -> Self {
        self.shared.state().senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<F, E> Drop for FrameSender<F, E> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.senders -= 1;
        if state.senders == 0 {
            self.shared.has_work(state);
        }
    }
}
