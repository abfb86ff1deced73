//! The state that a bounded thread owns, and the error of a late call.

use std::fmt::Debug;
use std::time::Duration;

use super::progress::{CallStep, Progress};

/// State that a bounded thread owns, and the work that the thread does with it.
pub(crate) trait Worker: Debug + Sized + 'static {
    /// The calls that can hang.
    type Step: CallStep;
    /// The input of opening.
    type Seed: Debug + Send;
    /// The result of opening for the caller.
    type Opened: Debug + Send;
    /// The cause for which no worker was opened.
    type Failure: Debug + Send;
    type Job: Debug + Send;
    type Reply: Debug + Send;
    /// The cause for which no reply came.
    type Lost: From<TimedOut>;
    /// Memory of the caller that is freed after the worker.
    type Memory: Debug + Default + Send;

    /// Opens the worker, which reports its next call through `progress` or a clone of it.
    fn open(seed: Self::Seed, progress: &Progress<Self::Step>)
    -> Result<(Self, Self::Opened), Self::Failure>;

    fn run(&mut self, job: Self::Job) -> Self::Reply;

    /// Ends the worker, and frees `memory` once no call can touch it.
    fn end(self, memory: Self::Memory);

    /// Records that an abandoned call hangs, with the GPU if the worker had come to one.
    fn hangs_on(_gpu: Option<i32>) {}

    /// Records that the thread of an abandoned call has come to its end.
    fn came_back_from(_gpu: Option<i32>) {}
}

/// The error of a call whose limit has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimedOut {
    /// The call that hangs, or the one after it.
    pub(crate) call: &'static str,
    pub(crate) limit: Duration,
    /// The GPU by its place in CUDA's order, where the worker had come to one.
    pub(crate) gpu: Option<i32>,
}
