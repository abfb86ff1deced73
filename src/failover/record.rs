//! Records a stream's changes as events for the caller, in the log, and as counters.

use std::time::{Duration, Instant};

use super::histogram::{Histogram, Latency};
use crate::access_unit::{AccessUnitInfo, StageTimes};
use crate::backend::Backend;
use crate::config::Settings;
use crate::error::Unavailable;
use crate::event::{Event, EventKind, EventLog};
use crate::recovery::Recovery;
use crate::units::FrameId;

/// The number of frames between log lines on frame times.
const FRAMES_A_SAMPLE: u64 = 256;

/// The counters of a stream so far.
///
/// ```no_run
/// # fn report(encoder: &direct264::FailoverEncoder) {
/// use direct264::Backend;
///
/// let counters = encoder.counters();
/// println!("{} failures", counters.fallbacks);
/// println!("{} frames from openh264", counters.frames(Backend::OpenH264));
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// The number of times that the stream had to leave a backend.
    pub fallbacks: u64,
    /// The number of times that the stream returned to a better backend.
    pub restorations: u64,
    frames: [u64; Backend::COUNT],
    time: [Duration; Backend::COUNT],
}

impl Counters {
    /// The frames that this backend encoded.
    #[must_use]
    pub const fn frames(&self, backend: Backend) -> u64 {
        self.frames[backend.index()]
    }

    /// The time for which this backend had the stream.
    #[must_use]
    pub const fn time(&self, backend: Backend) -> Duration {
        self.time[backend.index()]
    }
}

#[derive(Debug)]
pub(super) struct Record {
    frames: u64,
    /// The frames that were taken: one more than `frames` while one is in flight.
    taken: u64,
    events: EventLog,
    counters: Counters,
    latency: Histogram,
    /// The active backend, and the time since when it has the stream.
    active: Option<(Backend, Instant)>,
    /// The settings last reported to the caller.
    told: Settings,
}

