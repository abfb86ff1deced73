//! An encoder that survives the failure of a backend: the next one takes the same frame.

use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use super::histogram::Latency;
use super::ids::Ids;
use super::line::Line;
use super::order::BackendOrder;
use super::record::{Counters, Record};
use super::spare::{left_by, open};
use crate::backend::Backend;
use crate::backends::row;
use crate::config::{EncoderConfig, Settings};
use crate::encoder::Encoder;
use crate::engine::{Depth, Engine};
use crate::error::{ConfigError, Error, FrameError, StillInUse, Unavailable};
use crate::event::Event;
use crate::format::PixelFormat;
use crate::frame::Frame;
use crate::picture::Picture;
use crate::ready::Ready;
use crate::recovery::Recovery;
use crate::remains::Remains;
use crate::replaceable::Replaceable;
use crate::units::{Bitrate, FrameId};

/// The time that a left session has to end when its memory is to be freed.
const LONGEST_END: Duration = Duration::from_secs(2);

/// An encoder that changes its backend on failure and reports each change; [`open`](crate::open) returns it.
///
/// - A call that fails in the active backend, or passes its limit, costs no frame. The same `encode` call returns the
///   access unit of the same frame, as an IDR, from the next backend of the order that opens. Changed settings
///   (bitrate, frame rate, quantisers, size) hold there too.
/// - Every better backend is tried again after a [`BackOff`](crate::config::BackOff), on threads of its own. The
///   stream returns with an IDR to the best backend that works again.
/// - Streams of this process that wait for an NVENC session queue up, and the head tries at once when a session has
///   ended. A stream that is being opened asks the driver before it queues, as another process would, and so may take
///   a free session first.
/// - A frame of another size changes the size, and becomes an IDR. A small increase of the bitrate waits: see
///   [`bitrate_threshold_percent`](crate::config::FailoverConfig::bitrate_threshold_percent).
///
/// [`take_events`](Encoder::take_events) and `tracing` report each of these. An order of one backend is strict: the
/// stream stays there, and its errors are the caller's.
#[derive(Debug)]
pub struct FailoverEncoder {
    /// The configuration at opening, for the settings that never change.
    pub(super) base: EncoderConfig,
    /// The settings that the caller wants. The bitrate in force may be lower.
    pub(super) wanted: Settings,
    pub(super) line: Line,
    pub(super) active: Box<dyn Replaceable>,
    /// A warm engine of a place behind the active one.
    pub(super) spare: Option<Box<dyn Replaceable>>,
    /// Engines that were left and are ending.
    pub(super) left: Vec<Remains>,
    /// Whether an IDR was asked for and not submitted yet.
    pub(super) idr_requested: bool,
    pub(super) frames_since_idr: u32,
    /// The format of the newest frame.
    pub(super) format: PixelFormat,
    pub(super) ids: Ids,
    pub(super) record: Record,
    /// The arrival time of the frame in flight.
    pub(super) flying: Option<Instant>,
    pub(super) ready: Ready,
}

/// Ranks an error among those of several backends. A backend that is there and fails may work another time. The caller
/// can mend a setting beyond the limits. An absent backend is often not expected at all.
fn weight(error: &Error) -> u8 {
    match error {
        Error::Unavailable(why) if why.reason.is_absence() => 0,
        Error::Config(_) => 1,
        _ => 2,
    }
}

fn is_alive(session: &Remains) -> bool {
    session.strong_count() > 0
}

impl FailoverEncoder {
    /// Opens the first backend of the order that works, and reports those passed over.
    pub(super) fn open(
        config: &EncoderConfig,
        order: &BackendOrder,
    ) -> Result<(Self, Vec<Unavailable>), Error> {
        config.validate()?;
        let settings = config.settings;
        let start = Instant::now();
        let mut record = Record::new(settings);
        let mut line = Line::new(order, config);
        let mut passed_over: Vec<Unavailable> = Vec::new();
        let mut telling = Error::Config(ConfigError::NoBackend);
        for (index, &backend) in order.backends().iter().enumerate() {
            match open(backend, config, settings) {
                Ok(active) => {
                    record.selected(backend, start.elapsed());
                    line.activate(index);
                    let mut encoder = Self {
                        base: config.settled(),
                        wanted: settings,
                        line,
                        active,
                        spare: None,
                        left: Vec::new(),
                        idr_requested: false,
                        frames_since_idr: 0,
                        format: PixelFormat::I420,
                        ids: Ids::default(),
                        record,
                        flying: None,
                        ready: Ready::default(),
                    };
                    encoder.make_ready();
                    return Ok((encoder, passed_over));
                }
                Err(error) => {
                    let why = error.passes_over(backend);
                    record.passed_over(&why);
                    if let Some(place) = line.at(index) {
                        place.left_for = Some(why.until());
                    }
                    passed_over.push(why);
                    if passed_over.len() == 1 || weight(&error) >= weight(&telling) {
                        telling = error;
                    }
                }
            }
        }
        Err(telling)
    }

