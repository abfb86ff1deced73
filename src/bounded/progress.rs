//! Tells the waiting caller which call a worker is in.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// A stretch of work that ends with a call that can take long. What hangs is that call or one on the way to it.
pub(crate) trait CallStep: Copy + 'static {
    /// The call of each step.
    const CALLS: &'static [&'static str];

    /// The place of the step in [`CALLS`](CallStep::CALLS).
    fn index(self) -> usize;
}

/// The only step of a worker that does not tell its calls.
impl CallStep for () {
    const CALLS: &'static [&'static str] = &[""];

    fn index(self) -> usize {
        0
    }
}

/// Defines an enum of steps, each with the call at its end.
macro_rules! steps {
    ($(#[$about:meta])* $visible:vis enum $name:ident { $($step:ident = $call:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        $visible enum $name { $($step,)+ }

        impl $crate::bounded::CallStep for $name {
            const CALLS: &'static [&'static str] = &[$($call,)+];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use steps;

/// The current step of a worker, written by the thread and read by the caller.
#[derive(Debug)]
pub(crate) struct Progress<S>(Arc<ProgressMark>, PhantomData<fn(S)>);

#[derive(Debug)]
struct ProgressMark {
    step: AtomicUsize,
    /// The place in CUDA's order; below 0 without a GPU.
    gpu: AtomicI32,
}

impl<S> Default for Progress<S> {
    /// The first step, on no GPU.
    fn default() -> Self {
        Self(Arc::new(ProgressMark { step: AtomicUsize::new(0), gpu: AtomicI32::new(-1) }), PhantomData)
    }
}

impl<S> Clone for Progress<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<S: CallStep> Progress<S> {
    pub(crate) fn at(&self, step: S) {
        self.0.step.store(step.index(), Ordering::Relaxed);
    }

    /// The call at the end of the current step.
    pub(crate) fn call(&self) -> &'static str {
        S::CALLS.get(self.0.step.load(Ordering::Relaxed)).copied().unwrap_or_default()
    }

    /// Records the GPU of the steps from here on.
    pub(crate) fn on(&self, gpu: i32) {
        self.0.gpu.store(gpu, Ordering::Relaxed);
    }

    /// The GPU of the current step, by its place in CUDA's order.
    pub(crate) fn gpu(&self) -> Option<i32> {
        Some(self.0.gpu.load(Ordering::Relaxed)).filter(|&gpu| gpu >= 0)
    }

    /// A weak reference, dead once neither the work nor its caller exists.
    pub(crate) fn remains(&self) -> Weak<dyn Any + Send + Sync> {
        let place: Weak<ProgressMark> = Arc::downgrade(&self.0);
        place
    }
}
