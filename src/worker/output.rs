//! The end of a worker where access units come out.

use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use super::failure::{StillRunning, WorkerError};
use super::frame::HostFrame;
use super::shared::{Shared, State, WorkerCounters};
use super::unit::Unit;
use crate::event::Event;
use crate::failover::FailoverEncoder;

/// An access unit or an error, or the end.
type Received = Option<Result<Unit, WorkerError>>;

/// Where access units come out, in order, and errors in the place of what failed. `None` is the end: nothing follows.
///
/// No form of receiving loses anything when it is given up: a future of [`recv`](UnitReceiver::recv) that is dropped has taken
/// nothing.
#[derive(Debug)]
pub struct UnitReceiver<F = HostFrame, E = FailoverEncoder> {
    shared: Arc<Shared<F, E>>,
    thread: JoinHandle<()>,
}

impl<F, E> UnitReceiver<F, E> {
    pub(super) const fn new(shared: Arc<Shared<F, E>>, thread: JoinHandle<()>) -> Self {
        Self { shared, thread }
    }

    /// Waits for the next one, in async code of whatever runtime.
    pub async fn recv(&mut self) -> Option<Result<Unit, WorkerError>> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Waits for the next one, blocking the thread.
    pub fn blocking_recv(&mut self) -> Option<Result<Unit, WorkerError>> {
        let mut state = self.shared.state();
        loop {
            match self.take(state) {
                Ok(next) => return next,
                Err(empty) => state = self.shared.wait_for_news(empty),
            }
        }
    }

    /// The next one if it is there: [`Poll::Pending`] when it is not.
    pub fn try_recv(&mut self) -> Poll<Option<Result<Unit, WorkerError>>> {
        self.take(self.shared.state()).map_or(Poll::Pending, Poll::Ready)
    }

    /// The next one if it is there, else the task is woken when there is one. What a `Stream` is made of.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Unit, WorkerError>>> {
        match self.take(self.shared.state()) {
            Ok(next) => Poll::Ready(next),
            Err(mut empty) => {
                match &mut empty.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
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

    /// Ends the worker as dropping this does, and **waits** until its thread has ended and the encoder is dropped. Who wants
    /// what was submitted drops the [`FrameSender`](super::FrameSender)s and receives to the end first.
    ///
    /// # Errors
    /// [`StillRunning`] after `limit`; the thread then ends by itself, later.
    pub fn stop(self, limit: Duration) -> Result<(), StillRunning> {
        self.leave();
        if self.shared.wait_until_over(limit) {
            // All that is left of it is to return. It has panicked if the encoder has, which is over too.
            while !self.thread.is_finished() {
                std::thread::yield_now();
            }
            Ok(())
        } else {
            Err(StillRunning { limit })
        }
    }

    /// What is next, or the state when there is nothing yet.
    fn take<'a>(
        &self,
        mut state: MutexGuard<'a, State<F, E>>,
    ) -> Result<Received, MutexGuard<'a, State<F, E>>> {
        let was_full = state.units.len() >= state.most_units;
        match state.units.pop_front() {
            Some(next) => {
                if was_full {
                    self.shared.has_work(state);
                }
                Ok(Some(next))
            }
            None if state.is_closed => Ok(None),
            None => Err(state),
        }
    }

    /// Nobody receives any more.
    fn leave(&self) {
        let mut state = self.shared.state();
        state.has_receiver = false;
        let left = mem::take(&mut state.units);
        let waker = state.waker.take();
        self.shared.has_work(state);
        drop((left, waker));
    }
}

impl<F, E> Drop for UnitReceiver<F, E> {
    fn drop(&mut self) {
        self.leave();
    }
}
