//! Moves the stream from a failed backend to the next one, and back to a better one.

use std::mem;
use std::time::{Duration, Instant};

use super::encoder::FailoverEncoder;
use super::restore::{Aim, Found, Restorer};
use super::spare::{begin_stream, discard, open, warm_up};
use crate::config::Settings;
use crate::error::Error;
use crate::reason::Reason;
use crate::replaceable::Replaceable;

impl FailoverEncoder {
    /// Runs `act` on the active engine, and after a failure on its successor.
    pub(super) fn with_active<T>(
        &mut self,
        mut act: impl FnMut(&mut dyn Replaceable) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut done = act(&mut *self.active);
        // Each failure goes to the next backend; behind the last one the error is the caller's.
        while let Err(error) = done {
            if error.leaves_encoder_usable() {
                return Err(error);
            }
            self.fall_back(error)?;
            done = act(&mut *self.active);
        }
        done
    }

    /// Encodes a frame with a restored engine, which returns the stream to it; else with the active engine or its
    /// successor.
    pub(super) fn encode_by(
        &mut self,
        mut encode: impl FnMut(&mut dyn Replaceable) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.line.is_waiting() && self.encode_restored(&mut encode) {
            return Ok(());
        }
        let coded = self.with_active(encode);
        if let Err(error) = &coded {
            self.mind(error);
        }
        coded
    }

    /// Ends the attempts that need a lost CUDA context.
    pub(super) fn mind(&mut self, error: &Error) {
        if error.is_context_lost() {
            self.line.give_up_cuda();
        }
    }

    /// Whether an engine of an awaited place was restored and has encoded the frame.
    fn encode_restored(&mut self, encode: &mut dyn FnMut(&mut dyn Replaceable) -> Result<(), Error>) -> bool {
        for index in self.line.awaited() {
            let Some(found) = self.line.at(index).and_then(|place| place.restorer.as_ref()?.take()) else {
                continue;
            };
            if self.encode_with(index, found, encode) {
                return true;
            }
        }
        false
    }

    fn encode_with(
        &mut self,
        index: usize,
        found: Found,
        encode: &mut dyn FnMut(&mut dyn Replaceable) -> Result<(), Error>,
    ) -> bool {
        let Found { mut engine, waits } = found;
        let Some(place) = self.line.at(index) else { return false };
        let restorer = place.restorer.take();
        place.waits = Some(waits);
        let applied = engine.apply(self.wanted);
        // The record already reported these changes when the caller made them.
        drop(engine.take_events());
        self.settle_or_lose();
        match applied.and_then(|()| encode(&mut *engine)) {
            Ok(()) => {
                self.restore(index, engine);
                true
            }
            Err(Error::Frame(_)) => {
                // The frame is wrong or lies on another GPU. The next frame may fit.
                if let (Some(restorer), Some(place)) = (restorer, self.line.at(index)) {
                    restorer.put_back(Found { engine, waits });
                    place.restorer = Some(restorer);
                }
                false
            }
            Err(error) => {
                // The stream never left its backend, and needs no IDR.
                self.mind(&error);
                let why = error.passes_over(engine.backend());
                self.left.extend(discard(engine));
                self.record.passed_over(&why);
                if let Some(place) = self.line.at(index) {
                    place.left_for = Some(why.until());
                }
                if why.until() == Reason::UnsupportedSize {
                    // Another size restarts the attempts.
                    self.try_again(index);
                } else {
                    self.retry(index);
                }
                false
            }
        }
    }

    fn restore(&mut self, index: usize, engine: Box<dyn Replaceable>) {
        let stood_in = mem::replace(&mut self.active, engine);
        let was_spent = self.line.is_spent();
        self.line.activate(index);
        self.ids.start_over();
        self.record.restored(self.active.backend(), stood_in.backend());
        if let Some(waits) = self.line.at(index).and_then(|place| place.waits.as_mut()) {
            waits.works(Instant::now());
        }
        if self.base.failover.warm_software && !was_spent {
            let spare = self.spare.replace(stood_in);
            self.left.extend(spare.map(discard).unwrap_or_default());
        } else {
            self.left.extend(discard(stood_in));
        }
    }

