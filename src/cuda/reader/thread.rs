//! A thread that reads pictures, for which the caller waits with a limit.

use std::io;
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use direct264_sys::cuda::CUDA_ERROR_NOT_INITIALIZED;

use super::{Fetcher, Progress};
use crate::cuda::{PinnedMemory, Process};
use crate::error::FrameError;
use crate::frame::CudaImage;
use crate::remains::Remains;
use crate::units::FrameSize;

/// The thread, seen from the other side. It ends when this is gone; what hangs hangs there, with all that it may touch.
#[derive(Debug)]
pub(super) struct ReaderThread {
    orders: SyncSender<Order>,
    answers: Receiver<Answer>,
    limit: Duration,
    progress: Progress,
    /// Where the thread lives: a forked child has none.
    process: Process,
}

#[derive(Debug)]
enum Order {
    Fetch { image: CudaImage, size: FrameSize, memory: Option<PinnedMemory> },
    Free(Option<PinnedMemory>),
}

/// The memory travels with the work, so that nothing is shared while a call is under way.
#[derive(Debug)]
struct Answer {
    fetched: Result<(), FrameError>,
    memory: Option<PinnedMemory>,
}

impl ReaderThread {
    pub(super) fn new(limit: Duration) -> Result<Self, FrameError> {
        // One order or answer is under way at a time.
        let (orders, its_orders) = sync_channel(1);
        let (its_answers, answers) = sync_channel(1);
        let progress = Progress::default();
        let fetcher = Fetcher { gpu: None, progress: progress.clone() };
        thread::Builder::new()
            .name("direct264-fetch".to_owned())
            .spawn(move || work(fetcher, &its_orders, its_answers))
            .map_err(|error| no_thread(&error))?;
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
            let status = i64::from(CUDA_ERROR_NOT_INITIALIZED.0);
            return Err(FrameError::Unreadable { call: "cuInit", status });
        }
        let order = Order::Fetch { image, size, memory: memory.take() };
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
        let _ = orders.send(Order::Free(memory));
        drop(orders);
        // It answers nothing, and hangs up.
        let _ = answers.recv_timeout(limit);
    }
}

fn no_thread(error: &io::Error) -> FrameError {
    FrameError::Unreadable { call: "spawn", status: i64::from(error.raw_os_error().unwrap_or(0)) }
}

/// The life of the thread.
fn work(mut fetcher: Fetcher, orders: &Receiver<Order>, answers: SyncSender<Answer>) {
    while let Ok(order) = orders.recv() {
        match order {
            Order::Fetch { image, size, mut memory } => {
                let fetched = fetcher.fetch(&image, size, &mut memory);
                if answers.send(Answer { fetched, memory }).is_err() {
                    break;
                }
            }
            Order::Free(memory) => drop(memory),
        }
    }
    drop(fetcher);
    drop(answers);
}