    /// Prepares an open encoder for failures: opens a stand-in or reports why there is none, and starts attempts at
    /// every better backend.
    fn make_ready(&mut self) {
        if self.base.failover.warm_software {
            self.warm_a_spare();
        } else {
            for (_, backend) in self.line.behind() {
                if let Err(error) = (row(backend).check)(&self.base) {
                    self.record.cannot_stand_in(&error.passes_over(backend));
                }
            }
        }
        for index in self.line.awaited() {
            self.retry(index);
        }
    }

    /// The frames of each backend, and the changes between backends.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.record.counters()
    }

    /// The time of `encode` over the frames so far, on all backends.
    #[must_use]
    pub fn latency(&self) -> Latency {
        self.record.latency()
    }

    /// The target bitrate of the active backend: the one set last, or a lower one while a small increase waits.
    #[must_use]
    pub fn bitrate_in_force(&self) -> Bitrate {
        self.active.settings().bitrate
    }

    /// Whether a session that the stream has left is still ending. Until then it may read device memory of frames whose
    /// call timed out: see [`Frame::cuda`](crate::Frame::cuda). Waits for nothing.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        // Each engine keeps its current session; the earlier ones are ending.
        let engines = std::iter::once(&self.active).chain(&self.spare);
        let mut left_by_engines = engines.flat_map(|engine| left_by(&**engine));
        self.left.iter().any(is_alive) || left_by_engines.any(|left| is_alive(&left))
    }

    /// Whether the next picture is an IDR that is known beforehand.
    pub(super) fn idr_is_due(&self) -> bool {
        let period = self.base.idr_period_frames;
        self.idr_requested || period.is_some_and(|period| self.frames_since_idr >= period.get())
    }

    /// Has everything ready for a frame, and tells which kind of picture it becomes.
    fn prepare(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<Picture, Error> {
        if picture == Picture::Idr {
            self.record.idr_requested(self.active.backend());
            self.idr_requested = true;
        }
        self.follow_format(frame.pixels().format());
        if frame.size() != self.wanted.size {
            self.change_size(Settings { size: frame.size(), ..self.wanted })?;
        } else if self.idr_is_due()
            && let Err(error) = self.put_in_force(self.wanted)
        {
            // A lost session reports its error at the next frame.
            tracing::debug!(%error, "a waiting bitrate is given up");
            self.wanted.bitrate = self.bitrate_in_force();
        }
        Ok(if self.idr_requested { Picture::Idr } else { picture })
    }

    /// Takes a frame, which `submit` hands to the engine that encodes it.
    pub(super) fn submit_by(
        &mut self,
        frame: &Frame<'_>,
        picture: Picture,
        depth: Depth,
        mut submit: impl FnMut(&mut dyn Replaceable, Picture) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let start = Instant::now();
        if depth == Depth::One && self.flying.is_some() {
            return Err(FrameError::InFlight.into());
        }
        let picture = self.prepare(frame, picture)?;
        self.encode_by(|engine| submit(engine, picture))?;
        self.taken(picture, start);
        Ok(())
    }

    /// Tells what has come into force.
    pub(super) fn tell(&mut self) {
        let events = self.active.take_events();
        self.record.in_force(self.active.backend(), self.active.settings(), events);
    }
}

impl Encoder for FailoverEncoder {
    fn backend(&self) -> Backend {
        self.active.backend()
    }

    fn settings(&self) -> Settings {
        self.wanted
    }

    fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error> {
        self.settle()?;
        let Some(of_active) = self.ids.of_active(&lost) else { return Ok(Recovery::NotNeeded) };
        let recovery = match self.active.invalidate(of_active) {
            Err(error) if !error.leaves_encoder_usable() => {
                self.fall_back(error)?;
                Recovery::Idr
            }
            done => done?,
        };
        if recovery != Recovery::NotNeeded {
            let (first, last) = (*lost.start(), *lost.end());
            self.record.invalidated(self.active.backend(), first, last, recovery);
        }
        Ok(recovery)
    }

    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.with_active(|engine| engine.parameter_sets())
    }

    /// Waits for left sessions that are ending, since they may have read the memory.
    fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error> {
        self.settle()?;
        if self.line.is_spent() {
            // What is left of the engine ends, and is waited for below.
            match self.active.forget_cuda(address) {
                Err(error) if !matches!(error, Error::StillInUse(_)) => return Err(error),
                _ => {}
            }
        } else {
            self.with_active(|engine| engine.let_go(address))?;
        }
        if let Some(spare) = &mut self.spare {
            spare.let_go(address)?;
        }
        let start = Instant::now();
        while self.is_leaving() {
            if start.elapsed() > LONGEST_END {
                return Err(StillInUse::new(Backend::Nvenc).into());
            }
            thread::sleep(Duration::from_micros(500));
        }
        self.left.clear();
        Ok(())
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.record.take_events()
    }
}

impl Engine for FailoverEncoder {
    fn apply(&mut self, settings: Settings) -> Result<(), Error> {
        if settings.size == self.wanted.size { self.change(settings) } else { self.change_size(settings) }
    }

    fn submit(&mut self, frame: &Frame<'_>, picture: Picture, depth: Depth) -> Result<(), Error> {
        self.submit_by(frame, picture, depth, |engine, picture| engine.submit(frame, picture, depth))
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.settle()?;
        self.tell();
        Ok(())
    }

    fn ready(&mut self) -> &mut Ready {
        &mut self.ready
    }
}
