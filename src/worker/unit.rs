//! An access unit from a worker.

use std::mem;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::recycle::Recycler;
use crate::access_unit::{AccessUnit, OwnedAccessUnit, UnitBuffer};

/// An access unit with the worker's times. Its memory returns to the worker when dropped.
#[derive(Debug)]
pub struct Unit {
    unit: OwnedAccessUnit,
    waited: Duration,
    coded_at: Instant,
    /// The worker's store; `None` once the memory was taken out.
    home: Option<Arc<Recycler<UnitBuffer>>>,
}

impl Unit {
    pub(super) fn new(unit: &AccessUnit<'_>, waited: Duration, home: &Arc<Recycler<UnitBuffer>>) -> Self {
        let unit = unit.copied_into(home.take().unwrap_or_default());
        Self { unit, waited, coded_at: Instant::now(), home: Some(Arc::clone(home)) }
    }

    /// The time that the frame waited for the encoder after it was submitted.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// The time at which the access unit was ready to be received.
    #[must_use]
    pub const fn coded_at(&self) -> Instant {
        self.coded_at
    }

    /// Takes the access unit out, with its memory.
    #[must_use]
    pub fn into_owned(mut self) -> OwnedAccessUnit {
        self.home = None;
        let UnitBuffer { bytes, nal_ranges } = self.memory();
        OwnedAccessUnit { bytes, nal_ranges, info: self.unit.info }
    }

    fn memory(&mut self) -> UnitBuffer {
        UnitBuffer {
            bytes: mem::take(&mut self.unit.bytes),
            nal_ranges: mem::take(&mut self.unit.nal_ranges),
        }
    }
}

impl Deref for Unit {
    type Target = OwnedAccessUnit;

    fn deref(&self) -> &OwnedAccessUnit {
        &self.unit
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.give_back(self.memory());
        }
    }
}
