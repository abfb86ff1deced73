//! What happened to a stream, kept in three ways: events for the caller, the log, and figures.

use std::time::{Duration, Instant};

use super::held::Settings;
use super::histogram::{Histogram, Latency};
use crate::backend::Backend;
use crate::encoder::{Coded, StageTimes};
use crate::error::Unavailable;
use crate::event::{Event, EventKind, EventLog};
use crate::recovery::Recovery;
use crate::units::FrameId;

/// Every so many frames the log says where the time went.
const FRAMES_A_SAMPLE: u64 = 256;

/// What a stream came to so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Frames that NVENC encoded.
    pub nvenc_frames: u64,
    /// Frames that openh264 encoded.
    pub openh264_frames: u64,
    /// How often the stream had to leave a backend.
    pub fallbacks: u64,
    /// How often it came back to it.
    pub restorations: u64,
    /// How long openh264 had the stream.
    pub time_in_software: Duration,
}

impl Counters {
    /// Frames that this backend encoded.
    #[must_use]
    pub const fn frames(&self, backend: Backend) -> u64 {
        match backend {
            Backend::Nvenc => self.nvenc_frames,
            Backend::OpenH264 => self.openh264_frames,
        }
    }
}

#[derive(Debug)]
pub(super) struct Record {
    frames: u64,
    /// Frames that a pipeline took; one more than `frames` while one is in flight.
    taken: u64,
    events: EventLog,
    counters: Counters,
    latency: Histogram,
    /// Since when software has the stream.
    software_since: Option<Instant>,
    /// What the caller was told last.
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
            software_since: None,
            told: settings,
        }
    }

    pub(super) fn counters(&self) -> Counters {
        let now_in_software = self.software_since.map_or(Duration::ZERO, |since| since.elapsed());
        Counters { time_in_software: self.counters.time_in_software + now_in_software, ..self.counters }
    }

    pub(super) fn latency(&self) -> Latency {
        self.latency.latency()
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        self.events.take()
    }

    /// Tells something of the frame that is being taken, or else the next one.
    fn note(&mut self, backend: Backend, kind: EventKind) {
        self.events.note(self.frames.max(self.taken), backend, kind);
    }

    /// A pipeline took a frame.
    pub(super) fn taken(&mut self) {
        self.taken = self.taken.max(self.frames) + 1;
    }

    /// A frame that a pipeline took is lost.
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
            backend = backend.word(),
            first = first.0,
            last = last.0,
            recovery = recovery.word(),
            "the receiver has lost frames"
        );
        self.note(backend, EventKind::Invalidated { first, last, recovery });
    }

    pub(super) fn passed_over(&mut self, why: &Unavailable) {
        self.is_not_had(why, "encoder passed over");
    }

    /// Of a backend behind the one that was selected.
    pub(super) fn cannot_stand_in(&mut self, why: &Unavailable) {
        self.is_not_had(why, "encoder cannot stand in");
    }

    fn is_not_had(&mut self, why: &Unavailable, message: &'static str) {
        let Unavailable { backend, reason, detail, .. } = why;
        let word = backend.word();
        if reason.is_absence() {
            tracing::info!(backend = word, reason = reason.word(), detail, "{message}");
        } else {
            tracing::warn!(backend = word, reason = reason.word(), detail, "{message}");
        }
        let (reason, detail, advice) = (*reason, detail.clone(), why.advice());
        self.note(*backend, EventKind::PassedOver { reason, detail, advice });
    }

    pub(super) fn selected(&mut self, backend: Backend, open: Duration) {
        tracing::info!(
            backend = backend.word(),
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
            backend = backend.word(),
            to = to.word(),
            reason = reason.word(),
            detail,
            "encoder failed: the stream goes on with another"
        );
        // A frame in flight is the first that comes from the other one.
        self.events.note(self.frames, backend, EventKind::FellBack { to, reason, detail, advice });
        self.counters.fallbacks += 1;
        self.count_time(to);
    }

    pub(super) fn restored(&mut self, backend: Backend, from: Backend) {
        tracing::info!(frame = self.frames, backend = backend.word(), from = from.word(), "encoder restored");
        self.note(backend, EventKind::Restored { from });
        self.counters.restorations += 1;
        self.count_time(backend);
    }

    fn count_time(&mut self, backend: Backend) {
        if let Some(since) = self.software_since.take() {
            self.counters.time_in_software += since.elapsed();
        }
        self.software_since = (backend == Backend::OpenH264).then(Instant::now);
    }

    /// Tells what has come into force, and what the backend has to tell of it.
    pub(super) fn in_force(&mut self, backend: Backend, settings: Settings, events: Vec<Event>) {
        let told = std::mem::replace(&mut self.told, settings);
        let mut is_recreated = told.size != settings.size;
        for event in events {
            match event.kind {
                EventKind::Recreated { .. } => is_recreated = true,
                EventKind::RateUnmet { target, reached_bps } => {
                    tracing::debug!(
                        backend = backend.word(),
                        target_bps = target.bps(),
                        reached_bps,
                        "the bitrate cannot be met"
                    );
                    self.events.note(self.frames, backend, event.kind);
                }
                // The rest is told from here, where it is known whether the caller asked for it.
                _ => {}
            }
        }
        if is_recreated {
            let size = settings.size;
            tracing::info!(frame = self.frames, backend = backend.word(), %size, "encoder set up anew");
            self.note(backend, EventKind::Recreated { size });
        }
        let (from, to) = (told.bitrate, settings.bitrate);
        if from != to {
            tracing::debug!(
                frame = self.frames,
                backend = backend.word(),
                from_bps = from.bps(),
                to_bps = to.bps(),
                "bitrate changed"
            );
            self.note(backend, EventKind::BitrateChanged { from, to });
        }
    }

    /// Counts a frame that took as long as `times.total`, and gives it its number.
    pub(super) fn coded(&mut self, backend: Backend, coded: &Coded, bytes: usize) -> FrameId {
        let StageTimes { convert, upload, submit, wait, copy, total } = coded.times;
        self.latency.count(total);
        match backend {
            Backend::Nvenc => self.counters.nvenc_frames += 1,
            Backend::OpenH264 => self.counters.openh264_frames += 1,
        }
        if self.frames.is_multiple_of(FRAMES_A_SAMPLE) {
            let micros = |time: Duration| time.as_micros() as u64;
            tracing::debug!(
                frame = self.frames,
                backend = backend.word(),
                is_idr = coded.is_idr,
                bytes,
                qp = coded.qp,
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
