//! A thread that reads pictures, for which the caller waits with a limit.

use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::{FetchProgress, Fetcher};
use crate::cuda::{PinnedMemory, Process, forked};
use crate::error::{FrameError, NoThread, Unreadable};
use crate::frame::CudaImage;
use crate::remains::Remains;
use crate::units::FrameSize;

/// The thread, seen from the other side. It ends when this is gone; what hangs hangs there, with all that it may touch.
#[derive(Debug)]
pub(super) struct ReaderThread {
    orders: SyncSender<FetchRequest>,
    answers: Receiver<FetchReply>,
    limit: Duration,
    progress: FetchProgress,
    /// Where the thread lives: a forked child has none.
    process: Process,
}

#[derive(Debug)]
enum FetchRequest {
    Fetch { image: CudaImage, size: FrameSize, memory: Option<PinnedMemory> },
    Free(Option<PinnedMemory>),
}

/// The memory travels with the work, so that nothing is shared while a call is under way.
#[derive(Debug)]
struct FetchReply {
    fetched: Result<(), FrameError>,
    memory: Option<PinnedMemory>,
}

impl ReaderThread {
    pub(super) fn new(limit: Duration) -> Result<Self, FrameError> {
        const THREAD: &str = "direct264-fetch";
        // One order or answer is under way at a time.
        let (orders, its_orders) = sync_channel(1);
        let (its_answers, answers) = sync_channel(1);
        let progress = FetchProgress::default();
        let fetcher = Fetcher { gpu: None, progress: progress.clone() };
        thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || work(fetcher, &its_orders, its_answers))
            .map_err(|error| Unreadable::NoThread(NoThread::new(THREAD, &error)))?;
        Ok(Self { orders, answers, limit, progress, process: Process::current() })
    }

    /// See [`Fetcher::fetch`]. After [`FrameError::TimedOut`] this is of no more use, and `memory` is with the thread.
    pub(super) fn fetch(
        &self,
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
        let order = FetchRequest::Fetch { image, size, memory: memory.take() };
        // A thread that is not there any more answers nothing either.
        let _ = self.orders.send(order);
        match self.answers.recv_timeout(self.limit) {
            Ok(answer) => {
                *memory = answer.memory;
                answer.fetched
            }
            Err(_) => Err(FrameError::TimedOut { call: self.progress.call(), limit: self.limit }),
        }
    }

    pub(super) fn remains(&self) -> Remains {
        self.progress.remains()
    }

    /// Has the thread free the memory and all that it has of its own. Returns when that is done, or when the limit is
    /// passed and it goes on without the caller.
    pub(super) fn close(self, memory: Option<PinnedMemory>) {
        if Process::current() != self.process {
            // A forked child has a copy of what is another's to end.
            return mem::forget((self, memory));
        }
        let Self { orders, answers, limit, .. } = self;
        let _ = orders.send(FetchRequest::Free(memory));
        drop(orders);
        // It answers nothing, and hangs up.
        let _ = answers.recv_timeout(limit);
    }
}

/// The life of the thread.
fn work(mut fetcher: Fetcher, orders: &Receiver<FetchRequest>, answers: SyncSender<FetchReply>) {
    while let Ok(order) = orders.recv() {
        match order {
            FetchRequest::Fetch { image, size, mut memory } => {
                let fetched = fetcher.fetch(&image, size, &mut memory);
                if answers.send(FetchReply { fetched, memory }).is_err() {
                    break;
                }
            }
            FetchRequest::Free(memory) => drop(memory),
        }
    }
    drop(fetcher);
    drop(answers);
}
