//! What a viewer's page shows of its stream.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use direct264::error::Unavailable;
use direct264::failover::Counters;
use direct264::rtc::ProfileLevelId;
use direct264::{AccessUnit, Backend, Bitrate, Event, EventKind, FrameSize};
use serde_json::{Value, json};

use crate::picture::unix_ms;

/// A mutex around plain values, which no panic leaves half changed.
#[derive(Debug)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Frames that percentiles are taken of: ten seconds at 30 a second.
const WINDOW_FRAMES: usize = 300;
/// At 30 frames a second it is two of them.
const NOTICEABLY_LATE: Duration = Duration::from_millis(60);
/// What happened, for the page to tell.
const MOST_EVENTS: usize = 40;
/// Bits and frames are counted over this long.
const SECOND: Duration = Duration::from_secs(1);

const STAGES: [&str; 7] = ["draw", "convert", "upload", "submit", "wait", "copy", "encode"];

/// Where the time of one frame went, in microseconds, stage by stage.
type Stages = [u32; STAGES.len()];

#[derive(Debug)]
pub(crate) struct Figures {
    backend: Option<Backend>,
    passed_over: Vec<String>,
    size: Option<FrameSize>,
    pub(crate) profile: Option<ProfileLevelId>,
    pub(crate) wish: Bitrate,
    pub(crate) target: Bitrate,
    pub(crate) estimate_bps: u64,
    pub(crate) keyframe_requests: u64,
    pub(crate) skipped: u64,
    /// How long frames waited for this thread beyond their time, where that was long, all together.
    late: Duration,
    pub(crate) round_trip: Option<Duration>,
    frames: u64,
    idrs: u64,
    /// The number of the frame that was one last, as it is burnt in.
    last_idr: Option<u16>,
    counters: Counters,
    /// The last second's frames and their bytes.
    second: VecDeque<(Instant, usize)>,
    stages: VecDeque<Stages>,
    events: VecDeque<Value>,
    events_before: u64,
    pub(crate) ended: Option<String>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            backend: None,
            passed_over: Vec::new(),
            size: None,
            profile: None,
            wish: Bitrate::MIN,
            target: Bitrate::MIN,
            estimate_bps: 0,
            keyframe_requests: 0,
            skipped: 0,
            late: Duration::ZERO,
            round_trip: None,
            frames: 0,
            idrs: 0,
            last_idr: None,
            counters: Counters::default(),
            second: VecDeque::new(),
            stages: VecDeque::new(),
            events: VecDeque::new(),
            events_before: 0,
            ended: None,
        }
    }
}

impl Figures {
    pub(crate) fn opened(&mut self, backend: Backend, passed_over: &[Unavailable]) {
        self.backend = Some(backend);
        self.passed_over = passed_over.iter().map(|why| with_advice(why, why.advice())).collect();
    }

    pub(crate) fn coded(&mut self, unit: &AccessUnit<'_>, number: u32, drawn: Duration, size: FrameSize) {
        let now = Instant::now();
        self.backend = Some(unit.backend);
        self.size = Some(size);
        self.frames += 1;
        if unit.is_idr {
            self.idrs += 1;
            self.last_idr = Some(number as u16);
        }
        self.second.push_back((now, unit.bytes.len()));
        while self.second.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > SECOND) {
            self.second.pop_front();
        }
        let times = unit.times;
        let stages = [drawn, times.convert, times.upload, times.submit, times.wait, times.copy, times.total]
            .map(|took| u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        if self.stages.len() == WINDOW_FRAMES {
            self.stages.pop_front();
        }
        self.stages.push_back(stages);
    }

    /// A frame began, or ended, this long after its time.
    pub(crate) fn was_late(&mut self, late: Duration) {
        if late > NOTICEABLY_LATE {
            self.late += late;
        }
    }

    pub(crate) fn happened(&mut self, events: Vec<Event>, counters: Counters) {
        self.counters = counters;
        for event in events {
            let detail = match &event.kind {
                EventKind::FellBack { to, reason, detail, .. } => {
                    format!("to {to}: {}", with_advice(reason.sentence(), detail))
                }
                EventKind::PassedOver { reason, detail, .. }
                | EventKind::ChangeRefused { reason, detail, .. } => with_advice(reason.sentence(), detail),
                EventKind::Restored { from } => format!("from {from}"),
                EventKind::Recreated { size, .. } => format!("for {size}"),
                EventKind::RateUnmet { target, reached_bps } => {
                    format!("{reached_bps} bit/s instead of {target}")
                }
                EventKind::BitrateChanged { from, to } => format!("{from} to {to}"),
                _ => String::new(),
            };
            self.tell(event.kind.as_str(), event.backend.as_str(), &detail);
        }
    }

    pub(crate) fn tell(&mut self, word: &str, backend: &str, detail: &str) {
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
            self.events_before += 1;
        }
        self.events.push_back(json!({"at": unix_ms(), "event": word, "backend": backend, "detail": detail}));
    }

    /// One line for the log: what the stream is encoded by, and came to.
    pub(crate) fn summary(&self) -> String {
        format!("{} frames, {} IDRs, {} failovers", self.frames, self.idrs, self.counters.fallbacks)
    }

    pub(crate) fn json(&self) -> Value {
        let recent = self.second.back().map_or(0, |(last, _)| {
            // Nothing that lies longer back than that counts, though no frame came to push it out.
            if last.elapsed() > SECOND { 0 } else { self.second.len() }
        });
        let bytes: usize = if recent == 0 { 0 } else { self.second.iter().map(|(_, bytes)| bytes).sum() };
        json!({
            "now": unix_ms(),
            "backend": self.backend.map(Backend::as_str),
            "passed_over": self.passed_over,
            "size": self.size.map(|size| [size.width(), size.height()]),
            "profile_level_id": self.profile.map(|profile| profile.to_string()),
            "frames": self.frames,
            "idrs": self.idrs,
            "last_idr": self.last_idr,
            "skipped": self.skipped,
            "late_us": u64::try_from(self.late.as_micros()).unwrap_or(u64::MAX),
            "keyframe_requests": self.keyframe_requests,
            "fps": recent,
            "bps": bytes * 8,
            "wish_bps": self.wish.bps(),
            "target_bps": self.target.bps(),
            "estimate_bps": self.estimate_bps,
            "round_trip_us": self.round_trip.map(|trip| u64::try_from(trip.as_micros()).unwrap_or(u64::MAX)),
            "fallbacks": self.counters.fallbacks,
            "restorations": self.counters.restorations,
            "hardware_frames": self.counters.frames(Backend::Nvenc),
            "software_frames": self.counters.frames(Backend::OpenH264),
            "stages_us": self.percentiles(),
            "events": self.events,
            "events_before": self.events_before,
            "ended": self.ended,
        })
    }

    /// Of every stage that took any time.
    fn percentiles(&self) -> Value {
        let stage = |index: usize| {
            let mut took: Vec<u32> = self.stages.iter().map(|stages| stages[index]).collect();
            took.sort_unstable();
            let percentile = |percent: usize| {
                let rank = (took.len() * percent).div_ceil(100).max(1) - 1;
                took.get(rank).copied().unwrap_or(0)
            };
            json!({"stage": STAGES[index], "p50": percentile(50), "p99": percentile(99)})
        };
        let has_time = |index: &usize| self.stages.iter().any(|stages| stages[*index] > 0);
        (0..STAGES.len()).filter(has_time).map(stage).collect()
    }
}

fn with_advice(what: impl fmt::Display, more: &str) -> String {
    if more.is_empty() { what.to_string() } else { format!("{what}; {more}") }
}
