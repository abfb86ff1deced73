//! Who makes the driver calls of a session: the caller's thread, or a thread of the session's own for which the
//! caller waits with a limit.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::job::{Job, Reply};
use super::opening::{self, Setup};
use super::progress::Progress;
use super::seat;
use super::session::Session;
use crate::backend::Backend;
use crate::config::{CallForm, CallLimits, EncoderConfig};
use crate::cuda::PinnedMemory;
use crate::error::{DriverError, Error, Internal, NoThread, Unavailable};
use crate::remains::Remains;

/// A session and who makes its calls.
#[derive(Debug)]
pub(super) enum Runner {
    Direct(Box<Session>),
    Bounded(SessionThread),
    /// There is no session any more.
    Gone,
}

impl Runner {
    pub(super) fn open(config: &EncoderConfig) -> Result<(Self, Setup), Error> {
        let progress = Progress::default();
        match config.nvenc.form {
            CallForm::Direct => {
                let (session, setup) = opening::open(config, &progress)?;
                Ok((Self::Direct(Box::new(session)), setup))
            }
            CallForm::Bounded(limits) => {
                let (worker, setup) = SessionThread::open(config, limits, progress)?;
                Ok((Self::Bounded(worker), setup))
            }
        }
    }

    /// What is left of the session once this was closed.
    pub(super) fn remains(&self) -> Remains {
        match self {
            Self::Direct(session) => session.remains(),
            Self::Bounded(worker) => worker.progress.remains(),
            Self::Gone => Weak::<()>::new(),
        }
    }

    /// Does a job. `first` says that no access unit has come yet.
    ///
    /// # Errors
    /// [`Error::Driver`] when no reply came within the limit: the session is lost, with what the job held.
    pub(super) fn run(&mut self, job: Job, first: bool) -> Result<Reply, Error> {
        match self {
            Self::Direct(session) => Ok(session.run(job)),
            Self::Bounded(worker) => worker.run(job, first),
            Self::Gone => Err(Internal::new("a job for a session that was closed").into()),
        }
    }

    /// Has a session that failed end where that costs the caller nothing: on its own thread. On the caller's thread it
    /// stays until [`close`](Runner::close).
    pub(super) fn begin_to_close(&mut self, memory: impl FnOnce() -> Vec<PinnedMemory>) {
        if let Self::Bounded(worker) = self {
            worker.begin_to_close(memory());
        }
    }

    /// Ends the session and frees `memory` after it. Returns when that is done, or when the limit is passed and it
    /// goes on without the caller.
    pub(super) fn close(self, memory: Vec<PinnedMemory>) {
        match self {
            Self::Direct(session) => session.end(memory),
            Self::Bounded(worker) => worker.close(memory),
            Self::Gone => drop(memory),
        }
    }
}

/// A thread that owns a session, seen from the other side.
///
/// Both sides sleep as soon as they have to wait. On two busy cores the two wake-ups cost 25 us for a frame at 60 Hz;
/// spinning for 30 us first made that no less on the thread's side, and 50 us on the caller's side or on both.
/// An encode takes milliseconds and a frame's time 16 of them, so a spin that pays would have to last as long.
#[derive(Debug)]
pub(super) struct SessionThread {
    mailbox: Arc<Mailbox>,
    limits: CallLimits,
    progress: Progress,
    /// An answer did not come in time.
    is_lost: bool,
    /// The last order was given.
    is_closing: bool,
}

#[derive(Debug)]
struct Mailbox {
    mail: Mutex<Mail>,
    to_worker: Condvar,
    to_caller: Condvar,
}

#[derive(Debug, Default)]
struct Mail {
    order: Option<ToThread>,
    answer: Option<FromThread>,
    /// The caller has stopped waiting and takes no answer any more.
    is_abandoned: bool,
    /// Where the thread was then, if it has not come back since.
    hangs_on: Option<Option<i32>>,
    /// The thread has nothing more to do with the driver.
    has_ended: bool,
    /// What is freed by whichever side is the last: by the thread, if a call of it hangs still.
    for_the_last: Vec<PinnedMemory>,
}

#[derive(Debug)]
enum ToThread {
    Do(Job),
    Close(Vec<PinnedMemory>),
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each frame")]
enum FromThread {
    Opened(Result<Setup, Error>),
    Done(Reply),
    Closed,
}

impl SessionThread {
    fn open(config: &EncoderConfig, limits: CallLimits, progress: Progress) -> Result<(Self, Setup), Error> {
        const THREAD: &str = "direct264-nvenc";
        let mailbox = Arc::new(Mailbox {
            mail: Mutex::default(),
            to_worker: Condvar::new(),
            to_caller: Condvar::new(),
        });
        let (its, config, its_progress) = (Arc::clone(&mailbox), config.clone(), progress.clone());
        thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || work(&its, &config, its_progress))
            .map_err(|error| NoThread::new(THREAD, &error))?;
        let mut worker = Self { mailbox, limits, progress, is_lost: false, is_closing: false };
        match worker.wait(limits.open) {
            Ok(FromThread::Opened(opened)) => Ok((worker, opened?)),
            Ok(_) => Err(worker.mistaken()),
            Err(error) => {
                let gpu = worker.progress.gpu().map(|gpu| format!(" on GPU {gpu}")).unwrap_or_default();
                let detail = format!("{}{gpu}", error.clause());
                Err(Unavailable::after(&error, detail).into())
            }
        }
    }

