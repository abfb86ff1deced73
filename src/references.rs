//! Tracks the pictures that a session can still predict from, by which pictures were coded and which were lost.
//!
//! Each picture is predicted from one other picture, the newest reference that is not lost. So these references form a
//! chain, and a lost picture takes all later pictures of its chain with it. A driver that chooses an older reference
//! stays in the same chain. Fewer pictures are then lost than this module assumes.

mod answer;
mod one;
mod several;

use std::ops::RangeInclusive;

pub(crate) use answer::Answer;
use one::OneReference;
use several::SeveralReferences;

/// The pictures of one session since its last IDR or intra refresh, by their numbers. The numbers of coded pictures are
/// consecutive.
#[derive(Debug)]
pub(crate) enum References {
    /// A session that keeps one reference, which is the default.
    One(OneReference),
    Several(SeveralReferences),
}

impl References {
    /// An empty set of references for a session that keeps `kept` of them.
    pub(crate) fn new(kept: u32) -> Self {
        match usize::try_from(kept) {
            Ok(0 | 1) | Err(_) => Self::One(OneReference::default()),
            Ok(kept) => Self::Several(SeveralReferences::new(kept)),
        }
    }

    #[inline]
    pub(crate) fn coded(&mut self, picture: u64, is_idr: bool, is_droppable: bool) {
        match self {
            Self::One(one) => one.coded(picture, is_idr, is_droppable),
            Self::Several(several) => several.coded(picture, is_idr, is_droppable),
        }
    }

    /// Records that an intra refresh from the picture `first` on ended with the newest picture. A receiver may have
    /// asked for the refresh after a loss, so no picture before its end is one that the receiver has. If the newest
    /// picture `is_exact`, losses before the refresh have no effect any more.
    #[cfg(nvenc)]
    pub(crate) fn refreshed(&mut self, first: u64, is_exact: bool) {
        match self {
            Self::One(one) => one.refreshed(first, is_exact),
            Self::Several(several) => several.refreshed(first, is_exact),
        }
    }

    /// Records that a receiver does not have these pictures, and returns the answer.
    pub(crate) fn lose(&mut self, lost: RangeInclusive<u64>) -> Answer {
        match self {
            Self::One(one) => one.lose(&lost),
            Self::Several(several) => several.lose(&lost),
        }
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

    /// A session that keeps one reference has a path of its own, which has to answer as the general one does.
    #[test]
    fn one_reference_is_answered_as_the_last_of_several() {
        let mut seed = 1_u64;
        let mut below = |end: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % end
        };
        for _ in 0..2_000 {
            let (mut one, mut general) = (OneReference::default(), SeveralReferences::new(1));
            let mut is_idr = true;
            let pattern = below(3);
            for picture in 0..1 + below(300) {
                let is_droppable = !is_idr && pattern > 0 && picture % 2 == pattern - 1;
                one.coded(picture, is_idr, is_droppable);
                general.coded(picture, is_idr, is_droppable);
                is_idr = below(40) == 0;
                #[cfg(nvenc)]
                if below(40) == 0 && !is_droppable {
                    let (first, is_exact) = (picture.saturating_sub(below(5)), below(2) == 0);
                    one.refreshed(first, is_exact);
                    general.refreshed(first, is_exact);
                }
                while below(8) == 0 {
                    let last = picture + 3 - below(6).min(picture + 3);
                    let lost = last.saturating_sub(if below(8) == 0 { below(200) } else { below(3) })..=last;
                    let answer = one.lose(&lost);
                    assert_eq!(answer, general.lose(&lost), "{lost:?} of {picture}");
                    is_idr |= answer == Idr;
                }
            }
        }
    }

    #[test]
    fn what_is_too_long_ago_is_answered_with_an_idr() {
        let mut references = coded(16, 1_000);
        assert_eq!(references.lose(500..=500), Idr);
    }
}
