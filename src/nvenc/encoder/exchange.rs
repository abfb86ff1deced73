//! Exchanges the session of an encoder for another one, for a change that the session cannot make.

use super::NvencEncoder;
use super::memory::slots;
use crate::backend::Backend;
use crate::config::{EncoderConfig, GpuChoice};
use crate::engine::Engine;
use crate::error::{Ended, Error, Unavailable};
use crate::event::EventKind;
use crate::nvenc::ended::Exchange;
use crate::nvenc::lent::Pool;
use crate::nvenc::opening::Opened;
use crate::nvenc::pixels::Unconverted;
use crate::nvenc::runner::Runner;
use crate::reason::Reason;
use crate::references::References;
use crate::window::Window;

impl NvencEncoder {
    /// Puts settings with the same size in force in a new session, which is opened beside the current one. If that is
    /// refused, the current session goes on as it is, and the refusal is an event.
    ///
    /// On a GPU that changes no rate within a session, the session limit and a lack of memory leave one way: in place of
    /// the current session. Elsewhere no working session is given up for a change.
    ///
    /// # Errors
    /// The failure of a frame in flight; or, in place, the refusal of both the new and the old settings.
    pub(super) fn exchange_for(&mut self, config: EncoderConfig) -> Result<(), Error> {
        self.finish()?;
        match self.open_beside(&config) {
            Ok(opened) => {
                self.close();
                self.begin(opened, config);
                Ok(())
            }
            Err(error @ Error::Config(_)) => Err(error),
            Err(error)
                if matches!(error.reason(), Reason::SessionLimit | Reason::OutOfMemory)
                    && !self.setup.can.dynamic_bitrate =>
            {
                self.exchange_in_place(config)
            }
            Err(error) => {
                self.note_refusal(&error);
                Ok(())
            }
        }
    }

    /// Ends the session to make room for one with these settings, or else for another one with the settings in force.
    fn exchange_in_place(&mut self, config: EncoderConfig) -> Result<(), Error> {
        let exchange = Exchange::begin();
        self.close();
        let refusal = match self.open_on_same_gpu(&config) {
            Ok(opened) => {
                exchange.done();
                self.begin(opened, config);
                return Ok(());
            }
            Err(error) => error,
        };
        let before = self.config.clone();
        match self.open_on_same_gpu(&before) {
            Ok(opened) => {
                exchange.done();
                self.begin(opened, before);
                self.note_refusal(&refusal);
                Ok(())
            }
            Err(error) => Err(self.spend(error)),
        }
    }

    /// Ends the session and opens another one, on any GPU that the configuration allows.
    pub(super) fn reopen(&mut self, config: EncoderConfig) -> Result<(), Error> {
        self.finish()?;
        let exchange = Exchange::begin();
        self.close();
        match Runner::open(&config) {
            Ok(opened) => {
                exchange.done();
                self.begin(opened, config);
                Ok(())
            }
            Err(error) => Err(self.spend(error)),
        }
    }

    /// Opens a session beside the current one, with as much room for larger sizes.
    ///
    /// # Errors
    /// [`Reason::OutOfMemory`] where the memory holds no second session with that room. The next growth would else take
    /// a new session, long after the memory is free again.
    fn open_beside(&self, config: &EncoderConfig) -> Result<(Runner, Opened), Error> {
        let (runner, opened) = self.open_on_same_gpu(config)?;
        let (room, kept) = (opened.setup.room, self.setup.room);
        if room.width() >= kept.width() && room.height() >= kept.height() {
            return Ok((runner, opened));
        }
        runner.close(vec![opened.first.memory]);
        let detail = format!("no memory for a second session with room for {kept}, only for {room}");
        Err(Unavailable::new(Backend::Nvenc, Reason::OutOfMemory, detail).into())
    }

    /// Opens a session on the GPU of the current one, from whose memory the caller's frames may come.
    fn open_on_same_gpu(&self, config: &EncoderConfig) -> Result<(Runner, Opened), Error> {
        let mut config = config.clone();
        config.nvenc.gpu = GpuChoice::Index(self.setup.gpu_index);
        Runner::open(&config)
    }

    /// Begins the stream of a new session.
    fn begin(&mut self, (runner, opened): (Runner, Opened), config: EncoderConfig) {
        (self.runner, self.setup) = (runner, opened.setup);
        self.level = self.setup.level(&config);
        self.slots = slots(opened.first);
        self.pool = Pool::new(config.size().padded_to_even());
        self.is_first = true;
        self.first_picture = self.frames;
        self.references = References::new(self.setup.reference_frames(&config));
        self.start_size(config, true);
    }

    /// Records that the session is gone. Even if only the settings are at fault, no later error may call it usable.
    fn spend(&mut self, error: Error) -> Error {
        self.spent = Some(if error.leaves_encoder_usable() {
            let Unavailable { reason, detail, .. } = error.passes_over(Backend::Nvenc);
            Ended::after(Backend::Nvenc, reason, detail).into()
        } else {
            error.clone()
        });
        error
    }

    fn note_refusal(&mut self, error: &Error) {
        tracing::debug!(%error, "a change is refused: the settings before stay in force");
        let why = error.passes_over(Backend::Nvenc);
        let advice = why.advice();
        let Unavailable { reason, detail, .. } = why;
        self.note(EventKind::ChangeRefused { reason, detail, advice });
    }

    /// Starts a sequence of pictures of the configuration's size, with an IDR.
    pub(super) fn start_size(&mut self, config: EncoderConfig, is_new_session: bool) {
        let size = config.size();
        self.window = Window::new(config.frame_rate(), config.bitrate());
        self.idr_due = true;
        self.unconverted = Unconverted::of(&config);
        self.config = config;
        self.note(EventKind::Recreated { size, is_new_session });
    }
}