    fn run(&mut self, job: Job, first: bool) -> Result<Reply, Error> {
        // A picture in device memory also waits for what the GPU has still to write there.
        let is_behind_others = matches!(
            job,
            Job::EncodeDevice { .. } | Job::Fetch { .. } | Job::Pipe { is_behind_others: true, .. }
        );
        let limit = if first || is_behind_others { self.limits.first } else { self.limits.rest };
        if self.is_lost {
            return Err(self.timed_out(limit).into());
        }
        if self.is_closing {
            return Err(Internal::new("a job for a session that is being closed").into());
        }
        self.mailbox.order(ToThread::Do(job));
        match self.wait(limit)? {
            FromThread::Done(reply) => Ok(reply),
            FromThread::Opened(_) | FromThread::Closed => Err(self.mistaken()),
        }
    }

    fn begin_to_close(&mut self, memory: Vec<PinnedMemory>) {
        if self.is_closing {
            // To free it takes a call, which could hang here as another one does there.
            self.mailbox.lock().for_the_last.extend(memory);
        } else {
            self.is_closing = true;
            self.mailbox.order(ToThread::Close(memory));
        }
    }

    fn close(mut self, memory: Vec<PinnedMemory>) {
        self.begin_to_close(memory);
        // A session that takes longer to end does so on its own thread.
        if !self.is_lost && self.wait(self.limits.first).is_ok() {
            // No call is under way there any more, and what is freed here is freed when this returns.
            let rest = std::mem::take(&mut self.mailbox.lock().for_the_last);
            drop(rest);
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<FromThread, DriverError> {
        let deadline = Instant::now().checked_add(limit);
        let mut mail = self.mailbox.lock();
        loop {
            if let Some(answer) = mail.answer.take() {
                return Ok(answer);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            mail = match left {
                Some(Duration::ZERO) => {
                    if !mail.is_abandoned && !mail.has_ended {
                        let gpu = self.progress.gpu();
                        mail.hangs_on = Some(gpu);
                        seat::hangs_on(gpu);
                    }
                    mail.is_abandoned = true;
                    drop(mail);
                    return Err(self.lost(limit));
                }
                Some(left) => {
                    self.mailbox.to_caller.wait_timeout(mail, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.mailbox.to_caller.wait(mail).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lost(&mut self, limit: Duration) -> DriverError {
        self.is_lost = true;
        self.timed_out(limit)
    }

    fn timed_out(&self, limit: Duration) -> DriverError {
        DriverError::timed_out(Backend::Nvenc, self.progress.step().call(), limit)
    }

    /// The thread answered something that it was not asked for.
    fn mistaken(&mut self) -> Error {
        self.is_lost = true;
        Internal::new("an answer to another order").into()
    }
}

impl Mailbox {
    /// No code that holds the lock can panic, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, order: ToThread) {
        self.lock().order = Some(order);
        self.to_worker.notify_one();
    }

    fn next_order(&self) -> ToThread {
        let mut mail = self.lock();
        loop {
            match mail.order.take() {
                Some(order) => return order,
                None => mail = self.to_worker.wait(mail).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn end(&self) {
        let mut mail = self.lock();
        mail.has_ended = true;
        if let Some(gpu) = mail.hangs_on.take() {
            seat::came_back_from(gpu);
        }
    }

    /// Hands an answer over; gives it back if nobody waits for it any more.
    fn answer(&self, answer: FromThread) -> Result<(), Box<FromThread>> {
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

/// The life of the thread.
fn work(mailbox: &Mailbox, config: &EncoderConfig, progress: Progress) {
    serve(mailbox, config, progress);
    mailbox.end();
}

/// A call that hangs hangs here, with everything that it may touch.
fn serve(mailbox: &Mailbox, config: &EncoderConfig, progress: Progress) {
    let opened = opening::open(config, &progress);
    // From here on the session alone has it, so that nothing of it remains once its end is answered.
    drop(progress);
    let mut session = match opened {
        Ok((session, setup)) => match mailbox.answer(FromThread::Opened(Ok(setup))) {
            Ok(()) => session,
            Err(_too_late) => return session.end(Vec::new()),
        },
        Err(error) => {
            let _ = mailbox.answer(FromThread::Opened(Err(error)));
            return;
        }
    };
    loop {
        match mailbox.next_order() {
            ToThread::Do(job) => {
                let reply = session.run(job);
                if let Err(too_late) = mailbox.answer(FromThread::Done(reply)) {
                    // Nobody uses this session any more. What the caller still holds of it comes with its last order.
                    session.end(Vec::new());
                    drop(too_late);
                    while let ToThread::Do(_) = mailbox.next_order() {}
                    return;
                }
            }
            ToThread::Close(memory) => {
                session.end(memory);
                let _ = mailbox.answer(FromThread::Closed);
                return;
            }
        }
    }
}
