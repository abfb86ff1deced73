//! The table of backends, one row each.
//!
//! A backend is a folder with an engine and a row here; [`Backend`] has its word. The failover encoder knows a backend
//! only by its row.

use crate::backend::Backend;
use crate::config::EncoderConfig;
use crate::error::Error;
use crate::replaceable::Replaceable;

/// The facts about a backend that need no open engine.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) open: fn(&EncoderConfig) -> Result<Box<dyn Replaceable>, Error>,
    /// Checks whether the backend could stand in for another one, as far as that is known without opening it.
    pub(crate) check: fn(&EncoderConfig) -> Result<(), Error>,
    /// Whether the backend needs a CUDA context. Such a backend is not tried again once the context is lost.
    pub(crate) needs_cuda: bool,
    /// The number of this process's sessions that hang in a call. Each of them keeps a thread.
    pub(crate) hanging: fn() -> usize,
    /// Registers a function to call whenever one of the backend's sessions has ended, where sessions are limited.
    pub(crate) when_a_session_ends: fn(fn()),
}

pub(crate) fn row(backend: Backend) -> &'static Row {
    match backend {
        Backend::Nvenc => &NVENC,
        Backend::OpenH264 => &OPENH264,
        #[cfg(test)]
        Backend::Scripted(number) => crate::scripted::row(number),
    }
}

#[cfg(nvenc)]
static NVENC: Row = Row {
    open: |config| Ok(Box::new(crate::nvenc::NvencEncoder::new(config)?)),
    // Only the driver knows the limits of a GPU.
    check: |_| Ok(()),
    needs_cuda: true,
    hanging: crate::nvenc::hanging,
    when_a_session_ends: crate::nvenc::when_a_session_ends,
};

#[cfg(not(nvenc))]
static NVENC: Row = Row {
    open: |_| Err(not_built(Backend::Nvenc, "feature nvenc")),
    check: |_| Err(not_built(Backend::Nvenc, "feature nvenc")),
    needs_cuda: true,
    hanging: || 0,
    when_a_session_ends: |_| {},
};

#[cfg(openh264)]
static OPENH264: Row = Row {
    open: |config| Ok(Box::new(crate::openh264::OpenH264Encoder::new(config)?)),
    check: |config| Ok(crate::openh264::OpenH264Encoder::check(config)?),
    needs_cuda: false,
    hanging: || 0,
    when_a_session_ends: |_| {},
};

#[cfg(not(openh264))]
static OPENH264: Row = Row {
    open: |_| Err(not_built(Backend::OpenH264, "feature openh264 or cisco")),
    check: |_| Err(not_built(Backend::OpenH264, "feature openh264 or cisco")),
    needs_cuda: false,
    hanging: || 0,
    when_a_session_ends: |_| {},
};

#[cfg(not(all(nvenc, openh264)))]
fn not_built(backend: Backend, feature: &str) -> Error {
    crate::error::Unavailable::new(backend, crate::reason::Reason::NotBuilt, feature).into()
}
