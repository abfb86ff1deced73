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
    /// The first of `frames` P pictures that together code the whole picture anew, a part of it each, so that a
    /// receiver recovers without the burst of an IDR.
    /// [`AccessUnitInfo::refresh`](crate::access_unit::AccessUnitInfo::refresh) tells the place of each picture in the
    /// refresh, and the length of the refresh.
    ///
    /// A request within a refresh waits and begins behind it; of several waiting requests the last one holds. An IDR
    /// ends the refresh and answers a waiting request.
    ///
    /// The picture becomes an IDR where one is due, and where the encoder has no refresh on request: openh264, a GPU
    /// whose [`Capabilities`](crate::nvenc::Capabilities) deny it, two
    /// [`temporal_layers`](crate::EncoderConfig::temporal_layers), or a periodic
    /// [`intra_refresh`](crate::config::NvencConfig::intra_refresh).
    IntraRefresh {
        /// The number of pictures that the refresh is spread over. More than one for each 32 rows is cut to that
        /// number.
        frames: NonZeroU32,
    },
}
