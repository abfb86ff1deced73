//! Changes in flight: wanted by the caller, in force on whichever backend is active.

use super::FailoverEncoder;
use crate::error::Error;
use crate::format::PixelFormat;
use crate::reason::Reason;
use crate::select::held::Settings;
use crate::select::restore::Aim;
use crate::units::{Bitrate, FrameSize};

impl FailoverEncoder {
    /// Changes what is wanted, and has it in force but for a bitrate that waits.
    pub(super) fn change(&mut self, wanted: Settings) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.wanted, wanted);
        let in_force = self.bitrate_in_force();
        let bitrate = if self.waits(in_force) { in_force } else { wanted.bitrate };
        let changed = self.put_in_force(Settings { bitrate, ..wanted });
        match &changed {
            Ok(()) => self.aim(),
            Err(_) => self.wanted = before,
        }
        changed
    }

    /// Whether the bitrate wanted is too small an increase to be passed on by itself.
    fn waits(&self, in_force: Bitrate) -> bool {
        let increase = u64::from(self.wanted.bitrate.bps().saturating_sub(in_force.bps()));
        let threshold = u64::from(self.base.failover.bitrate_threshold_percent);
        increase > 0 && increase * 100 < u64::from(in_force.bps()) * threshold
    }

    /// Has the active encoder take settings, or another one in its place those that are wanted.
    pub(super) fn put_in_force(&mut self, settings: Settings) -> Result<(), Error> {
        let put = match self.active.bring_to(settings) {
            // What stands in has all that is wanted, a bitrate that waited included.
            Err(error) if !error.leaves_encoder_usable() => self.fall_back(error),
            put => put,
        };
        self.tell();
        put
    }

    pub(super) fn change_size(&mut self, size: FrameSize) -> Result<(), Error> {
        // Neither backend takes it, so neither is asked.
        self.base.check_memory(size)?;
        self.settle()?;
        // The IDR that comes with it is the occasion for a bitrate that waits.
        let wanted = Settings { size, ..self.wanted };
        let before = std::mem::replace(&mut self.wanted, wanted);
        let changed = match self.active.bring_to(wanted) {
            // What one backend does not take, another one may.
            Err(error) if matches!(error, Error::Config(_)) || !error.leaves_encoder_usable() => {
                self.fall_back(error)
            }
            changed => changed,
        };
        match &changed {
            Ok(()) => self.aim_at_size(),
            Err(_) => self.wanted = before,
        }
        self.tell();
        changed
    }

    /// What waits for its turn takes the size too, which may be one that the first of the order takes.
    fn aim_at_size(&mut self) {
        let wanted = self.wanted;
        self.spare = self.spare_with(wanted);
        match self.left_for {
            Some(reason @ Reason::UnsupportedSize) if self.restorer.is_none() => self.try_again(reason),
            _ => self.aim(),
        }
    }

    pub(super) fn follow_format(&mut self, format: PixelFormat) {
        if format != self.format {
            self.format = format;
            self.aim();
        }
    }

    fn aim(&self) {
        if let Some(restorer) = &self.restorer {
            restorer.aim(Aim { settings: self.wanted, format: self.format });
        }
    }
}
