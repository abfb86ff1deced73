//! The pictures of a session that keeps one reference. The loss of a reference leaves none.

use std::ops::RangeInclusive;

use super::answer::{Answer, REMEMBERED};

/// The state that each picture writes: three words.
#[derive(Debug, Default)]
pub(crate) struct OneReference {
    /// The number of the newest picture plus 1; 0 before the first picture.
    end: u64,
    /// One bit for each picture that is droppable, the newest one lowest.
    droppable: u128,
    /// The picture that the stream starts anew with: the last IDR, or the first one of an intra refresh that has ended.
    start: u64,
    /// The oldest picture that later ones may be predicted from: the last IDR, or the last one of an intra refresh that
    /// has ended.
    oldest: u64,
    /// The picture from which on all are lost, for which the answer was an IDR.
    lost_from: Option<u64>,
}

impl OneReference {
    #[inline]
    pub(super) fn coded(&mut self, picture: u64, is_idr: bool, is_droppable: bool) {
        if is_idr {
            self.begin(picture);
        }
        self.end = picture + 1;
        self.droppable = self.droppable << 1 | u128::from(is_droppable);
    }

    #[cold]
    fn begin(&mut self, idr: u64) {
        *self = Self { start: idr, oldest: idr, ..Self::default() };
    }

    #[cfg(nvenc)]
    pub(super) fn refreshed(&mut self, first: u64, is_exact: bool) {
        self.oldest = self.end.saturating_sub(1);
        if is_exact {
            self.start = first;
        }
    }

    pub(super) fn lose(&mut self, lost: &RangeInclusive<u64>) -> Answer {
        if lost.is_empty() || *lost.end() < self.start || *lost.start() >= self.end {
            return Answer::Nothing;
        }
        let Some(newly) = self.first_news_in(lost) else { return Answer::Nothing };
        self.lost_from = Some(newly);
        Answer::Idr
    }

    /// Returns the first reference in the range that is not lost yet; 0 for one that is not remembered.
    fn first_news_in(&self, lost: &RangeInclusive<u64>) -> Option<u64> {
        let is_news = |picture: u64| self.lost_from.is_none_or(|from| picture < from);
        let oldest = self.oldest.max(self.end.saturating_sub(REMEMBERED));
        if *lost.start() < oldest {
            return is_news(oldest).then_some(0);
        }
        let newest = self.end - 1;
        let is_reference = |picture: u64| self.droppable >> (newest - picture) & 1 == 0;
        (*lost.start()..=newest.min(*lost.end())).find(|&picture| is_news(picture) && is_reference(picture))
    }
}
