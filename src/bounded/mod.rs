//! Bounded calls: a thread owns a worker and does its jobs, and the caller waits for each answer with a limit.
//!
//! A job carries all that it needs and comes back with its reply, so the two threads share nothing during a call. When
//! the limit passes, the caller goes on. The thread keeps the worker, the job and all memory that the call may still
//! touch, and drops them there once the call returns.

mod mailbox;
mod patience;
mod progress;
#[cfg(test)]
mod tests;
mod worker;

use std::any::Any;
use std::io;
use std::sync::{Arc, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mailbox::{Mailbox, Order, ThreadAnswer};
use patience::Patience;
pub(crate) use progress::{CallStep, Progress, steps};
pub(crate) use worker::{TimedOut, Worker};

/// The cause for which no [`Bounded`] was opened.
#[derive(Debug)]
pub(crate) enum NotOpened<F> {
    /// The system started no thread.
    NoThread(io::Error),
    TimedOut(TimedOut),
    /// The worker failed to open.
    Failed(F),
}

/// The caller's side of a thread that owns a worker.
///
/// Both sides sleep as soon as they have to wait. On two busy cores the two wake-ups cost 25 us for a frame at 60 Hz.
/// Spinning first, for 30 us on the thread's side or for 50 us on the caller's side or on both, did not lower that. An
/// encode takes milliseconds, so a useful spin would have to last as long.
#[derive(Debug)]
pub(crate) struct Bounded<W: Worker> {
    mailbox: Arc<Mailbox<W>>,
    progress: Progress<W::Step>,
    thread: Option<JoinHandle<()>>,
    /// Whether an answer did not come in time.
    is_lost: bool,
    /// Whether the last order was given.
    is_closing: bool,
}

impl<W: Worker> Bounded<W> {
    /// Starts a thread of this name, and waits until its worker is open.
    pub(crate) fn open(
        name: &str,
        seed: W::Seed,
        limit: Duration,
    ) -> Result<(Self, W::Opened), NotOpened<W::Failure>> {
        let mut bounded = Self::without_thread();
        let (mailbox, progress) = (Arc::clone(&bounded.mailbox), bounded.progress.clone());
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            serve(&mailbox, seed, progress);
            mailbox.end();
        });
        bounded.thread = Some(thread.map_err(NotOpened::NoThread)?);
        match bounded.wait(limit) {
            Ok(ThreadAnswer::Opened(Ok(opened))) => Ok((bounded, opened)),
            Ok(ThreadAnswer::Opened(Err(failure))) => Err(NotOpened::Failed(failure)),
            Ok(ThreadAnswer::Done(_) | ThreadAnswer::Closed) => Err(NotOpened::TimedOut(bounded.lost(limit))),
            Err(timed_out) => Err(NotOpened::TimedOut(timed_out)),
        }
    }

    fn without_thread() -> Self {
        Self {
            mailbox: Arc::default(),
            progress: Progress::default(),
            thread: None,
            is_lost: false,
            is_closing: false,
        }
    }

    /// Sends a job to the thread, and waits for the reply.
    ///
    /// # Errors
    /// [`Worker::Lost`] when no reply came within the limit, and for every later job. The job stays with the thread.
    pub(crate) fn run(&mut self, job: W::Job, limit: Duration) -> Result<W::Reply, W::Lost> {
        if self.is_lost || self.is_closing {
            return Err(self.timed_out(limit).into());
        }
        self.mailbox.order(Order::Do(job));
        match self.wait(limit)? {
            ThreadAnswer::Done(reply) => Ok(reply),
            ThreadAnswer::Opened(_) | ThreadAnswer::Closed => Err(self.lost(limit).into()),
        }
    }

    /// Orders the end of the worker on its thread, without waiting.
    pub(crate) fn begin_to_close(&mut self, memory: W::Memory) {
        if self.is_closing {
            // Freeing memory takes a call, which could hang here as another one does on the thread.
            self.mailbox.lock().for_the_last.push(memory);
        } else {
            self.is_closing = true;
            self.mailbox.close(memory);
        }
    }

    /// Ends the worker and waits within a limit; a worker that takes longer ends without the caller.
    ///
    /// Returns the thread if the worker has ended: the thread then only has to exit.
    pub(crate) fn close(mut self, memory: W::Memory, limit: Duration) -> Option<JoinHandle<()>> {
        self.begin_to_close(memory);
        if self.is_lost {
            return None;
        }
        self.wait(limit).ok()?;
        // No call is under way on the thread any more.
        let rest = std::mem::take(&mut self.mailbox.lock().for_the_last);
        drop(rest);
        self.thread.take()
    }

    /// A weak reference to the worker and its caller, dead once neither exists.
    pub(crate) fn remains(&self) -> Weak<dyn Any + Send + Sync> {
        self.progress.remains()
    }

    fn wait(&mut self, limit: Duration) -> Result<ThreadAnswer<W>, TimedOut> {
        let mut patience = Patience::new(limit);
        let mut mail = self.mailbox.lock();
        loop {
            if let Some(answer) = mail.answer.take() {
                return Ok(answer);
            }
            let Some(slice) = patience.slice(Instant::now(), mail.has_begun()) else { break };
            let woken = self.mailbox.to_caller.wait_timeout(mail, slice);
            mail = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        mail.abandon(self.progress.gpu());
        drop(mail);
        Err(self.lost(limit))
    }

    fn lost(&mut self, limit: Duration) -> TimedOut {
        self.is_lost = true;
        self.timed_out(limit)
    }

    fn timed_out(&self, limit: Duration) -> TimedOut {
        TimedOut { call: self.progress.call(), limit, gpu: self.progress.gpu() }
    }
}

impl<W: Worker> Drop for Bounded<W> {
    /// Orders the end; the thread waits for its last order.
    fn drop(&mut self) {
        if !self.is_closing {
            self.begin_to_close(W::Memory::default());
        }
    }
}

/// Does orders until the last one. A call that hangs hangs here, with everything that it may touch.
fn serve<W: Worker>(mailbox: &Mailbox<W>, seed: W::Seed, progress: Progress<W::Step>) {
    mailbox.start();
    let mut worker = match W::open(seed, &progress) {
        Ok((worker, opened)) => match mailbox.answer(ThreadAnswer::Opened(Ok(opened))) {
            Ok(()) => worker,
            Err(_too_late) => return worker.end(W::Memory::default()),
        },
        Err(failure) => {
            let _ = mailbox.answer(ThreadAnswer::Opened(Err(failure)));
            return;
        }
    };
    loop {
        match mailbox.next_order() {
            Order::Do(job) => {
                let reply = worker.run(job);
                if let Err(too_late) = mailbox.answer(ThreadAnswer::Done(reply)) {
                    // The caller has given this worker up. The rest of the caller's memory comes with the last order.
                    worker.end(W::Memory::default());
                    drop(progress);
                    drop(too_late);
                    while let Order::Do(_) = mailbox.next_order() {}
                    return;
                }
            }
            Order::Close(memory) => {
                worker.end(memory);
                // The weak reference must be dead once the end is answered.
                drop(progress);
                let _ = mailbox.answer(ThreadAnswer::Closed);
                return;
            }
        }
    }
}
