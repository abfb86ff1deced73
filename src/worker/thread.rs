//! The thread of a worker.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use super::failure::{FailedStep, WorkerError};
use super::frame::ToFrame;
use super::queue::{Changes, Waiting};
use super::recycle::Recycler;
use super::shared::{Shared, Work};
use super::unit::Unit;
use crate::access_unit::UnitBuffer;
use crate::config::SettingsChange;
use crate::encoder::Encoder;
use crate::error::Error;
use crate::picture::Picture;

/// The spare memory for access units: for the one being made, and for those being sent.
const SPARE_UNITS: usize = 8;

pub(super) fn run<F: ToFrame, E: Encoder>(encoder: E, shared: &Shared<F, E>) {
    // Drop runs in reverse order, also when the encoder panics: close the queue, drop the encoder, record the end.
    let _over = OnDrop(|| shared.is_over());
    let most_units = shared.state().most_units;
    let mut worker = WorkerThread {
        encoder,
        shared,
        memory: Arc::new(Recycler::new(most_units + SPARE_UNITS)),
        owes_idr: false,
        owes_refresh: None,
        can_go_on: true,
    };
    let _closed = OnDrop(|| shared.close());
    while worker.can_go_on {
        match shared.next_work() {
            Work::Call(call) => {
                call(&mut worker.encoder);
                worker.tell();
            }
            Work::Encode(changes, waiting) => {
                worker.change(changes);
                if let Some(waiting) = waiting {
                    worker.encode(waiting);
                }
            }
            Work::End => return,
        }
    }
}

struct WorkerThread<'s, F, E> {
    encoder: E,
    shared: &'s Shared<F, E>,
    memory: Arc<Recycler<UnitBuffer>>,
    /// Whether an IDR is due.
    owes_idr: bool,
    /// The length of an intra refresh that is due.
    owes_refresh: Option<NonZeroU32>,
    can_go_on: bool,
}

impl<F: ToFrame, E: Encoder> WorkerThread<'_, F, E> {
    /// Makes the changes, with the size last, so that a new size begins with its own rates and a refused size keeps
    /// none back.
    fn change(&mut self, changes: Changes) {
        let Changes { settings, wants_idr, wants_refresh } = changes;
        self.owes_idr |= wants_idr;
        self.owes_refresh = wants_refresh.or(self.owes_refresh);
        let (rates, size) = settings.without_size();
        let rates = (rates != SettingsChange::new()).then(|| self.encoder.change(rates));
        let size = size.map(|size| self.encoder.set_size(size));
        self.tell();
        for (step, done) in [(FailedStep::Settings, rates), (FailedStep::Size, size)] {
            if let Some(Err(error)) = done {
                self.shared.deliver(Err(WorkerError::new(step, error)), false);
            }
        }
    }

    fn encode(&mut self, waiting: Waiting<F>) {
        let waited = Instant::now().saturating_duration_since(waiting.submitted);
        let picture = match self.owes_refresh {
            _ if self.owes_idr => Picture::Idr,
            Some(frames) => Picture::IntraRefresh { frames },
            None => Picture::Auto,
        };
        let mut timestamp = None;
        let coded = waiting.frame.to_frame().map_err(Error::from).and_then(|frame| {
            timestamp = Some(frame.timestamp());
            let unit = self.encoder.encode(&frame, picture)?;
            self.owes_idr &= !unit.is_idr;
            self.owes_refresh = None;
            Ok(Unit::new(&unit, waited, &self.memory))
        });
        // The frame returns to its pool before the receiver learns of it, so that the pool has it by then.
        drop(waiting);
        self.tell();
        let out = coded.map_err(|error| {
            self.can_go_on = error.leaves_encoder_usable();
            WorkerError::new(FailedStep::Frame(timestamp), error)
        });
        self.shared.deliver(out, true);
    }

    /// Reports the events before the result, so that a receiver of the result finds them.
    fn tell(&mut self) {
        let events = self.encoder.take_events();
        if !events.is_empty() {
            self.shared.tell(events);
        }
    }
}

struct OnDrop<A: Fn()>(A);

impl<A: Fn()> Drop for OnDrop<A> {
    fn drop(&mut self) {
        (self.0)();
    }
}
