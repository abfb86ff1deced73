//! Tracks the intra refreshes on request: the one that runs, and the request that waits behind it.
//!
//! While a refresh runs, the driver ignores a request for another one and honours no invalidation of references. Each
//! picture of a refresh codes at least 32 rows of pixels anew, and the driver cuts a length that leaves fewer.

use std::num::NonZeroU32;

use super::NvencEncoder;
use crate::access_unit::RefreshPlace;
use crate::nvenc::params;
use crate::picture::Picture;
use crate::units::FrameSize;

/// The refreshes of a stream, up to the picture that was submitted last.
#[derive(Debug, Default)]
pub(super) struct Waves {
    /// The place of the picture that was submitted last.
    newest: Option<RefreshPlace>,
    /// The length of a refresh that was asked for while another one ran.
    waiting: Option<NonZeroU32>,
}

impl Waves {
    /// Whether the next picture belongs to a refresh that has begun, unless it is an IDR.
    pub(super) fn run(&self) -> bool {
        self.newest.is_some_and(|place| !place.is_last())
    }

    /// Whether no refresh runs, waits or has just ended.
    pub(super) const fn are_idle(&self) -> bool {
        self.newest.is_none()
    }

    /// Returns the place of the next picture, which is no IDR.
    #[cold]
    pub(super) fn next(&self, picture: Picture, size: FrameSize) -> Option<RefreshPlace> {
        if let Some(place) = self.newest.filter(|place| !place.is_last()) {
            return Some(RefreshPlace { number: place.number.saturating_add(1), ..place });
        }
        let asked = match picture {
            Picture::IntraRefresh { frames } => Some(frames),
            _ => self.waiting,
        };
        let number = NonZeroU32::MIN;
        asked.map(|asked| RefreshPlace { number, frames: asked.min(params::longest_refresh(size)) })
    }

    /// Records that a picture was submitted, at the place that [`next`](Waves::next) gave or as an IDR.
    #[cold]
    pub(super) fn submitted(&mut self, picture: Picture, place: Option<RefreshPlace>) {
        let waiting = match picture {
            _ if place.is_none_or(|place| place.number == NonZeroU32::MIN) => None,
            Picture::IntraRefresh { frames } => Some(frames),
            _ => self.waiting,
        };
        *self = Self { newest: place, waiting };
    }
}

impl NvencEncoder {
    /// Records that a picture of a refresh came out, and returns its place; `None` for an IDR.
    #[cold]
    pub(super) fn refreshed(
        &mut self,
        picture: u64,
        is_idr: bool,
        place: RefreshPlace,
    ) -> Option<RefreshPlace> {
        if !is_idr {
            if place.is_last() {
                let first = picture.saturating_sub(u64::from(place.frames.get()) - 1);
                self.references.refreshed(first, !self.setup.keeps_one_slice(&self.config));
            }
            return Some(place);
        }
        if !place.is_last() {
            // The driver chose an IDR, which ends the refresh.
            self.waves = Waves::default();
            if let Some(in_flight) = &mut self.in_flight {
                in_flight.refresh = None;
            }
        }
        None
    }
}
