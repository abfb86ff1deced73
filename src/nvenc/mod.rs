//! The encoder of an NVIDIA GPU, driven through NVENC's own interface.
//!
//! The driver's libraries are opened at run time; nothing is linked, and a machine without them gets a typed reason.
//! What is spoken is the newest API that driver and crate both know, 11.0 to 12.1.
//!
//! How a frame goes: its pixels are copied once into page-locked memory, or written there by the caller
//! ([`NvencEncoder::lend`]); from there they go to the device on a stream of the session's own, which NVENC waits for;
//! the access unit is copied out once. Device memory is registered and mapped once, not for each frame.
//!
//! In a [`Pipeline`](crate::Pipeline) the next frame goes up on a stream of its own while the one in flight is encoded.
//!
//! A frame in device memory ([`Frame::cuda`](crate::Frame::cuda)) is read where it lies, behind the stream that writes it.
//!
//! Who makes the driver's calls is a setting: [`CallForm`](crate::config::CallForm).

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

/// Looks for NVENC: loads the driver, lists the GPUs, and opens and closes a session on each, which is the only way
/// to know. What it finds can change: a session limit is reached and left again. What does
/// not load or initialise stays so for as long as the process lives.
///
/// It takes as long as the driver takes, some 100 ms for each GPU that nobody uses yet, and at most as long as opening
/// an encoder by default: see [`CallLimits`](crate::config::CallLimits::DEFAULT). What is not known by then is
/// [`Reason::TimedOut`](crate::Reason::TimedOut). It takes one encode session at a time for that long. It never fails:
/// what is not there is in the answer.
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

/// [`probe`] with another limit. It looks on a thread of its own, which a driver that hangs keeps.
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

#[cfg(not(nvenc))]
pub(crate) fn not_built() -> Unavailable {
    Unavailable::new(Backend::Nvenc, Reason::NotBuilt, "feature nvenc")
}
