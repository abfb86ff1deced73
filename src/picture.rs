//! The kind of picture that a caller asks for.

use std::num::NonZeroU32;

/// The kind of picture that the next frame becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Picture {
    /// A P picture, or an IDR where one is due.
    #[default]
    Auto,
    /// An IDR with SPS and PPS, whatever is due.
    Idr,
    /// The first of `frames` P pictures that together code the whole picture anew, a part of it each, so that a receiver
    /// recovers without the burst of an IDR. It becomes an IDR where one is due, and where the encoder cannot refresh:
    /// on openh264, and on a GPU whose [`Capabilities`](crate::nvenc::Capabilities) say so. A change of backend or of size
    /// within these frames is an IDR anyway; another request starts the refresh anew.
    IntraRefresh {
        /// The number of pictures that the refresh is spread over.
        frames: NonZeroU32,
    },
}
