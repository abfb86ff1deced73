//! Puts the caller's changes of settings in force on the active backend.

use super::encoder::FailoverEncoder;
use super::restore::Aim;
use crate::config::Settings;
use crate::error::Error;
use crate::format::PixelFormat;
use crate::reason::Reason;
use crate::units::Bitrate;

impl FailoverEncoder {
    /// Changes the wanted settings and puts them in force, except a bitrate that waits.
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

    /// Whether the wanted bitrate is too small an increase to pass on by itself.
    fn waits(&self, in_force: Bitrate) -> bool {
        let increase = u64::from(self.wanted.bitrate.bps().saturating_sub(in_force.bps()));
        let threshold = u64::from(self.base.failover.bitrate_threshold_percent);
        increase > 0 && increase * 100 < u64::from(in_force.bps()) * threshold
    }

    /// Puts settings in force in the active engine, or the wanted settings in its successor.
    pub(super) fn put_in_force(&mut self, settings: Settings) -> Result<(), Error> {
        let put = match self.apply_to_active(settings) {
            // A successor starts with all wanted settings, a waiting bitrate included.
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
        // No backend takes a size beyond the memory limit.
        self.base.check_memory(wanted.size)?;
        self.settle()?;
        // A waiting bitrate passes with the IDR of the new size.
        let before = std::mem::replace(&mut self.wanted, wanted);
        if self.line.is_spent() {
            self.aim_at_size();
            return Ok(());
        }
        let changed = match self.apply_to_active(wanted) {
            // Another backend may take the size.
            Err(error) if !matches!(error, Error::Frame(_)) => self.fall_back(error),
            changed => changed,
        };
        match &changed {
            Ok(()) => self.aim_at_size(),
            Err(_) => self.wanted = before,
        }
        self.tell();
        changed
    }

    /// Passes the size on to the warm engine, and to the attempts at better backends, which may accept it.
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

    /// Gives the attempts under way the current settings and format.
    fn aim(&self) {
        let aim = Aim { settings: self.wanted, format: self.format };
        for restorer in self.line.places().filter_map(|place| place.restorer.as_ref()) {
            restorer.aim(aim);
        }
    }
}
