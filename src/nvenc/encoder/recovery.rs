//! Recovers the stream after the receiver has lost frames.

use std::ops::RangeInclusive;

use super::NvencEncoder;
use crate::error::Error;
use crate::event::EventKind;
use crate::nvenc::job::Job;
use crate::recovery::Recovery;
use crate::references::Answer;
use crate::units::FrameId;

impl NvencEncoder {
    /// Whether the next picture may belong to an intra refresh that has begun. A periodic one begins unseen.
    fn may_refresh(&self) -> bool {
        self.waves.run() || self.setup.refreshes_by_itself(&self.config)
    }

    pub(super) fn recover(&mut self, lost: &RangeInclusive<FrameId>) -> Result<Recovery, Error> {
        let (FrameId(first), FrameId(last)) = (*lost.start(), *lost.end());
        // Frames of an earlier session precede an IDR of this one.
        let Some(last_picture) = last.checked_sub(self.first_picture).filter(|_| first <= last) else {
            return Ok(Recovery::NotNeeded);
        };
        let answer = self.references.lose(first.saturating_sub(self.first_picture)..=last_picture);
        let recovery = match answer {
            Answer::Nothing => return Ok(Recovery::NotNeeded),
            Answer::Idr => Recovery::Idr,
            // The IDR that is due leaves no reference to choose, and a driver within a refresh takes no choice.
            Answer::Invalidate(_) if self.idr_due || self.may_refresh() => Recovery::Idr,
            Answer::Invalidate(pictures) => match self.run(Job::Invalidate { pictures })?.result {
                Ok(()) => Recovery::OlderReference,
                Err(error) => {
                    tracing::debug!(%error, "the driver invalidates no single reference: an IDR follows");
                    Recovery::Idr
                }
            },
        };
        self.idr_due |= recovery == Recovery::Idr;
        self.note(EventKind::Invalidated { first: *lost.start(), last: *lost.end(), recovery });
        Ok(recovery)
    }
}
