//! The state that both ends of a worker share with its thread.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::failure::WorkerError;
use super::queue::{Changes, FrameQueue, Waiting};
use super::unit::Unit;
use crate::event::{Event, EventLog};

/// The counters of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WorkerCounters {
    /// Frames that were taken. A frame in none of the other counters waits, is being encoded, or was left when the
    /// worker ended.
    pub submitted: u64,
    /// Frames that a newer one replaced before they were encoded.
    pub replaced: u64,
    /// Frames that became an access unit.
    pub encoded: u64,
    /// Frames that failed with an error.
    pub failed: u64,
}

/// A call on the encoder, between two frames.
pub(super) type Call<E> = Box<dyn FnOnce(&mut E) + Send>;

/// The thread's next work.
pub(super) enum Work<F, E> {
    Call(Call<E>),
    Encode(Changes, Option<Waiting<F>>),
    End,
}

pub(super) struct State<F, E> {
    pub(super) queue: FrameQueue<F>,
    /// Items that were not received yet.
    pub(super) units: VecDeque<Result<Unit, WorkerError>>,
    /// The number of waiting items at which encoding pauses.
    pub(super) most_units: usize,
    pub(super) calls: VecDeque<Call<E>>,
    pub(super) senders: usize,
    pub(super) has_receiver: bool,
    /// Whether the queue takes nothing more, and delivers nothing more than `units`.
    pub(super) is_closed: bool,
    /// Whether the encoder is dropped.
    pub(super) is_over: bool,
    /// The waker of the task that waits for an access unit.
    pub(super) waker: Option<Waker>,
    pub(super) events: EventLog,
    pub(super) counters: WorkerCounters,
}

/// The state of a worker. No thread encodes, drops or wakes anything while it holds the lock.
pub(super) struct Shared<F, E> {
    state: Mutex<State<F, E>>,
    /// Only the thread waits here, for work.
    work: Condvar,
    /// Only the receiver waits here, when it blocks.
    news: Condvar,
}

impl<F, E> Shared<F, E> {
    pub(super) fn new(most_frames: usize, most_units: usize) -> Self {
        Self {
            state: Mutex::new(State {
                queue: FrameQueue::new(most_frames),
                units: VecDeque::with_capacity(most_units),
                most_units,
                calls: VecDeque::new(),
                senders: 1,
                has_receiver: true,
                is_closed: false,
                is_over: false,
                waker: None,
                events: EventLog::default(),
                counters: WorkerCounters::default(),
            }),
            work: Condvar::new(),
            news: Condvar::new(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State<F, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unlocks the state and wakes the thread.
    pub(super) fn has_work(&self, unlocked: MutexGuard<'_, State<F, E>>) {
        drop(unlocked);
        self.work.notify_one();
    }

    /// Unlocks the state and wakes the receiver.
    fn has_news(&self, mut unlocked: MutexGuard<'_, State<F, E>>) {
        let waker = unlocked.waker.take();
        drop(unlocked);
        self.news.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Blocks until there is news.
    pub(super) fn wait_for_news<'a>(
        &'a self,
        state: MutexGuard<'a, State<F, E>>,
    ) -> MutexGuard<'a, State<F, E>> {
        self.news.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until the encoder is dropped or a limit passes. Returns whether the encoder is dropped.
    pub(super) fn wait_until_over(&self, limit: std::time::Duration) -> bool {
        let waited = self.news.wait_timeout_while(self.state(), limit, |state| !state.is_over);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_over
    }

    /// Blocks until there is work.
    pub(super) fn next_work(&self) -> Work<F, E> {
        let mut state = self.state();
        loop {
            if !state.has_receiver {
                return Work::End;
            }
            if let Some(call) = state.calls.pop_front() {
                return Work::Call(call);
            }
            if state.units.len() < state.most_units {
                if let Some((changes, waiting)) = state.queue.pop() {
                    return Work::Encode(changes, waiting);
                }
                if state.senders == 0 {
                    return Work::End;
                }
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Queues an item for the receiver.
    pub(super) fn deliver(&self, out: Result<Unit, WorkerError>, is_frame: bool) {
        let mut state = self.state();
        state.counters.encoded += u64::from(out.is_ok());
        state.counters.failed += u64::from(out.is_err() && is_frame);
        state.units.push_back(out);
        self.has_news(state);
    }

    pub(super) fn tell(&self, events: Vec<Event>) {
        let mut state = self.state();
        for Event { frame_id, backend, kind } in events {
            state.events.note(frame_id, backend, kind);
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let left = mem::replace(&mut state.queue, FrameQueue::new(0));
        let calls = mem::take(&mut state.calls);
        self.has_news(state);
        drop((left, calls));
    }

    /// Records that the encoder is dropped.
    pub(super) fn is_over(&self) {
        let mut state = self.state();
        state.is_over = true;
        self.has_news(state);
    }
}

impl<F, E> fmt::Debug for Shared<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Worker")
            .field("counters", &state.counters)
            .field("units_waiting", &state.units.len())
            .field("senders", &state.senders)
            .field("is_closed", &state.is_closed)
            .finish_non_exhaustive()
    }
}
