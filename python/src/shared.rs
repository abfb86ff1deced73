//! The state of an encoder that other threads may read and change while a frame is encoded.

use std::sync::{Mutex, MutexGuard, PoisonError};

use direct264::config::{Settings, SettingsChange};
use direct264::failover::Counters;
use direct264::{Backend, Encoder as _, Event, FailoverEncoder};

/// A copy of the encoder's state as of the last call, and the changes that wait for the next one. No thread that holds
/// the lock waits for anything, so a thread with the GIL may take it.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    backend: Backend,
    settings: Settings,
    counters: Counters,
    change: SettingsChange,
    events: Vec<Event>,
    is_closed: bool,
}

/// The most events that are kept; the oldest is dropped first.
const MOST_EVENTS: usize = 256;

impl Shared {
    pub(crate) fn new(encoder: &mut FailoverEncoder) -> Self {
        Self(Mutex::new(State {
            backend: encoder.backend(),
            settings: encoder.settings(),
            counters: encoder.counters(),
            change: SettingsChange::new(),
            events: encoder.take_events(),
            is_closed: false,
        }))
    }

    /// No code that holds the lock can panic, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what the encoder tells now. Returns the events since the last call.
    pub(crate) fn note<T>(&self, encoder: &mut FailoverEncoder, look: impl FnOnce(&[Event]) -> T) -> T {
        let events = encoder.take_events();
        let seen = look(&events);
        let mut state = self.lock();
        state.backend = encoder.backend();
        state.settings = encoder.settings();
        state.counters = encoder.counters();
        state.events.extend(events);
        let surplus = state.events.len().saturating_sub(MOST_EVENTS);
        state.events.drain(..surplus);
        seen
    }

    pub(crate) fn backend(&self) -> Backend {
        self.lock().backend
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
    }

    pub(crate) fn counters(&self) -> Counters {
        self.lock().counters
    }

    pub(crate) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.lock().events)
    }

    /// The settings with the changes that wait.
    pub(crate) fn settings(&self) -> Settings {
        let state = self.lock();
        state.settings.with(state.change)
    }

    /// Adds to the changes that wait.
    pub(crate) fn change(&self, add: impl FnOnce(SettingsChange) -> SettingsChange) {
        let mut state = self.lock();
        state.change = add(state.change);
    }

    /// Takes the changes that wait.
    pub(crate) fn take_change(&self) -> SettingsChange {
        std::mem::take(&mut self.lock().change)
    }
}
