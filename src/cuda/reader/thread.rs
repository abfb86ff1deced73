//! A thread that reads pictures from device memory, while the caller waits with a limit.

use std::convert::Infallible;
use std::mem;
use std::time::Duration;

use super::fetcher::{FetchProgress, FetchStep, Fetcher};
use crate::bounded::{Bounded, NotOpened, TimedOut, Worker};
use crate::cuda::forked;
use crate::cuda::memory::PinnedMemory;
use crate::cuda::process::Process;
use crate::error::{FrameError, NoThread, Unreadable};
use crate::frame::CudaImage;
use crate::remains::Remains;
use crate::units::FrameSize;

/// A thread that owns a fetcher, with the limit of its calls.
#[derive(Debug)]
pub(super) struct ReaderThread {
    calls: Bounded<Fetcher>,
    limit: Duration,
    /// The process of the thread; a forked child has no such thread.
    process: Process,
}

/// A picture to fetch, with memory to use again.
#[derive(Debug)]
pub(super) struct Fetch {
    image: CudaImage,
    size: FrameSize,
    memory: Option<PinnedMemory>,
}

/// The result of a fetch, with the memory that holds the picture.
#[derive(Debug)]
pub(super) struct Fetched {
    result: Result<(), FrameError>,
    memory: Option<PinnedMemory>,
}

impl ReaderThread {
    pub(super) fn new(limit: Duration) -> Result<Self, FrameError> {
        const THREAD: &str = "direct264-fetch";
        match Bounded::open(THREAD, (), limit) {
            Ok((calls, ())) => Ok(Self { calls, limit, process: Process::current() }),
            Err(NotOpened::NoThread(error)) => {
                Err(Unreadable::NoThread(NoThread::new(THREAD, &error)).into())
            }
            Err(NotOpened::TimedOut(timed_out)) => Err(timed_out.into()),
        }
    }

    /// Fetches as [`Fetcher::fetch`] does. After [`FrameError::TimedOut`] the thread fetches no more, and keeps
    /// `memory`.
    pub(super) fn fetch(
        &mut self,
        image: CudaImage,
        size: FrameSize,
        memory: &mut Option<PinnedMemory>,
    ) -> Result<(), FrameError> {
        if Process::current() != self.process {
            return Err(forked(
                "the thread that reads frames is in the process that this one was forked from",
            )
            .into());
        }
        let fetch = Fetch { image, size, memory: memory.take() };
        let fetched = self.calls.run(fetch, self.limit)?;
        *memory = fetched.memory;
        fetched.result
    }

    pub(super) fn remains(&self) -> Remains {
        self.calls.remains()
    }

    /// Frees the memory and the fetcher on the thread, and waits for that within the limit.
    pub(super) fn close(self, memory: Option<PinnedMemory>) {
        if Process::current() != self.process {
            // In a forked child memory and thread belong to the parent process.
            return mem::forget((self, memory));
        }
        self.calls.close(memory, self.limit);
    }
}

impl From<TimedOut> for FrameError {
    fn from(timed_out: TimedOut) -> Self {
        Self::TimedOut { call: timed_out.call, limit: timed_out.limit }
    }
}

impl Worker for Fetcher {
    type Step = FetchStep;
    type Seed = ();
    type Opened = ();
    type Failure = Infallible;
    type Job = Fetch;
    type Reply = Fetched;
    type Lost = FrameError;
    type Memory = Option<PinnedMemory>;

    fn open((): (), progress: &FetchProgress) -> Result<(Self, ()), Infallible> {
        Ok((Self::new(progress.clone()), ()))
    }

    fn run(&mut self, Fetch { image, size, mut memory }: Fetch) -> Fetched {
        let result = self.fetch(&image, size, &mut memory);
        Fetched { result, memory }
    }

    fn end(self, memory: Option<PinnedMemory>) {
        drop(memory);
        drop(self);
    }
}
