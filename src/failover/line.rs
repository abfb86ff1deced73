//! The backends of an order, best first, each with the reason why the stream is not there.

use super::backoff::Waits;
use super::order::BackendOrder;
use super::restore::Restorer;
use crate::backend::Backend;
use crate::backends::row;
use crate::config::EncoderConfig;
use crate::reason::Reason;

/// One backend of an order.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) backend: Backend,
    /// The reason why a better place does not have the stream; for the active place, why its engine is spent.
    pub(super) left_for: Option<Reason>,
    /// The back-off of the attempts; `None` for no attempts.
    pub(super) waits: Option<Waits>,
    /// Attempts under way.
    pub(super) restorer: Option<Restorer>,
}

/// The places of an order, and the active one.
#[derive(Debug)]
pub(super) struct Line {
    places: Vec<Place>,
    active: usize,
}

impl Line {
    /// A line with its first place active.
    pub(super) fn new(order: &BackendOrder, config: &EncoderConfig) -> Self {
        let place = |&backend: &Backend| Place {
            backend,
            left_for: None,
            waits: config.failover.retry.map(Waits::new),
            restorer: None,
        };
        Self { places: order.backends().iter().map(place).collect(), active: 0 }
    }

    pub(super) fn active(&self) -> usize {
        self.active
    }

    /// Whether the order has only one backend, so that nothing is tried again.
    pub(super) fn is_strict(&self) -> bool {
        self.places.len() < 2
    }

    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    pub(super) fn at(&mut self, index: usize) -> Option<&mut Place> {
        self.places.get_mut(index)
    }

    /// The backends behind the active one, with their indices.
    pub(super) fn behind(&self) -> Vec<(usize, Backend)> {
        let behind = self.places.iter().enumerate().skip(self.active + 1);
        behind.map(|(index, place)| (index, place.backend)).collect()
    }

    /// The indices of the places that the stream may return to, best first: all better ones than the active place, or
    /// all places once the active one is spent.
    pub(super) fn awaited(&self) -> std::ops::Range<usize> {
        0..if self.is_spent() { self.places.len() } else { self.active }
    }

    /// Whether the active engine failed and no other could replace it.
    pub(super) fn is_spent(&self) -> bool {
        self.places.get(self.active).is_some_and(|place| place.left_for.is_some())
    }

    /// Whether an attempt may have succeeded. Asked at every frame.
    pub(super) fn is_waiting(&self) -> bool {
        self.places.iter().any(|place| place.restorer.is_some())
    }

    /// Makes a place the active one, and ends the attempts at places behind it.
    pub(super) fn activate(&mut self, index: usize) {
        self.active = index;
        for place in self.places.iter_mut().skip(index) {
            place.restorer = None;
        }
        if let Some(place) = self.places.get_mut(index) {
            place.left_for = None;
        }
    }

    /// Ends the attempts at every backend that needs CUDA, whose context is lost.
    pub(super) fn give_up_cuda(&mut self) {
        for place in self.places.iter_mut().filter(|place| row(place.backend).needs_cuda) {
            place.waits = None;
            place.restorer = None;
        }
    }
}
