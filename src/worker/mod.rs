//! An encoder on a thread of its own: any thread sends frames, and any thread or async task receives access units.
//!
//! > The newest frame wins before it is encoded. Nothing is dropped after.
//!
//! [`spawn`] takes any [`Encoder`], usually from [`open`](crate::open), and returns two ends. A [`FrameSender`] never
//! waits and can be cloned. A [`UnitReceiver`] waits by `.await`, by blocking, or not at all.
//!
//! ```
//! use direct264::worker::{FramePool, WorkerConfig, spawn};
//! use direct264::{Bitrate, EncoderConfig, FrameRate, FrameSize, BackendOrder, Picture, PixelFormat, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let size = FrameSize::new(320, 240)?;
//! let config = EncoderConfig::new(size, FrameRate::hz(30)?, Bitrate::from_kbps(500)?);
//! let opened = direct264::open(&config, &BackendOrder::auto())?;
//! let (frames, mut units) = spawn(opened.encoder, WorkerConfig::new())?;
//!
//! let pool = FramePool::new(4);
//! let capture = std::thread::spawn(move || {
//!     for number in 0..10 {
//!         let mut frame = pool.frame(size, PixelFormat::Nv12, Timestamp(number * 3_000));
//!         frame.bytes_mut().fill(128);
//!         if frames.submit(frame, Picture::Auto).is_err() {
//!             return; // The receiver is gone.
//!         }
//!     }
//! });
//! // In async code: `while let Some(unit) = units.recv().await`.
//! while let Some(unit) = units.blocking_recv() {
//!     let unit = unit?;
//!     assert!(!unit.bytes.is_empty());
//! }
//! # capture.join().unwrap();
//! # Ok(()) }
//! ```
//!
//! # Queues
//! - **Frames** wait in a queue of [`WorkerConfig::frames`], one unless set. In a full queue a new frame replaces the
//!   oldest one, which goes back to the caller of `submit` and is counted.
//! - **Access units** wait in a queue of [`WorkerConfig::units`], two unless set. While it is full nothing is encoded.
//!   So a slow receiver costs frames, and never an access unit that others are predicted from. (A callback would hold
//!   up the thread in the same way, and could not be awaited.)
//! - **Changes** (bitrate, frame rate, quantisers, size) and requests for an IDR are never lost. Changes hold for
//!   frames submitted after them, and pass to the next frame when such a frame is replaced. Of several changes of one
//!   setting between two frames the last one counts. An IDR stays due until it was made.
//!
//! # Memory
//! All values in the queues own their memory, so that no thread waits for another. At a steady state nothing is
//! allocated. A [`HostFrame`] returns to its [`FramePool`] once it was encoded or replaced, and the memory of a
//! [`Unit`] to the worker once it is dropped. Other frames, for example in CUDA memory, implement [`ToFrame`].
//!
//! # Time
//! The worker adds two hops from thread to thread and one copy of the access unit; the bench `worker_hop` measures
//! both. [`Unit::waited`] says how long a frame waited, and [`Unit::coded_at`] when its access unit was ready.
//!
//! # Errors and the end
//! A [`WorkerError`] comes out in the place of the failed step. A frame that does not fit, or a refused change, leaves
//! the worker unchanged. An error of a frame that does not [leave the encoder
//! usable](crate::Error::leaves_encoder_usable) is the last item.
//!
//! The thread ends by itself, whichever end is dropped first:
//! - When the last [`FrameSender`] is dropped, all submitted frames are still encoded, and [`UnitReceiver`] ends after
//!   them.
//! - When the [`UnitReceiver`] is dropped, waiting frames are dropped, and [`FrameSender::submit`] returns its frame
//!   with [`Closed`].
//!
//! Dropping either end never waits: the thread finishes its current call and drops the encoder. In the bounded form
//! [`CallLimits`](crate::config::CallLimits) end a hanging driver call. [`UnitReceiver::stop`] waits for the thread
//! with a limit; call it before the process ends.

mod failure;
mod frame;
mod input;
mod output;
mod queue;
mod recycle;
mod shared;
#[cfg(test)]
#[cfg(openh264)]
mod tests;
mod thread;
mod unit;
#[cfg(test)]
#[cfg(openh264)]
mod watched;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::encoder::Encoder;

pub use failure::{FailedStep, StillRunning, WorkerError};
pub use frame::{FramePool, HostFrame, ToFrame};
pub use input::{Closed, FrameSender};
pub use output::UnitReceiver;
pub use shared::WorkerCounters;
pub use unit::Unit;

/// The queue lengths on both sides of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerConfig {
    frames: NonZeroUsize,
    units: NonZeroUsize,
}

impl WorkerConfig {
    /// A queue of one frame and two access units.
    #[must_use]
    pub const fn new() -> Self {
        const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
        Self { frames: NonZeroUsize::MIN, units: TWO }
    }

    /// Sets how many frames may wait to be encoded; 1 unless set. With 2 an early frame is not lost, and a waiting
    /// frame may be one frame older.
    #[must_use]
    pub const fn frames(mut self, frames: NonZeroUsize) -> Self {
        self.frames = frames;
        self
    }

    /// Sets how many access units may wait to be received before encoding pauses; 2 unless set.
    #[must_use]
    pub const fn units(mut self, units: NonZeroUsize) -> Self {
        self.units = units;
        self
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Moves an encoder to a thread of its own. The thread ends when either returned end is gone: see the [module](self).
///
/// # Errors
/// The operating system's error when it starts no thread; the encoder is dropped.
pub fn spawn<F, E>(encoder: E, config: WorkerConfig) -> io::Result<(FrameSender<F, E>, UnitReceiver<F, E>)>
where
    F: ToFrame,
    E: Encoder + 'static,
{
    let shared = Arc::new(shared::Shared::new(config.frames.get(), config.units.get()));
    let thread = {
        let shared = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("direct264-work".to_owned())
            .spawn(move || thread::run(encoder, &shared))?
    };
    Ok((FrameSender::first(Arc::clone(&shared)), UnitReceiver::new(shared, thread)))
}
