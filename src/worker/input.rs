//! The sending end of a worker, for frames and changes.

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

/// The error of a worker that has ended; it returns the value that was sent.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encoder's worker has ended")]
pub struct Closed<T = ()>(pub T);

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
}

/// The sending end of a worker, for frames and changes. No call waits for the encoder, so async code may use it. The
/// exception is [`with_encoder`](FrameSender::with_encoder).
///
/// A clone sends to the same worker. The worker ends once the last clone is dropped and all submitted frames are
/// encoded.
#[derive(Debug)]
pub struct FrameSender<F = HostFrame, E = FailoverEncoder> {
    shared: Arc<Shared<F, E>>,
}

impl<F, E> FrameSender<F, E> {
    /// The first sender, counted before the thread starts to look.
    pub(super) const fn first(shared: Arc<Shared<F, E>>) -> Self {
        Self { shared }
    }

    /// Submits a frame with the wish for its picture. A full queue replaces its oldest frame and returns that frame;
    /// the changes of the replaced frame pass to the next one, and so does its request for an IDR or an intra refresh.
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

    /// Makes the next encoded frame an IDR. The request holds until an IDR was made.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn request_idr(&self) -> Result<(), Closed> {
        self.queue(|changes| changes.wants_idr = true)
    }

    /// Changes settings from the next submitted frame on: see [`Encoder::change`](crate::Encoder::change).
    ///
    /// # Errors
    /// [`Closed`]. An error of the encoder comes out of the [`UnitReceiver`](super::UnitReceiver).
    pub fn change(&self, change: SettingsChange) -> Result<(), Closed> {
        self.queue(|changes| changes.settings = change.after(changes.settings))
    }

    /// Changes the bitrate from the next submitted frame on: see
    /// [`Encoder::set_bitrate`](crate::Encoder::set_bitrate).
    ///
    /// # Errors
    /// As [`change`](FrameSender::change).
    pub fn set_bitrate(&self, bitrate: Bitrate) -> Result<(), Closed> {
        self.change(SettingsChange::new().bitrate(bitrate))
    }

    /// Changes the frame rate from the next submitted frame on: see
    /// [`Encoder::set_frame_rate`](crate::Encoder::set_frame_rate).
    ///
    /// # Errors
    /// As [`change`](FrameSender::change).
    pub fn set_frame_rate(&self, frame_rate: FrameRate) -> Result<(), Closed> {
        self.change(SettingsChange::new().frame_rate(frame_rate))
    }

    /// Changes the QP range from the next submitted frame on: see
    /// [`Encoder::set_qp_range`](crate::Encoder::set_qp_range).
    ///
    /// # Errors
    /// As [`change`](FrameSender::change).
    pub fn set_qp_range(&self, qp_range: QpRange) -> Result<(), Closed> {
        self.change(SettingsChange::new().qp_range(qp_range))
    }

    /// Changes the size from the next submitted frame on, which must have it: see
    /// [`Encoder::set_size`](crate::Encoder::set_size).
    ///
    /// # Errors
    /// As [`change`](FrameSender::change).
    pub fn set_size(&self, size: FrameSize) -> Result<(), Closed> {
        self.change(SettingsChange::new().size(size))
    }

    /// Calls `act` with the encoder on its thread, and **waits** for the result until the frame being encoded is done.
    ///
    /// This reaches the encoder's other calls: its counters, [`parameter_sets`](crate::Encoder::parameter_sets),
    /// [`forget_cuda`](crate::Encoder::forget_cuda). The call runs before waiting frames and before the changes that
    /// belong to them. For an IDR use [`request_idr`](FrameSender::request_idr). `act` must not call this function.
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

    /// Drains the events since the last call on either end: see [`Encoder::take_events`](crate::Encoder::take_events).
    pub fn take_events(&self) -> Vec<Event> {
        self.shared.state().events.take()
    }

    /// The counters of the worker so far.
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
