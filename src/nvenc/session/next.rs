//! A picture on its way into a session.

use std::sync::Arc;

use crate::frame::CudaImage;
use crate::nvenc::pixels::{Staging, SurfaceFormat};
use crate::units::FrameSize;

#[derive(Debug)]
pub(in crate::nvenc) struct Next {
    /// The slot: less than [`SLOTS`](super::SLOTS), and not that of the picture in flight.
    pub(in crate::nvenc) slot: usize,
    pub(in crate::nvenc) source: Source,
    pub(in crate::nvenc) is_idr: bool,
    /// The number of pictures of an intra refresh that begins with this one; 0 for none.
    pub(in crate::nvenc) refresh_frames: u32,
}

/// The source memory of a picture.
#[derive(Debug)]
pub(in crate::nvenc) enum Source {
    /// Page-locked memory, shared while the picture is in flight. The session drops its share once nothing reads the
    /// memory any more, and until then no side writes to it.
    Staged(Arc<Staging>),
    /// Device memory of the caller, with a picture of this size.
    Device { image: CudaImage, size: FrameSize, format: SurfaceFormat },
}
