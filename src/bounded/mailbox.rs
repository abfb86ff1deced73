//! The mailbox between a caller and its thread: one order and one answer at a time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::worker::Worker;

#[derive(Debug)]
pub(super) struct Mailbox<W: Worker> {
    mail: Mutex<Mail<W>>,
    to_thread: Condvar,
    pub(super) to_caller: Condvar,
}

#[derive(Debug)]
pub(super) struct Mail<W: Worker> {
    order: Option<Order<W>>,
    pub(super) answer: Option<ThreadAnswer<W>>,
    /// The thread runs, and opens the worker or has opened it.
    is_started: bool,
    /// Whether the caller has stopped waiting and takes no more answers.
    is_abandoned: bool,
    /// The GPU of the worker when the caller stopped waiting, until the thread returns from the call.
    hangs_on: Option<Option<i32>>,
    /// Whether the thread is done with the worker.
    has_ended: bool,
    /// A job that the thread had not reached when the caller stopped waiting.
    never_begun: Option<Order<W>>,
    /// Memory that the last side frees: the thread, while one of its calls hangs.
    pub(super) for_the_last: Vec<W::Memory>,
}

#[derive(Debug)]
pub(super) enum Order<W: Worker> {
    Do(W::Job),
    Close(W::Memory),
}

#[derive(Debug)]
pub(super) enum ThreadAnswer<W: Worker> {
    Opened(Result<W::Opened, W::Failure>),
    Done(W::Reply),
    Closed,
}

impl<W: Worker> Default for Mailbox<W> {
    fn default() -> Self {
        Self { mail: Mutex::default(), to_thread: Condvar::new(), to_caller: Condvar::new() }
    }
}

impl<W: Worker> Default for Mail<W> {
    fn default() -> Self {
        Self {
            order: None,
            answer: None,
            is_started: false,
            is_abandoned: false,
            hangs_on: None,
            has_ended: false,
            never_begun: None,
            for_the_last: Vec::new(),
        }
    }
}

impl<W: Worker> Mail<W> {
    /// Whether the thread has begun the order that the caller waits for. A call that has not begun does not hang.
    pub(super) const fn has_begun(&self) -> bool {
        self.is_started && self.order.is_none()
    }

    /// Records that the caller stops waiting for a call on that GPU.
    pub(super) fn abandon(&mut self, gpu: Option<i32>) {
        if !self.is_abandoned && !self.has_ended {
            self.hangs_on = Some(gpu);
            W::hangs_on(gpu);
        }
        self.is_abandoned = true;
    }
}

impl<W: Worker> Mailbox<W> {
    /// No code that holds the lock can panic, so a poisoned one is as good as any.
    pub(super) fn lock(&self) -> MutexGuard<'_, Mail<W>> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn order(&self, order: Order<W>) {
        self.lock().order = Some(order);
        self.to_thread.notify_one();
    }

    /// Gives the last order. A job that still lies there keeps its memory, since freeing it takes a driver call.
    pub(super) fn close(&self, memory: W::Memory) {
        let mut mail = self.lock();
        mail.never_begun = mail.order.replace(Order::Close(memory));
        drop(mail);
        self.to_thread.notify_one();
    }

    pub(super) fn start(&self) {
        self.lock().is_started = true;
    }

    pub(super) fn next_order(&self) -> Order<W> {
        let mut mail = self.lock();
        loop {
            match mail.order.take() {
                Some(order) => return order,
                None => mail = self.to_thread.wait(mail).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    pub(super) fn end(&self) {
        let mut mail = self.lock();
        mail.has_ended = true;
        if let Some(gpu) = mail.hangs_on.take() {
            W::came_back_from(gpu);
        }
    }

    /// Hands an answer over; gives it back if nobody waits for it any more.
    pub(super) fn answer(&self, answer: ThreadAnswer<W>) -> Result<(), Box<ThreadAnswer<W>>> {
        let mut mail = self.lock();
        if mail.is_abandoned {
            return Err(Box::new(answer));
        }
        mail.answer = Some(answer);
        drop(mail);
        self.to_caller.notify_one();
        Ok(())
    }
}
