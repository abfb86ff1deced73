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
    /// Whether one of the last two pictures belongs to a refresh. A frame outside a refresh looks at nothing else here.
    is_active: bool,
    /// The place of the picture that was submitted last.
    newest: Option<RefreshPlace>,
    /// The place of the picture before, which may come out only now.
    before: Option<RefreshPlace>,
    /// The length of a refresh that was asked for while another one ran.
    waiting: Option<NonZeroU32>,
}

impl Waves {
    /// Whether the next picture belongs to a refresh that has begun, unless it is an IDR.
    pub(super) fn run(&self) -> bool {
        self.newest.is_some_and(|place| !place.is_last())
    }

    /// Whether a refresh runs, waits or has just ended.
    pub(super) const fn are_active(&self) -> bool {
        self.is_active
    }

    /// Returns the place of the next picture; `None` for an IDR.
    fn next(&self, picture: Picture, is_idr: bool, size: FrameSize) -> Option<RefreshPlace> {
        if is_idr {
            return None;
        }
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

    /// Returns the length of a refresh that begins with the next picture; 0 for none.
    #[cold]
    pub(super) fn begin(&self, picture: Picture, is_idr: bool, size: FrameSize) -> u32 {
        self.next(picture, is_idr, size).map_or(0, RefreshPlace::begins)
    }

    /// Records that a picture was submitted.
    pub(super) fn submitted(&mut self, picture: Picture, is_idr: bool, size: FrameSize) {
        let place = self.next(picture, is_idr, size);
        let waiting = match picture {
            _ if place.is_none_or(|place| place.number == NonZeroU32::MIN) => None,
            Picture::IntraRefresh { frames } => Some(frames),
            _ => self.waiting,
        };
        let before = self.newest;
        *self = Self { is_active: place.or(before).is_some(), newest: place, before, waiting };
    }
}

impl NvencEncoder {
    /// Records that a picture came out while a refresh was active, and returns its place in it; `None` for an IDR.
    #[cold]
    pub(super) fn refreshed(&mut self, picture: u64, is_idr: bool) -> Option<RefreshPlace> {
        let place = if self.in_flight.is_some() { self.waves.before } else { self.waves.newest }?;
        if !is_idr {
            if place.is_last() {
                let first = picture.saturating_sub(u64::from(place.frames.get()) - 1);
                self.references.refreshed(first, !self.setup.keeps_one_slice(&self.config));
            }
            return Some(place);
        }
        if !place.is_last() {
            // The driver chose an IDR, which ends the refresh, also for a picture in flight.
            self.waves = Waves::default();
        }
        None
    }
}
