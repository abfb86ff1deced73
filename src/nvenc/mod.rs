//! The NVENC backend: the encoder of an NVIDIA GPU, driven through NVENC's own API.
//!
//! The driver's libraries are opened at run time. Nothing is linked, and a machine without them gets a typed reason.
//! The API version is the newest that driver and crate share, 11.0 to 12.1.
//!
//! A frame's pixels are copied once into page-locked memory, or written there by the caller ([`NvencEncoder::lend`]).
//! From there the pixels go to the device on a stream of the session, which NVENC waits for. The access unit is copied
//! out once. Device memory is registered and mapped once, not for each frame.
//!
//! In a [`Pipeline`](crate::Pipeline) the next frame is uploaded on a second stream while one is encoded.
//!
//! A frame in device memory ([`Frame::cuda`](crate::Frame::cuda)) is read in place, after the work on the stream that
//! writes it.
//!
//! The setting [`CallForm`](crate::config::CallForm) chooses the thread of the driver calls.

mod probe;

#[cfg(nvenc)]
mod availability;
#[cfg(nvenc)]
mod caps;
#[cfg(nvenc)]
mod driver;
#[cfg(nvenc)]
mod encoder;
#[cfg(nvenc)]
mod ended;
#[cfg(nvenc)]
mod job;
#[cfg(nvenc)]
mod lent;
#[cfg(nvenc)]
mod look;
#[cfg(nvenc)]
mod machine;
#[cfg(nvenc)]
mod opening;
#[cfg(nvenc)]
mod output;
#[cfg(nvenc)]
mod params;
#[cfg(nvenc)]
mod pixels;
#[cfg(nvenc)]
mod progress;
#[cfg(nvenc)]
mod runner;
#[cfg(nvenc)]
mod seat;
#[cfg(nvenc)]
mod session;
#[cfg(nvenc)]
mod slot;

use std::time::Duration;

#[cfg(nvenc)]
pub use encoder::NvencEncoder;
#[cfg(nvenc)]
pub(crate) use ended::when_a_session_ends;
#[cfg(nvenc)]
pub use lent::{LentFrame, PixelsMut, PlaneMut};
pub use probe::{Capabilities, Gpu, Probe, Version};
#[cfg(nvenc)]
pub(crate) use seat::hanging;

#[cfg(not(nvenc))]
use crate::backend::Backend;
use crate::config::CallLimits;
#[cfg(not(nvenc))]
use crate::error::Unavailable;
#[cfg(not(nvenc))]
use crate::reason::Reason;

/// Probes NVENC: loads the driver, lists the GPUs, and opens and closes a session on each, which is the only reliable
/// test. The findings can change, for example when a session limit is reached. A library that does not load or
/// initialise stays so for the life of the process.
///
/// The probe takes some 100 ms for each idle GPU, depending on the driver, and one encode session at a time. Its limit
/// is that of opening an encoder by default: see [`CallLimits`](crate::config::CallLimits::DEFAULT). A finding that is
/// missing by then has [`Reason::TimedOut`](crate::Reason::TimedOut). The probe never fails: the answer holds every
/// reason.
///
/// ```
/// let found = direct264::nvenc::probe();
/// match found.encoder() {
///     Ok((gpu, can)) => println!("{} encodes up to {}x{}", gpu.name, can.max_width, can.max_height),
///     Err(why) => println!("{why}; {}", why.advice()),
/// }
/// ```
#[must_use]
pub fn probe() -> Probe {
    probe_within(CallLimits::DEFAULT.open)
}

/// [`probe`] with another limit, on a thread of its own that a hanging driver keeps.
///
/// ```
/// let found = direct264::nvenc::probe_within(std::time::Duration::from_secs(2));
/// for gpu in &found.gpus {
///     println!("GPU {}: {}", gpu.index, gpu.name);
/// }
/// ```
#[must_use]
pub fn probe_within(limit: Duration) -> Probe {
    #[cfg(nvenc)]
    return look::probe(limit);
    #[cfg(not(nvenc))]
    {
        let _ = limit;
        Probe { unavailable: Some(not_built()), ..Probe::default() }
    }
}

/// The number of this process's NVENC sessions, from before their opening until after their end. The end of a failed
/// session goes on after its encoder was dropped. A program that should leave none to the driver waits, before it exits,
/// until this is 0, for as long as it can:
///
/// ```
/// use std::time::{Duration, Instant};
/// let deadline = Instant::now() + Duration::from_secs(1);
/// while direct264::nvenc::sessions() > 0 && Instant::now() < deadline {
///     std::thread::sleep(Duration::from_millis(5));
/// }
/// ```
#[must_use]
pub fn sessions() -> usize {
    #[cfg(nvenc)]
    return seat::sessions();
    #[cfg(not(nvenc))]
    0
}

#[cfg(not(nvenc))]
pub(crate) fn not_built() -> Unavailable {
    Unavailable::new(Backend::Nvenc, Reason::NotBuilt, "feature nvenc")
}
