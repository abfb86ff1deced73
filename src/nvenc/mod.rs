//! The encoder of an NVIDIA GPU.

#[cfg(nvenc)]
mod availability;
#[cfg(nvenc)]
mod caps;
#[cfg(nvenc)]
mod driver;
mod probe;

pub use probe::{Capabilities, Gpu, Probe, Version};

/// Looks for NVENC: loads the driver, lists the GPUs, and opens and closes a session on each, which is the only way
/// to know. What it finds can change: a session limit is reached and left again, a driver is installed.
///
/// It takes as long as the driver takes, some 100 ms for each GPU that nobody uses yet. It takes one encode session
/// at a time for that long. It never fails: what is not there is in the answer.
///
/// ```
/// let found = direct264::nvenc::probe();
/// match found.encoder() {
///     Ok((gpu, can)) => println!("{} encodes up to {}x{}", gpu.name, can.max_width, can.max_height),
///     Err(why) => println!("{why}; {}", why.reason.advice()),
/// }
/// ```
#[must_use]
pub fn probe() -> Probe {
    #[cfg(nvenc)]
    return look::probe();
    #[cfg(not(nvenc))]
    return Probe { cuda: None, driver_api: None, api: None, gpus: Vec::new(), unavailable: Some(why_not()) };
}

#[cfg(nvenc)]
mod look;

/// Why NVENC cannot be had.
pub(crate) fn why_not() -> crate::Unavailable {
    crate::Unavailable::new(crate::Backend::Nvenc, crate::Reason::NotBuilt, "feature nvenc")
}
