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
            // The IDR that is due leaves no reference to choose.
            Answer::Invalidate(_) if self.idr_due => Recovery::Idr,
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
