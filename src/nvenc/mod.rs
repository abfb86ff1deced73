//! The encoder of an NVIDIA GPU.

use crate::encoder::Backend;
use crate::error::Unavailable;
use crate::reason::Reason;

/// Why NVENC cannot be had.
pub(crate) fn why_not() -> Unavailable {
    Unavailable::new(Backend::Nvenc, Reason::NotBuilt, "feature nvenc")
}
