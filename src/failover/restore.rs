//! Retries a backend off the caller's thread, until it opens and encodes a picture.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::backoff::Waits;
use super::spare::{discard, open, warm_up};
use super::waiting::{Bell, Ticket};
use crate::backend::Backend;
use crate::backends::row;
use crate::config::{EncoderConfig, Settings};
use crate::error::Unavailable;
use crate::format::PixelFormat;
use crate::reason::Reason;
use crate::replaceable::Replaceable;

/// The most sessions of this process that may hang in a driver call before retries stop, since another one would hang
/// too.
const MOST_HANGING: usize = 4;

/// An engine of the backend that had failed, and the back-off of its attempts.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) engine: Box<dyn Replaceable>,
    pub(super) waits: Waits,
}

/// The settings and format of an attempt, which follow the stream until an attempt succeeds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aim {
    pub(super) settings: Settings,
    pub(super) format: PixelFormat,
}

/// Attempts under way on a thread of their own. They end with the first success or when this is dropped; an encoder
/// that comes too late is closed.
#[derive(Debug)]
pub(super) struct Restorer(Arc<Handover>);

#[derive(Debug)]
struct Handover {
    place: Mutex<HandoverState>,
    /// Whether something lies there to be taken: to be asked at every frame.
    is_found: AtomicBool,
    bell: Arc<Bell>,
}

/// The state that the caller and the thread share.
#[derive(Debug)]
struct HandoverState {
    aim: Aim,
    found: Option<Found>,
    /// Whether the caller has dropped its side.
    is_left: bool,
}

impl Restorer {
    /// Starts to try `backend` after `wait`; `reason` is why the stream does not have it.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub(super) fn start(
        backend: Backend,
        base: &EncoderConfig,
        aim: Aim,
        reason: Reason,
        (waits, wait): (Waits, Duration),
    ) -> io::Result<Self> {
        let shared = Arc::new(Handover {
            place: Mutex::new(HandoverState { aim, found: None, is_left: false }),
            is_found: AtomicBool::new(false),
            bell: Arc::default(),
        });
        let attempts = Attempts { backend, base: base.clone(), shared: Arc::clone(&shared), waits };
        // The place in the queue dates from the caller's call, so it is taken on the caller's thread.
        let ticket = attempts.ticket(reason);
        thread::Builder::new()
            .name("direct264-retry".to_owned())
            .spawn(move || attempts.make(ticket, Instant::now().checked_add(wait)))?;
        Ok(Self(shared))
    }

    /// Changes the settings of the next attempt.
    pub(super) fn aim(&self, aim: Aim) {
        let before = std::mem::replace(&mut self.0.place().aim, aim);
        if before.settings.size != aim.settings.size {
            self.0.bell.ring();
        }
    }

    /// Takes the engine of an attempt that succeeded.
    pub(super) fn take(&self) -> Option<Found> {
        if !self.0.is_found.load(Ordering::Acquire) {
            return None;
        }
        self.0.place().found.take()
    }

    /// Puts an engine back, to be taken later.
    pub(super) fn put_back(&self, found: Found) {
        self.0.place().found = Some(found);
    }
}

impl Drop for Restorer {
    fn drop(&mut self) {
        let mut place = self.0.place();
        place.is_left = true;
        let unwanted = place.found.take();
        drop(place);
        self.0.bell.ring();
        if let Some(found) = unwanted {
            let _ = discard(found.engine);
        }
    }
}

impl Handover {
    /// No code that holds the lock can panic, so a poisoned one is as good as any.
    fn place(&self) -> MutexGuard<'_, HandoverState> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's side.
#[derive(Debug)]
struct Attempts {
    backend: Backend,
    base: EncoderConfig,
    shared: Arc<Handover>,
    waits: Waits,
}

impl Attempts {
    /// Takes a place in the queue for sessions, if the reason is a lack of sessions.
    fn ticket(&self, reason: Reason) -> Option<Ticket> {
        let waits_for_session = reason == Reason::SessionLimit;
        let gpu = self.base.nvenc.gpu;
        waits_for_session.then(|| Ticket::take(self.backend, gpu, Arc::clone(&self.shared.bell)))
    }

    fn make(mut self, mut ticket: Option<Ticket>, mut until: Option<Instant>) {
        let mut wants_other_size = false;
        loop {
            let is_in_turn = ticket.as_ref().is_none_or(Ticket::is_first);
            // The bell tells a waiter that is not at the head, or that waits for another size, when that changes.
            let is_rung = self.shared.bell.wait(until.filter(|_| is_in_turn && !wants_other_size));
            if self.shared.place().is_left {
                return;
            }
            // Otherwise a ring means that a session has ended, which is for the head of the queue alone.
            if is_rung && !wants_other_size && !ticket.as_ref().is_some_and(Ticket::is_first) {
                continue;
            }
            match self.attempt() {
                Ok(engine) => return self.hand_over(engine),
                Err(failed) if failed.is_context_lost => {
                    tracing::warn!(%failed, "the CUDA context is lost, and is not tried again");
                    return;
                }
                Err(failed) => {
                    // A refused size is no failure: the next size is worth an attempt at once.
                    wants_other_size = failed.until() == Reason::UnsupportedSize;
                    let wait =
                        if wants_other_size { Duration::ZERO } else { self.waits.failed(Instant::now()) };
                    tell(&failed, wait);
                    until = Instant::now().checked_add(wait);
                    if (failed.reason == Reason::SessionLimit) != ticket.is_some() {
                        ticket = self.ticket(failed.reason);
                    }
                }
            }
        }
    }

    fn attempt(&self) -> Result<Box<dyn Replaceable>, Unavailable> {
        let hanging = (row(self.backend).hanging)();
        if hanging >= MOST_HANGING {
            let detail = format!("{hanging} earlier sessions hang in a call");
            return Err(Unavailable::new(self.backend, Reason::TimedOut, detail));
        }
        let Aim { settings, format } = self.shared.place().aim;
        let mut engine =
            open(self.backend, &self.base, settings).map_err(|error| error.passes_over(self.backend))?;
        match warm_up(&mut *engine, format) {
            Ok(()) => Ok(engine),
            Err(error) => {
                let _ = discard(engine);
                Err(error.passes_over(self.backend))
            }
        }
    }

    fn hand_over(self, engine: Box<dyn Replaceable>) {
        let mut place = self.shared.place();
        if place.is_left {
            drop(place);
            drop(engine);
        } else {
            place.found = Some(Found { engine, waits: self.waits });
            self.shared.is_found.store(true, Ordering::Release);
        }
    }
}

fn tell(failed: &Unavailable, wait: Duration) {
    tracing::debug!(
        backend = failed.backend.as_str(),
        reason = failed.reason.as_str(),
        detail = failed.detail,
        next_attempt_ms = wait.as_millis() as u64,
        "retry failed"
    );
}
