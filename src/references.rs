//! Tracks the pictures that a session can still predict from, by which pictures were coded and which were lost.
//!
//! Each picture is predicted from one other picture, the newest reference that is not lost. So these references form a
//! chain, and a lost picture takes all later pictures of its chain with it. A driver that chooses an older reference
//! stays in the same chain. Fewer pictures are then lost than this module assumes.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// The number of pictures remembered. The loss of an older picture is answered with an IDR.
const REMEMBERED: usize = 128;

/// The answer to a report of a loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing: no later picture depends on the loss.
    Nothing,
    /// Invalidate these pictures: no later picture may be predicted from them.
    Invalidate(Vec<u64>),
    /// Send an IDR: no reference is left.
    Idr,
}

/// The pictures of one session since its last IDR or intra refresh, by their numbers.
#[derive(Debug)]
pub(crate) struct References {
    /// The number of references that the session keeps.
    kept: usize,
    known: VecDeque<CodedPicture>,
    /// The picture that the stream starts anew with: the last IDR, or the first one of an intra refresh that has ended.
    start: u64,
}

#[derive(Debug, Clone, Copy)]
struct CodedPicture {
    picture: u64,
    /// The picture that this one was predicted from.
    parent: Option<u64>,
    is_reference: bool,
    is_lost: bool,
}

impl References {
    /// An empty set of references for a session that keeps `kept` of them.
    pub(crate) fn new(kept: u32) -> Self {
        let kept = usize::try_from(kept).unwrap_or(1).max(1);
        Self { kept, known: VecDeque::with_capacity(REMEMBERED), start: 0 }
    }

    pub(crate) fn coded(&mut self, picture: u64, is_idr: bool, is_droppable: bool) {
        if is_idr {
            self.known.clear();
            self.start = picture;
        }
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        let parent = match self.known.back() {
            Some(newest) if newest.can_be_used() => Some(newest.picture),
            _ => self.newest_usable(),
        };
        self.known.push_back(CodedPicture { picture, parent, is_reference: !is_droppable, is_lost: false });
    }

    /// Records that an intra refresh from the picture `first` on ended with the newest picture. A receiver may have
    /// asked for the refresh after a loss, so no picture before its end is one that the receiver has. If the newest
    /// picture `is_exact`, losses before the refresh have no effect any more.
    #[cfg(nvenc)]
    pub(crate) fn refreshed(&mut self, first: u64, is_exact: bool) {
        self.known.drain(..self.known.len().saturating_sub(1));
        if let Some(newest) = self.known.front_mut() {
            newest.parent = None;
        }
        if is_exact {
            self.start = first;
        }
    }

    /// Records that a receiver does not have these pictures, and returns the answer.
    pub(crate) fn lose(&mut self, lost: RangeInclusive<u64>) -> Answer {
        let (Some(oldest), Some(newest)) = (self.known.front(), self.known.back()) else {
            return Answer::Nothing;
        };
        let (oldest, newest) = (oldest.picture, newest.picture);
        if lost.is_empty() || *lost.end() < self.start || *lost.start() > newest {
            return Answer::Nothing;
        }
        if *lost.start() < oldest {
            // The loss may reach back to the IDR, into an intra refresh or to pictures no longer remembered, so every
            // picture counts as lost.
            let is_news = self.known.iter().any(|known| !known.is_lost);
            self.known.iter_mut().for_each(|known| known.is_lost = true);
            return if is_news { Answer::Idr } else { Answer::Nothing };
        }
        let newly = self.mark(&lost);
        if newly.is_empty() {
            return Answer::Nothing;
        }
        let mut in_use = self.known.iter().rev().filter(|known| known.is_reference).take(self.kept);
        let Some(oldest_in_use) = in_use.clone().last().map(|known| known.picture) else {
            return Answer::Nothing;
        };
        if in_use.all(|known| known.is_lost) {
            return Answer::Idr;
        }
        Answer::Invalidate(newly.into_iter().filter(|&picture| picture >= oldest_in_use).collect())
    }

    /// Marks the pictures that were not received and the pictures predicted from them. Returns the references among
    /// those newly marked.
    fn mark(&mut self, lost: &RangeInclusive<u64>) -> Vec<u64> {
        let mut newly = Vec::new();
        for at in 0..self.known.len() {
            let CodedPicture { picture, parent, is_reference, is_lost } = self.known[at];
            let is_orphan = parent.is_some_and(|parent| self.is_lost(parent));
            if !is_lost && (lost.contains(&picture) || is_orphan) {
                self.known[at].is_lost = true;
                if is_reference {
                    newly.push(picture);
                }
            }
        }
        newly
    }