    /// Goes on, with an IDR, on the next backend that works. Behind the last one the error is the caller's, and the
    /// stream goes on once an attempt succeeds.
    pub(super) fn fall_back(&mut self, error: Error) -> Result<(), Error> {
        if self.line.is_spent() {
            return Err(error);
        }
        let failed = self.line.active();
        let why = error.passes_over(self.active.backend());
        let reason = why.until();
        let Some((index, stand_in)) = self.stand_in() else {
            if !self.line.is_strict() && !error.leaves_encoder_usable() {
                self.record.passed_over(&why);
                self.leave(failed, reason, &error);
                self.line.awaited().for_each(|index| self.retry(index));
                if self.flying.take().is_some() {
                    self.lose(error.clone());
                }
            }
            return Err(error);
        };
        let mut broken = mem::replace(&mut self.active, stand_in);
        self.line.activate(index);
        self.ids.start_over();
        self.take_from(&mut *broken);
        self.record.fell_back(why, self.active.backend());
        self.rescue(&*broken, &error);
        self.left.retain(|left| left.strong_count() > 0);
        self.left.extend(discard(broken));
        self.leave(failed, reason, &error);
        (failed + 1..self.line.active()).for_each(|index| self.retry(index));
        Ok(())
    }

    /// Records why a place does not have the stream, and retries it if the condition can pass.
    fn leave(&mut self, index: usize, reason: Reason, error: &Error) {
        if let Some(place) = self.line.at(index) {
            place.left_for = Some(reason);
        }
        self.mind(error);
        self.retry(index);
    }

    /// Opens the next place that works, with the wanted settings and ready to begin its stream.
    fn stand_in(&mut self) -> Option<(usize, Box<dyn Replaceable>)> {
        let (index, mut stand_in) = self.spare_with(self.wanted).or_else(|| self.open_behind())?;
        begin_stream(&mut *stand_in);
        Some((index, stand_in))
    }

    /// Takes the spare engine, if it accepts the settings.
    fn spare_with(&mut self, wanted: Settings) -> Option<(usize, Box<dyn Replaceable>)> {
        let mut spare = self.spare.take()?;
        let behind = self.line.behind();
        let index = behind.iter().find(|(_, backend)| *backend == spare.backend()).map(|&(index, _)| index);
        match index {
            Some(index) if spare.apply(wanted).is_ok() => Some((index, spare)),
            _ => {
                self.left.extend(discard(spare));
                None
            }
        }
    }

    /// Opens the first backend behind the active one that works.
    fn open_behind(&mut self) -> Option<(usize, Box<dyn Replaceable>)> {
        for (index, backend) in self.line.behind() {
            match open(backend, &self.base, self.wanted) {
                Ok(engine) => return Some((index, engine)),
                Err(error) => {
                    let why = error.passes_over(backend);
                    self.record.cannot_stand_in(&why);
                    if let Some(place) = self.line.at(index) {
                        place.left_for = Some(why.until());
                    }
                }
            }
        }
        None
    }

    /// Keeps an engine of a place behind the active one warm.
    pub(super) fn warm_a_spare(&mut self) {
        let spare = self.open_behind();
        let format = self.format;
        self.spare = spare.and_then(|(_, mut spare)| warm_up(&mut *spare, format).is_ok().then_some(spare));
    }

    /// Puts the wanted settings in force in the spare engine.
    pub(super) fn keep_spare(&mut self) {
        self.spare = self.spare_with(self.wanted).map(|(_, spare)| spare);
    }

    /// Retries a place that was left for a condition that can pass.
    pub(super) fn retry(&mut self, index: usize) {
        let left_for = self.line.at(index).and_then(|place| place.left_for);
        if left_for.is_some_and(Reason::may_pass) {
            self.try_again(index);
        }
    }

    /// Retries a place that was left.
    pub(super) fn try_again(&mut self, index: usize) {
        let aim = Aim { settings: self.wanted, format: self.format };
        let Some(place) = self.line.at(index).filter(|place| place.restorer.is_none()) else { return };
        let (Some(waits), Some(reason)) = (&mut place.waits, place.left_for) else { return };
        let is_failure = reason != Reason::UnsupportedSize;
        let wait = if is_failure { waits.failed(Instant::now()) } else { Duration::ZERO };
        match Restorer::start(place.backend, &self.base, aim, reason, (*waits, wait)) {
            Ok(restorer) => place.restorer = Some(restorer),
            Err(error) => tracing::warn!(%error, "the better encoder is not retried: no thread was started"),
        }
    }
}
