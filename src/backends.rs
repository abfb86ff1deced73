//! The table of backends: one row each.
//!
//! A backend is a folder with an engine and a row here; [`Backend`] has its word. The failover encoder takes everything
//! that it needs to know of a backend from the row.

use crate::backend::Backend;
use crate::config::EncoderConfig;
use crate::error::Error;
use crate::replaceable::Replaceable;

/// What the crate knows of a backend without opening it.
#[derive(Debug)]
pub(crate) struct Row {
    /// Opens an engine.
    pub(crate) open: fn(&EncoderConfig) -> Result<Box<dyn Replaceable>, Error>,
    /// Whether it could stand in for another one, as far as can be told without opening it.
    pub(crate) check: fn(&EncoderConfig) -> Result<(), Error>,
    /// Whether it needs a CUDA context: without one it is not tried again.
    pub(crate) needs_cuda: bool,
    /// Sessions of this process that hang in a call, each of which keeps a thread.
    pub(crate) hanging: fn() -> usize,
    /// Has a function called whenever one of its sessions has ended, where sessions are limited.
    pub(crate) when_a_session_ends: fn(fn()),
}

/// The row of a backend.
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
    // What a GPU takes is known to its driver alone.
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
