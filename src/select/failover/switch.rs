//! Away from a backend that fails, and back to it.

use std::mem;
use std::time::{Duration, Instant};

use super::FailoverEncoder;
use crate::error::Error;
use crate::reason::Reason;
use crate::select::held::{Held, Settings};
use crate::select::restore::{Aim, Found, Restorer};

impl FailoverEncoder {
    /// What an open encoder has ready for later: another one beside it, or attempts at a better one.
    pub(super) fn make_ready(&mut self) {
        match self.left_for {
            Some(reason) => self.retry(reason),
            None if self.base.failover.warm_software => {
                let spare = self.open_stand_in();
                self.spare = spare.and_then(|mut spare| spare.warm_up(self.format).is_ok().then_some(spare));
            }
            None => {}
        }
    }

    /// Does something with the active encoder, and when that fails, with the one that takes its place.
    pub(super) fn with_active<T>(
        &mut self,
        mut act: impl FnMut(&mut Held) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match act(&mut self.active) {
            Err(error) if !error.leaves_encoder_usable() => {
                self.fall_back(error)?;
                act(&mut self.active)
            }
            done => done,
        }
    }

    /// Encodes a frame with the encoder that was found, which returns the stream to it; else with the active one, or
    /// the one that takes its place.
    pub(super) fn encode_anyhow<T>(
        &mut self,
        mut encode: impl FnMut(&mut Held) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let coded = match self.encode_restored(&mut encode) {
            Some(coded) => Ok(coded),
            None => self.with_active(encode),
        };
        if let Err(error) = &coded {
            self.mind(error);
        }
        coded
    }

    /// A context that is lost is not tried again.
    pub(super) fn mind(&mut self, error: &Error) {
        if error.is_context_lost() {
            self.waits = None;
            self.restorer = None;
        }
    }

    fn encode_restored<T>(&mut self, encode: impl FnOnce(&mut Held) -> Result<T, Error>) -> Option<T> {
        let Found { mut held, waits } = self.restorer.as_ref()?.take()?;
        let restorer = self.restorer.take();
        self.waits = Some(waits);
        let brought = held.bring_to(self.wanted);
        // What changed meanwhile was told when it did.
        drop(held.take_events());
        self.settle_anyhow();
        match brought.and_then(|()| encode(&mut held)) {
            Ok(coded) => {
                self.restore(held);
                Some(coded)
            }
            Err(Error::Frame(_)) => {
                // It is the frame that is wrong, or that lies on another GPU: the next one may do.
                self.restorer = restorer.inspect(|restorer| restorer.put_back(Found { held, waits }));
                None
            }
            Err(error) => {
                // The stream never left the backend that it has, and needs no IDR.
                self.mind(&error);
                let why = error.passes_over(held.backend());
                self.left.extend(held.discard());
                self.record.passed_over(&why);
                if why.until() == Reason::UnsupportedSize {
                    // Another size brings it back.
                    self.left_for = Some(why.until());
                    self.try_again(why.until());
                } else {
                    self.retry(why.until());
                }
                None
            }
        }
    }

    fn restore(&mut self, held: Held) {
        let stood_in = mem::replace(&mut self.active, held);
        self.ids.start_over();
        self.left_for = None;
        self.record.restored(self.active.backend(), stood_in.backend());
        if let Some(waits) = &mut self.waits {
            waits.works(Instant::now());
        }
        if self.base.failover.warm_software && stood_in.backend() != self.active.backend() {
            self.spare = Some(stood_in);
        } else {
            self.left.extend(stood_in.discard());
        }
    }

    /// Goes on with another backend, which begins with an IDR. Without one the error is the caller's.
    pub(super) fn fall_back(&mut self, error: Error) -> Result<(), Error> {
        if self.left_for.is_some() {
            return Err(error);
        }
        let Some(stand_in) = self.stand_in() else {
            self.wait_for_the_first(&error);
            return Err(error);
        };
        let mut broken = mem::replace(&mut self.active, stand_in);
        self.ids.start_over();
        let why = error.passes_over(broken.backend());
        self.finish(&mut broken);
        let reason = why.until();
        self.record.fell_back(why, self.active.backend());
        self.rescue(&broken, &error);
        self.left.retain(|left| left.strong_count() > 0);
        self.left.extend(broken.discard());
        self.left_for = Some(reason);
        self.mind(&error);
        self.retry(reason);
        Ok(())
    }

    /// Without anything that could stand in, frames are errors until the first of the order is back. A strict order has
    /// nobody who waits.
    fn wait_for_the_first(&mut self, error: &Error) {
        if self.order.backends().len() > 1 {
            let why = error.passes_over(self.active.backend());
            self.record.passed_over(&why);
            self.left_for = Some(why.until());
            self.mind(error);
            self.retry(why.until());
        }
    }

    /// An encoder with the settings wanted, about to begin its stream.
    fn stand_in(&mut self) -> Option<Held> {
        let wanted = self.wanted;
        let mut stand_in = self.spare_with(wanted).or_else(|| self.open_stand_in())?;
        stand_in.start_over();
        Some(stand_in)
    }

    /// Takes the spare one, if it takes the settings.
    pub(super) fn spare_with(&mut self, wanted: Settings) -> Option<Held> {
        let mut spare = self.spare.take()?;
        if spare.bring_to(wanted).is_ok() {
            return Some(spare);
        }
        self.left.extend(spare.discard());
        None
    }

    fn open_stand_in(&mut self) -> Option<Held> {
        for &backend in self.order.backends().iter().skip(1) {
            match Held::open(backend, &self.base, self.wanted) {
                Ok(held) => return Some(held),
                Err(error) => self.record.cannot_stand_in(&error.passes_over(backend)),
            }
        }
        None
    }

    /// Has the first of the order tried again, if it was left for something that can pass.
    fn retry(&mut self, reason: Reason) {
        if reason.may_pass() {
            self.try_again(reason);
        }
    }

    pub(super) fn try_again(&mut self, reason: Reason) {
        let (Some(waits), Some(&first)) = (&mut self.waits, self.order.backends().first()) else { return };
        // A size that it does not take is no failure.
        let is_failure = reason != Reason::UnsupportedSize;
        let wait = if is_failure { waits.failed(Instant::now()) } else { Duration::ZERO };
        let aim = Aim { settings: self.wanted, format: self.format };
        match Restorer::start(first, &self.base, aim, reason, (*waits, wait)) {
            Ok(restorer) => self.restorer = Some(restorer),
            Err(error) => tracing::warn!(%error, "no thread to try the better encoder again on"),
        }
    }
}
