//! Runs intra refreshes with the limits of cards: at least 32 rows of pixels in each picture, one refresh at a time.
//!
//! openh264 refreshes no rows. So the pictures of a refresh are predicted as ever, and the last one is an intra picture.
//! A decoder that lacks an earlier picture is exact from the last picture on. On a card, a decoder that lacks a picture
//! of the refresh stays wrong; here such a decoder is exact too, and references from before the last picture stay valid.

use d264_double_common::Function;

use crate::config::Config;
use crate::driver::broke;

/// The rows of pixels that a picture refreshes at the least.
const LEAST_ROWS: u32 = 32;

/// The refresh of a session that runs.
#[derive(Debug, Default)]
pub(crate) struct Refresh {
    /// How many of its pictures are still to come.
    left: u32,
    /// Pictures since the IDR or the beginning of the last one.
    since: u32,
}

/// What a picture is in a refresh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Role {
    /// The length of the refresh that begins with it, in pictures; 0 for none.
    pub(crate) begins: u32,
    /// The request that came with it is ignored.
    pub(crate) ignores: bool,
    /// It is the last one.
    pub(crate) is_last: bool,
}

impl Refresh {
    /// Whether the next picture belongs to a refresh that has begun.
    pub(crate) fn runs(&self) -> bool {
        self.left > 0
    }

    /// The role of the next picture, with a request for a refresh of so many pictures, or 0.
    pub(crate) fn next(&mut self, config: &Config, asked: u32, idr: bool) -> Role {
        if idr {
            *self = Self::default();
            return Role::default();
        }
        self.since = self.since.saturating_add(1);
        let why_not = if self.runs() {
            Some("an intra refresh is forced while one runs, which cards ignore")
        } else if config.intra_refresh.is_none() {
            Some("an intra refresh is forced in a session that is not armed, which cards ignore")
        } else {
            None
        };
        let ignores = asked > 0 && why_not.is_some();
        if let Some(why_not) = why_not.filter(|_| ignores) {
            broke(Function::nvEncEncodePicture, 0, why_not);
        }
        if self.runs() {
            self.left -= 1;
            return Role { begins: 0, ignores, is_last: self.left == 0 };
        }
        let periodic = config.intra_refresh.filter(|(period, _)| self.since >= *period);
        let count = if asked > 0 && !ignores { asked } else { periodic.map_or(0, |(_, count)| count) };
        if count == 0 {
            return Role { ignores, ..Role::default() };
        }
        let begins = count.min(config.height / LEAST_ROWS).max(1);
        (self.left, self.since) = (begins - 1, 0);
        Role { begins, ignores, is_last: begins == 1 }
    }
}
