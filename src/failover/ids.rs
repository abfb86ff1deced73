//! The numbers of access units in the stream and in the encoder that made them.

use std::ops::RangeInclusive;

use crate::units::FrameId;

/// The map from the stream's numbers to the active encoder's.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ids(Option<First>);

/// The first frame of the active encoder, which is an IDR.
#[derive(Debug, Clone, Copy)]
struct First {
    of_stream: u64,
    of_active: u64,
}

impl Ids {
    /// Forgets the numbers, since another encoder is active.
    pub(super) fn start_over(&mut self) {
        self.0 = None;
    }

    /// Records an encoded frame by its number in the stream and in the active encoder.
    pub(super) fn coded(&mut self, of_stream: FrameId, of_active: FrameId) {
        self.0.get_or_insert(First { of_stream: of_stream.0, of_active: of_active.0 });
    }

    /// Returns the active encoder's numbers for frames of the stream; `None` for frames of earlier encoders, which all
    /// precede an IDR.
    pub(super) fn of_active(&self, frames: &RangeInclusive<FrameId>) -> Option<RangeInclusive<FrameId>> {
        let First { of_stream, of_active } = self.0?;
        let last = frames.end().0.checked_sub(of_stream)?;
        let first = frames.start().0.saturating_sub(of_stream);
        let own = |since: u64| FrameId(of_active.saturating_add(since));
        (first <= last).then(|| own(first)..=own(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: RangeInclusive<u64>) -> RangeInclusive<FrameId> {
        FrameId(*range.start())..=FrameId(*range.end())
    }

    #[test]
    fn only_frames_since_the_last_switch_are_the_encoders_own() {
        let mut numbers = Ids::default();
        assert_eq!(numbers.of_active(&ids(0..=5)), None);
        numbers.coded(FrameId(100), FrameId(1));
        numbers.coded(FrameId(101), FrameId(2));
        assert_eq!(numbers.of_active(&ids(90..=99)), None);
        assert_eq!(numbers.of_active(&ids(90..=100)), Some(ids(1..=1)));
        assert_eq!(numbers.of_active(&ids(103..=u64::MAX)), Some(ids(4..=u64::MAX - 99)));
        #[expect(clippy::reversed_empty_ranges, reason = "a caller may get it wrong")]
        let backwards = 105..=104;
        assert_eq!(numbers.of_active(&ids(backwards)), None);
        numbers.start_over();
        assert_eq!(numbers.of_active(&ids(0..=200)), None);
    }
}
