//! What a bounded thread owns, and the error of a call that is late.

use std::fmt::Debug;
use std::time::Duration;

use super::progress::{CallStep, Progress};

/// State that a bounded thread owns, and what the thread does with it.
pub(crate) trait Worker: Debug + Sized + 'static {
    /// The calls that can hang.
    type Step: CallStep;
    /// What opening needs.
    type Seed: Debug + Send;
    /// What opening tells the caller.
    type Opened: Debug + Send;
    /// Why there is no worker.
    type Failure: Debug + Send;
    type Job: Debug + Send;
    type Reply: Debug + Send;
    /// Why no reply came.
    type Lost: From<TimedOut>;
    /// Memory of the caller that is freed after the worker.
    type Memory: Debug + Default + Send;

    /// Opens the worker. A worker tells `progress`, or a clone that it keeps, which call comes next.
    fn open(seed: Self::Seed, progress: &Progress<Self::Step>)
    -> Result<(Self, Self::Opened), Self::Failure>;

    fn run(&mut self, job: Self::Job) -> Self::Reply;

    /// Ends the worker, and frees `memory` where no call can touch it any more.
    fn end(self, memory: Self::Memory);

    /// Notes that a call hangs and that nobody waits for it, with the GPU if the worker had come to one.
    fn hangs_on(_gpu: Option<i32>) {}

    /// Notes that the thread of such a call has come to its end.
    fn came_back_from(_gpu: Option<i32>) {}
}

/// The limit has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimedOut {
    /// The call that hangs, or that comes after the one that does.
    pub(crate) call: &'static str,
    pub(crate) limit: Duration,
    /// The GPU by its place in CUDA's order, where the worker had come to one.
    pub(crate) gpu: Option<i32>,
}
