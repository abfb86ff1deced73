//! Changes the rate, size and level of an encoder in flight.

use super::NvencEncoder;
use crate::config::EncoderConfig;
use crate::engine::Engine;
use crate::error::{ConfigError, Error};
use crate::level::Level;
use crate::nvenc::job::Job;
use crate::nvenc::opening;
use crate::nvenc::params::Attempt;
use crate::nvenc::probe::Capabilities;
use crate::units::{FrameSize, OutOfRange};
use crate::window::Window;

impl NvencEncoder {
    /// Puts settings with another size in force: within the session if it can hold the size, else in a new session.
    pub(super) fn change_size(&mut self, config: EncoderConfig) -> Result<(), Error> {
        let size = config.size();
        self.config.check_memory(size)?;
        let coded = size.padded_to_even();
        let can = &self.setup.can;
        if opening::check_size(coded, can).is_err() {
            return Err(out_of_range(coded, can).into());
        }
        // Settings that do not fit the size are found before the current session is gone.
        self.setup.params(&config, None)?;
        let most = self.setup.room;
        let fits = coded.width() <= most.width() && coded.height() <= most.height();
        if fits && can.dynamic_size {
            self.resize(config)
        } else {
            self.reopen(EncoderConfig { max_size: size.union(config.max_size), ..config })
        }
    }

    /// Raises the level at the next IDR if the bitrate has outgrown it. Only an IDR carries the SPS with the level.
    pub(super) fn raise_level(&mut self) -> Result<(), Error> {
        let wanted = self.setup.level(&self.config);
        if wanted <= self.level || self.setup.attempt != Attempt::AsAsked || !self.setup.can.dynamic_bitrate {
            return Ok(());
        }
        match self.reconfigure(&self.config.clone(), Some(wanted), true)? {
            Ok(()) => self.level = wanted,
            // The stream keeps its level, which is no worse than before.
            Err(error) => tracing::debug!(%error, "the level stays as it is"),
        }
        Ok(())
    }

    /// Puts settings with the same size in force: within the session and without an IDR where the GPU can, else in a
    /// new session. What both refuse leaves the settings as they are, and is an event.
    pub(super) fn change(&mut self, config: EncoderConfig) -> Result<(), Error> {
        if !self.setup.can.dynamic_bitrate {
            return self.exchange_for(config);
        }
        if let Err(refusal) = self.change_within(&config)? {
            if refusal.is_context_lost() {
                return self.end(Err(refusal));
            }
            tracing::debug!(error = %refusal, "the settings change in a new session");
            return self.exchange_for(config);
        }
        if config.frame_rate() == self.config.frame_rate() {
            self.window.retarget(config.bitrate());
        } else {
            self.window = Window::new(config.frame_rate(), config.bitrate());
        }
        self.config = config;
        Ok(())
    }

    /// Puts settings with the same size in force within the session; the inner result is the driver's answer.
    fn change_within(&mut self, config: &EncoderConfig) -> Result<Result<(), Error>, Error> {
        let Err(refusal) = self.reconfigure(config, Some(self.level), false)? else { return Ok(Ok(())) };
        let wanted = self.setup.level(config);
        let is_of_settings = matches!(&refusal, Error::Driver(error) if opening::refuses_settings(error));
        if !is_of_settings || self.level >= wanted {
            return Ok(Err(refusal));
        }
        // The driver limits the rate to the level, which only an IDR can raise.
        tracing::debug!(error = %refusal, "the level is raised with an IDR");
        let raised = self.reconfigure(config, Some(wanted), true)?;
        if raised.is_ok() {
            self.level = wanted;
            self.idr_due = true;
        }
        Ok(raised)
    }

    /// Reconfigures the session; the inner result is the driver's answer.
    fn reconfigure(
        &mut self,
        config: &EncoderConfig,
        level: Option<Level>,
        force_idr: bool,
    ) -> Result<Result<(), Error>, Error> {
        let params = Box::new(self.setup.params(config, level)?);
        Ok(self.run(Job::Reconfigure { params, force_idr })?.result)
    }

    /// Changes the size within the session.
    fn resize(&mut self, config: EncoderConfig) -> Result<(), Error> {
        self.finish()?;
        if let Err(error) = self.reconfigure(&config, None, true)? {
            tracing::debug!(%error, "the size changes in a new session");
            return self.reopen(config);
        }
        self.level = self.setup.level(&config);
        self.start_size(config, false);
        Ok(())
    }
}

/// The error with the limit that a coded size breaks.
fn out_of_range(size: FrameSize, can: &Capabilities) -> ConfigError {
    let (width, height) = (size.width(), size.height());
    let (columns, rows) = size.macroblocks();
    if width >= can.min_width
        && height >= can.min_height
        && width <= can.width_limit()
        && height <= can.height_limit()
    {
        return ConfigError::Area { size, macroblocks: columns * rows, max_macroblocks: can.max_macroblocks };
    }
    OutOfRange::Size {
        width,
        height,
        min_side: if width < can.min_width { can.min_width } else { can.min_height },
        max_side: if width > can.width_limit() { can.max_width } else { can.max_height },
    }
    .into()
}