impl Record {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            frames: 0,
            taken: 0,
            events: EventLog::default(),
            counters: Counters::default(),
            latency: Histogram::new(),
            active: None,
            told: settings,
        }
    }

    pub(super) fn counters(&self) -> Counters {
        let mut counters = self.counters;
        if let Some((backend, since)) = self.active {
            counters.time[backend.index()] += since.elapsed();
        }
        counters
    }

    pub(super) fn latency(&self) -> Latency {
        self.latency.latency()
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        self.events.take()
    }

    /// Records an event of the frame that is being taken, or else of the next one.
    fn note(&mut self, backend: Backend, kind: EventKind) {
        self.events.note(FrameId(self.frames.max(self.taken)), backend, kind);
    }

    pub(super) fn taken(&mut self) {
        self.taken = self.taken.max(self.frames) + 1;
    }

    /// Takes back the count of a frame that is lost.
    pub(super) fn lost(&mut self) {
        self.frames += 1;
    }

    pub(super) fn idr_requested(&mut self, backend: Backend) {
        self.note(backend, EventKind::IdrRequested);
    }

    pub(super) fn invalidated(
        &mut self,
        backend: Backend,
        first: FrameId,
        last: FrameId,
        recovery: Recovery,
    ) {
        tracing::debug!(
            frame = self.frames,
            backend = backend.as_str(),
            first = first.0,
            last = last.0,
            recovery = recovery.as_str(),
            "the receiver has lost frames"
        );
        self.note(backend, EventKind::Invalidated { first, last, recovery });
    }

    pub(super) fn passed_over(&mut self, why: &Unavailable) {
        self.is_not_had(why, "encoder passed over");
    }

    /// Records why a backend behind the selected one cannot stand in.
    pub(super) fn cannot_stand_in(&mut self, why: &Unavailable) {
        self.is_not_had(why, "encoder cannot stand in");
    }

    fn is_not_had(&mut self, why: &Unavailable, message: &'static str) {
        let Unavailable { backend, reason, detail, .. } = why;
        let word = backend.as_str();
        if reason.is_absence() {
            tracing::info!(backend = word, reason = reason.as_str(), detail, "{message}");
        } else {
            tracing::warn!(backend = word, reason = reason.as_str(), detail, "{message}");
        }
        let (reason, detail, advice) = (*reason, detail.clone(), why.advice());
        self.note(*backend, EventKind::PassedOver { reason, detail, advice });
    }

    pub(super) fn selected(&mut self, backend: Backend, open: Duration) {
        tracing::info!(
            backend = backend.as_str(),
            size = %self.told.size,
            bitrate_bps = self.told.bitrate.bps(),
            open_ms = open.as_secs_f64() * 1e3,
            "encoder selected"
        );
        self.note(backend, EventKind::Selected);
        self.count_time(backend);
    }

    pub(super) fn fell_back(&mut self, why: Unavailable, to: Backend) {
        let advice = why.advice();
        let Unavailable { backend, reason, detail, .. } = why;
        tracing::warn!(
            frame = self.frames,
            backend = backend.as_str(),
            to = to.as_str(),
            reason = reason.as_str(),
            detail,
            "encoder failed: the stream goes on with another"
        );
        // The frame in flight is the first one of the next backend.
        self.events.note(FrameId(self.frames), backend, EventKind::FellBack { to, reason, detail, advice });
        self.counters.fallbacks += 1;
        self.count_time(to);
    }

    pub(super) fn restored(&mut self, backend: Backend, from: Backend) {
        tracing::info!(
            frame = self.frames,
            backend = backend.as_str(),
            from = from.as_str(),
            "encoder restored"
        );
        self.note(backend, EventKind::Restored { from });
        self.counters.restorations += 1;
        self.count_time(backend);
    }

    fn count_time(&mut self, backend: Backend) {
        self.counters = self.counters();
        self.active = Some((backend, Instant::now()));
    }

    /// Records the settings that have come into force, and the backend's own events.
    pub(super) fn in_force(&mut self, backend: Backend, settings: Settings, events: Vec<Event>) {
        let told = std::mem::replace(&mut self.told, settings);
        // A size that changed without the backend's own event is that of a backend which was opened for it.
        let mut is_new_session = (told.size != settings.size).then_some(backend != Backend::OpenH264);
        for event in events {
            match event.kind {
                EventKind::Recreated { is_new_session: is_new, .. } => is_new_session = Some(is_new),
                EventKind::RateUnmet { target, reached_bps } => {
                    tracing::debug!(
                        backend = backend.as_str(),
                        target_bps = target.bps(),
                        reached_bps,
                        "the bitrate cannot be met"
                    );
                    self.events.note(FrameId(self.frames), backend, event.kind);
                }
                EventKind::ChangeRefused { reason, ref detail, .. } => {
                    tracing::warn!(
                        frame = self.frames,
                        backend = backend.as_str(),
                        reason = reason.as_str(),
                        detail,
                        "the driver refused a change of settings: those before stay in force"
                    );
                    self.note(backend, event.kind);
                }
                // This record reports these kinds itself, since it knows whether the caller asked for them. The match
                // is exhaustive, so that a new kind needs a decision here.
                EventKind::Selected
                | EventKind::PassedOver { .. }
                | EventKind::FellBack { .. }
                | EventKind::Restored { .. }
                | EventKind::BitrateChanged { .. }
                | EventKind::IdrRequested
                | EventKind::Invalidated { .. } => {}
            }
        }
        if let Some(is_new_session) = is_new_session {
            let size = settings.size;
            tracing::info!(frame = self.frames, backend = backend.as_str(), %size, "encoder set up anew");
            self.note(backend, EventKind::Recreated { size, is_new_session });
        }
        let (from, to) = (told.bitrate, settings.bitrate);
        if from != to {
            tracing::debug!(
                frame = self.frames,
                backend = backend.as_str(),
                from_bps = from.bps(),
                to_bps = to.bps(),
                "bitrate changed"
            );
            self.note(backend, EventKind::BitrateChanged { from, to });
        }
    }

    /// Counts a frame that took `times.total`, and returns its number.
    pub(super) fn coded(&mut self, unit: &AccessUnitInfo, bytes: usize) -> FrameId {
        let StageTimes { convert, upload, submit, wait, copy, total } = unit.times;
        let backend = unit.backend;
        self.latency.count(total);
        self.counters.frames[backend.index()] += 1;
        if self.frames.is_multiple_of(FRAMES_A_SAMPLE) {
            let micros = |time: Duration| time.as_micros() as u64;
            tracing::debug!(
                frame = self.frames,
                backend = backend.as_str(),
                is_idr = unit.is_idr,
                bytes,
                qp = unit.qp,
                convert_us = micros(convert),
                upload_us = micros(upload),
                submit_us = micros(submit),
                wait_us = micros(wait),
                copy_us = micros(copy),
                total_us = micros(total),
                "a frame's time"
            );
        }
        let id = FrameId(self.frames);
        self.frames += 1;
        id
    }
}
