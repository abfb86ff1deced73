//! Changes in flight: wanted by the caller, in force on whichever backend is active.

use super::encoder::FailoverEncoder;
use super::restore::Aim;
use crate::config::Settings;
use crate::error::Error;
use crate::format::PixelFormat;
use crate::reason::Reason;
use crate::units::Bitrate;

impl FailoverEncoder {
    /// Changes the settings wanted, and puts them in force but for a bitrate that waits.
    pub(super) fn change(&mut self, wanted: Settings) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.wanted, wanted);
        if self.line.is_spent() {
            // The engine that is awaited takes them.
            self.aim();
            return Ok(());
        }
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

    /// Has the active engine take settings, or another one in its place those that are wanted.
    pub(super) fn put_in_force(&mut self, settings: Settings) -> Result<(), Error> {
        let put = match self.apply_to_active(settings) {
            // An engine that stands in has all that is wanted, a bitrate that waited included.
            Err(error) if !error.leaves_encoder_usable() => self.fall_back(error),
            put => put,
        };
        self.tell();
        put
    }

    fn apply_to_active(&mut self, settings: Settings) -> Result<(), Error> {
        if settings == self.active.settings() { Ok(()) } else { self.active.apply(settings) }
    }

    pub(super) fn change_size(&mut self, wanted: Settings) -> Result<(), Error> {
        // No backend takes it, so none is asked.
        self.base.check_memory(wanted.size)?;
        self.settle()?;
        // The IDR that comes with it is the occasion for a bitrate that waits.
        let before = std::mem::replace(&mut self.wanted, wanted);
        if self.line.is_spent() {
            self.aim_at_size();
            return Ok(());
        }
        let changed = match self.apply_to_active(wanted) {
            // A size that one backend does not take, another one may.
            Err(Error::Frame(error)) => Err(error.into()),
            Err(error) => self.fall_back(error),
            Ok(()) => Ok(()),
        };
        match &changed {
            Ok(()) => self.aim_at_size(),
            Err(_) => self.wanted = before,
        }
        self.tell();
        changed
    }

    /// Has the engines that wait for their turn take the size too, which may be one that a better backend takes.
    fn aim_at_size(&mut self) {
        self.keep_spare();
        for index in self.line.awaited() {
            let is_of_size = |place: &mut super::line::Place| place.left_for == Some(Reason::UnsupportedSize);
            if self.line.at(index).is_some_and(is_of_size) {
                self.try_again(index);
            }
        }
        self.aim();
    }

    pub(super) fn follow_format(&mut self, format: PixelFormat) {
        if format != self.format {
            self.format = format;
            self.aim();
        }
    }

    /// Tells the attempts under way what the stream has come to.
    fn aim(&self) {
        let aim = Aim { settings: self.wanted, format: self.format };
        for restorer in self.line.places().filter_map(|place| place.restorer.as_ref()) {
            restorer.aim(aim);
        }
    }
}
