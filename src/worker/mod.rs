//! An encoder on a thread of its own: frames go in from wherever they are captured, access units come out wherever they
//! are sent, in async code or not.
//!
//! > The newest frame wins before it is encoded. Nothing is dropped after.
//!
//! [`spawn`] takes any [`Encoder`], most often the one of [`open`](crate::open), and gives two ends: a [`FrameSender`], which
//! never waits and can be cloned, and a [`UnitReceiver`], which waits by `.await`, by blocking, or not at all.
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
//!             return; // Nobody receives any more.
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
//! # What is kept and what gives way
//! - **Frames** wait in a queue of [`WorkerConfig::frames`], one unless set. When it is full a new frame takes the place of the
//!   oldest one, which comes back to who submitted the new one, and is counted.
//! - **Access units** wait in a queue of [`WorkerConfig::units`], two unless set. While it is full nothing is encoded, so that a
//!   receiver that is slow costs frames and never an access unit, on which others would rest. (A callback in place of the
//!   queue would hold the thread up just so, and could not be awaited.)
//! - **Changes** (bitrate, frame rate, quantisers, size) and requests for an IDR are never lost. They hold for the frames that
//!   are submitted after them and for none before; when such a frame is replaced they pass to the next. Of several changes
//!   of one thing between two frames the last one counts. An IDR is owed until one was made.
//!
//! # Memory
//! What is passed on is owned, so that no thread waits for another. At a steady state nothing is allocated: a [`HostFrame`] goes
//! back to its [`FramePool`] when it was encoded or replaced, and the memory of a [`Unit`] to the worker when it is
//! dropped. Frames that lie elsewhere, in CUDA memory for one, come in by [`ToFrame`].
//!
//! # Time
//! The worker adds two hops from thread to thread, and one copy of the access unit: `cargo bench --bench worker_hop`
//! measures them; the README has figures. [`Unit::waited`] and [`Unit::coded_at`] tell of each access unit how long its frame
//! waited, and when it was ready.
//!
//! # Errors and the end
//! An error comes out in the place of what failed, as a [`WorkerError`]. A frame that does not fit, or a change that is
//! refused, leaves the worker as it was. When an error of a frame does not
//! [leave the encoder usable](crate::Error::leaves_encoder_usable), that error is the last thing that comes.
//!
//! The thread ends by itself, whichever end goes first:
//! - When the last [`FrameSender`] is dropped, what was submitted is still encoded, and [`UnitReceiver`] ends after it.
//! - When the [`UnitReceiver`] is dropped, so are frames that wait, and [`FrameSender::submit`] returns the frame with [`Closed`].
//!
//! Dropping either never waits: the thread goes on by itself to the end of the call that it is in, which a driver's hang does
//! not prolong beyond the [`CallLimits`](crate::config::CallLimits) of the bounded form, and drops the encoder.
//! [`UnitReceiver::stop`] waits for that, with a limit; who ends the process calls it before.

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

/// How much may wait on either side of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerConfig {
    frames: NonZeroUsize,
    units: NonZeroUsize,
}

impl WorkerConfig {
    /// One frame may wait to be encoded, and two access units to be received.
    #[must_use]
    pub const fn new() -> Self {
        const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
        Self { frames: NonZeroUsize::MIN, units: TWO }
    }

    /// Frames that may wait to be encoded; 1 unless set. With 2 a frame that comes early is not lost, and one that waits
    /// may be a frame older.
    #[must_use]
    pub const fn frames(mut self, frames: NonZeroUsize) -> Self {
        self.frames = frames;
        self
    }

    /// Access units that may wait to be received before nothing more is encoded; 2 unless set.
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

/// Moves an encoder to a thread of its own. The thread ends when either of what is returned has gone: see the
/// [module](self).
///
/// # Errors
/// What the operating system says when it has no thread to give; the encoder is dropped.
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