    fn newest_usable(&self) -> Option<u64> {
        self.known.iter().rev().find(|known| known.can_be_used()).map(|known| known.picture)
    }

    fn is_lost(&self, picture: u64) -> bool {
        // The numbers of the remembered pictures are consecutive.
        let first = self.known.front().map_or(0, |known| known.picture);
        let at = picture.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.known.get(at)).is_some_and(|known| known.is_lost)
    }
}

impl CodedPicture {
    fn can_be_used(&self) -> bool {
        self.is_reference && !self.is_lost
    }
}

#[cfg(test)]
mod tests {
    use super::Answer::{Idr, Invalidate, Nothing};
    use super::*;

    /// References after an IDR and further pictures up to `last`.
    fn coded(kept: u32, last: u64) -> References {
        let mut references = References::new(kept);
        for picture in 0..=last {
            references.coded(picture, picture == 0, false);
        }
        references
    }

    #[test]
    fn with_a_picture_all_that_came_after_it_is_lost() {
        let mut references = coded(5, 10);
        assert_eq!(references.lose(8..=8), Invalidate(vec![8, 9, 10]));
        references.coded(11, false, false);
        // The pictures after the first report are good, so a repeated report changes nothing.
        assert_eq!(references.lose(8..=10), Nothing);
        assert_eq!(references.lose(9..=11), Invalidate(vec![11]));
    }

    #[test]
    fn without_a_reference_that_is_not_lost_only_an_idr_helps() {
        for (kept, first) in [(1, 10), (5, 6), (5, 2), (5, 0)] {
            let mut references = coded(kept, 10);
            assert_eq!(references.lose(first..=first), Idr, "{first} of {kept}");
            references.coded(11, true, false);
            assert_eq!(references.lose(first..=10), Nothing);
        }
        assert_eq!(coded(5, 10).lose(7..=10), Invalidate(vec![7, 8, 9, 10]));
    }

    #[test]
    fn what_was_predicted_from_an_older_one_is_lost_with_that_one() {
        let mut references = coded(8, 10);
        assert_eq!(references.lose(9..=9), Invalidate(vec![9, 10]));
        references.coded(11, false, false);
        references.coded(12, false, false);
        // 11 was predicted from 8.
        assert_eq!(references.lose(8..=8), Invalidate(vec![8, 11, 12]));
        references.coded(13, false, false);
        assert_eq!(references.lose(11..=12), Nothing);
    }

    #[cfg(nvenc)]
    #[test]
    fn an_intra_refresh_mends_what_was_lost_before_it_and_leaves_no_picture_before_its_end() {
        // The pictures 4 to 6 are those of the refresh.
        let refreshed = |is_exact| {
            let mut references = coded(16, 6);
            references.refreshed(4, is_exact);
            references.coded(7, false, false);
            references.coded(8, false, false);
            references
        };
        for (lost, exact, inexact) in [
            (0..=3, Nothing, Idr),
            (3..=4, Idr, Idr),
            (4..=4, Idr, Idr),
            (5..=6, Idr, Idr),
            (6..=8, Idr, Idr),
            (7..=7, Invalidate(vec![7, 8]), Invalidate(vec![7, 8])),
            (8..=8, Invalidate(vec![8]), Invalidate(vec![8])),
        ] {
            for (is_exact, expected) in [(true, exact), (false, inexact)] {
                let mut references = refreshed(is_exact);
                assert_eq!(references.lose(lost.clone()), expected, "{lost:?}, {is_exact}");
                assert_eq!(references.lose(lost.clone()), Nothing, "{lost:?}, {is_exact}, once more");
            }
        }
    }

    #[test]
    fn what_nothing_depends_on_may_be_lost() {
        let mut references = References::new(3);
        for picture in 0..10 {
            references.coded(picture, picture == 0, picture % 2 == 1);
        }
        assert_eq!(references.lose(7..=7), Nothing);
        assert_eq!(references.lose(7..=8), Invalidate(vec![8]));
        assert_eq!(references.lose(10..=20), Nothing);
        assert_eq!(References::new(3).lose(0..=9), Nothing);
        #[expect(clippy::reversed_empty_ranges, reason = "a caller may get it wrong")]
        let backwards = 5..=4;
        assert_eq!(references.lose(backwards), Nothing);
    }

    #[test]
    fn what_is_too_long_ago_is_answered_with_an_idr() {
        let mut references = coded(16, 1_000);
        assert_eq!(references.lose(500..=500), Idr);
    }
}
