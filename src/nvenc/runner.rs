//! Runs a session's driver calls, on the caller's thread or on a session thread that the caller waits for with a
//! limit.

use std::sync::Weak;

use super::job::{Job, Reply};
use super::opening::{self, Opened};
use super::progress::{SessionProgress, SessionStep};
use super::seat;
use super::session::Session;
use crate::backend::Backend;
use crate::bounded::{Bounded, NotOpened, TimedOut, Worker};
use crate::config::{CallForm, CallLimits, EncoderConfig};
use crate::cuda::PinnedMemory;
use crate::error::{DriverError, Error, Internal, NoThread, Unavailable};
use crate::remains::Remains;

/// A session and the thread of its calls.
#[derive(Debug)]
pub(super) enum Runner {
    Direct(Box<Session>),
    Bounded(SessionThread),
    Gone,
}

impl Runner {
    pub(super) fn open(config: &EncoderConfig) -> Result<(Self, Opened), Error> {
        match config.nvenc.form {
            CallForm::Direct => {
                let (session, opened) = opening::open(config, &SessionProgress::default())?;
                Ok((Self::Direct(Box::new(session)), opened))
            }
            CallForm::Bounded(limits) => {
                let (thread, opened) = SessionThread::open(config, limits)?;
                Ok((Self::Bounded(thread), opened))
            }
        }
    }

    /// The remains of the session once this was closed.
    pub(super) fn remains(&self) -> Remains {
        match self {
            Self::Direct(session) => session.remains(),
            Self::Bounded(thread) => thread.calls.remains(),
            Self::Gone => Weak::<()>::new(),
        }
    }

    /// Does a job. `first` says that no access unit has come out yet.
    ///
    /// # Errors
    /// [`Error::Driver`] when no reply came within the limit: the session is lost, together with the job's memory.
    pub(super) fn run(&mut self, job: Job, first: bool) -> Result<Reply, Error> {
        match self {
            Self::Direct(session) => Ok(session.run(job)),
            Self::Bounded(thread) => thread.run(job, first),
            Self::Gone => Err(Internal::new("a job for a session that was closed").into()),
        }
    }

    /// Whether the session ends on its own thread, so that the caller need not wait.
    pub(super) const fn closes_by_itself(&self) -> bool {
        matches!(self, Self::Bounded(_))
    }

    /// Starts the end of a failed session on its own thread, at no cost for the caller. A session on the caller's
    /// thread stays until [`close`](Runner::close).
    pub(super) fn begin_to_close(&mut self, memory: Vec<PinnedMemory>) {
        if let Self::Bounded(thread) = self {
            thread.calls.begin_to_close(memory);
        }
    }

    /// Ends the session and frees `memory` after it. Returns once that is done, or once the limit has passed and the
    /// end goes on without the caller.
    pub(super) fn close(self, memory: Vec<PinnedMemory>) {
        match self {
            Self::Direct(session) => session.end(memory),
            Self::Bounded(thread) => drop(thread.calls.close(memory, thread.limits.first)),
            Self::Gone => drop(memory),
        }
    }
}

/// A thread that owns a session, with the limits of its calls.
#[derive(Debug)]
pub(super) struct SessionThread {
    calls: Bounded<Session>,
    limits: CallLimits,
}

impl SessionThread {
    fn open(config: &EncoderConfig, limits: CallLimits) -> Result<(Self, Opened), Error> {
        const THREAD: &str = "direct264-nvenc";
        match Bounded::open(THREAD, config.clone(), limits.open) {
            Ok((calls, opened)) => Ok((Self { calls, limits }, opened)),
            Err(NotOpened::Failed(error)) => Err(error),
            Err(NotOpened::NoThread(error)) => Err(NoThread::new(THREAD, &error).into()),
            Err(NotOpened::TimedOut(timed_out)) => {
                let gpu = timed_out.gpu.map(|gpu| format!(" on GPU {gpu}")).unwrap_or_default();
                let error = DriverError::from(timed_out);
                let detail = format!("{}{gpu}", error.clause());
                Err(Unavailable::after(&error, detail).into())
            }
        }
    }

    fn run(&mut self, job: Job, first: bool) -> Result<Reply, Error> {
        let limit = if first || job.waits_for_others() { self.limits.first } else { self.limits.rest };
        Ok(self.calls.run(job, limit)?)
    }
}

impl From<TimedOut> for DriverError {
    fn from(timed_out: TimedOut) -> Self {
        Self::timed_out(Backend::Nvenc, timed_out.call, timed_out.limit)
    }
}

impl Worker for Session {
    type Step = SessionStep;
    type Seed = EncoderConfig;
    type Opened = Opened;
    type Failure = Error;
    type Job = Job;
    type Reply = Reply;
    type Lost = DriverError;
    type Memory = Vec<PinnedMemory>;

    fn open(config: EncoderConfig, progress: &SessionProgress) -> Result<(Self, Opened), Error> {
        opening::open(&config, progress)
    }

    fn run(&mut self, job: Job) -> Reply {
        Self::run(self, job)
    }

    fn end(self, memory: Vec<PinnedMemory>) {
        Self::end(self, memory);
    }

    fn hangs_on(gpu: Option<i32>) {
        seat::hangs_on(gpu);
    }

    fn came_back_from(gpu: Option<i32>) {
        seat::came_back_from(gpu);
    }
}
