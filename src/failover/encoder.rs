//! The encoder that never stops: whichever backend fails, the next one takes the same frame.

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

/// The time that a session which was left has to end where its memory is to be freed.
const LONGEST_END: Duration = Duration::from_secs(2);

/// The encoder that [`open`](crate::open) opens. It changes its backend when it must, and tells.
///
/// - A call that fails in the active backend, or does not come back within its limit, costs no frame: the same `encode`
///   call gives the access unit of the same frame from the next backend of the order that can be opened, as an IDR. The
///   settings changed meanwhile (bitrate, frame rate, quantisers, size) hold there too.
/// - Every better backend is tried again after a [`BackOff`](crate::config::BackOff), on threads that are not the
///   caller's; the stream returns to the best one that was found with an IDR. Streams of this process that wait for an
///   NVENC session take turns, and the first of them tries at once when a session has ended. They wait behind whoever
///   finds a free one: a stream that is being opened asks the driver before it waits in line, as any other process does.
/// - A frame of another size is followed: it becomes an IDR. A small increase of the bitrate waits: see
///   [`bitrate_threshold_percent`](crate::config::FailoverConfig::bitrate_threshold_percent).
///
/// [`take_events`](Encoder::take_events) and `tracing` tell of each of these. An order of one backend is strict: the
/// stream stays there, and its errors are the caller's.
#[derive(Debug)]
pub struct FailoverEncoder {
    /// As opened, for all that never changes.
    pub(super) base: EncoderConfig,
    /// The settings that the caller wants. A higher bitrate may be waiting.
    pub(super) wanted: Settings,
    pub(super) line: Line,
    pub(super) active: Box<dyn Replaceable>,
    /// An engine of a place behind the active one, kept warm.
    pub(super) spare: Option<Box<dyn Replaceable>>,
    /// Engines that were left, and are ending.
    pub(super) left: Vec<Remains>,
    /// An IDR was asked for and has not been submitted yet.
    pub(super) idr_requested: bool,
    pub(super) frames_since_idr: u32,
    /// Of the frame that came last.
    pub(super) format: PixelFormat,
    pub(super) ids: Ids,
    pub(super) record: Record,
    /// The time at which the frame in flight came, if there is one.
    pub(super) flying: Option<Instant>,
    pub(super) ready: Ready,
}

/// The weight of an error among those of several backends. A backend that is there and fails may work another time, a
/// setting beyond the limits can be mended by the caller, and a backend that is absent is often not meant to be there.
fn weight(error: &Error) -> u8 {
    match error {
        Error::Unavailable(why) if why.reason.is_absence() => 0,
        Error::Config(_) => 1,
        _ => 2,
    }
}

impl FailoverEncoder {
    /// Opens the first backend of the order that can be had, and tells which ones were passed over.
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
                        base: config.clone(),
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

    /// Makes what an open encoder has ready for later: an engine that stands in, or the news of those that cannot, and
    /// attempts at every better backend.
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

    /// The number of frames of each backend, and of changes between them.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.record.counters()
    }

    /// The time that `encode` took over the frames so far, whichever backend encoded.
    #[must_use]
    pub fn latency(&self) -> Latency {
        self.record.latency()
    }

    /// The target that the backend has: the one set last, or a lower one while a small increase waits.
    #[must_use]
    pub fn bitrate_in_force(&self) -> Bitrate {
        self.active.settings().bitrate
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
            // A session that is lost says so when the frame comes.
            tracing::debug!(%error, "a bitrate that waited is given up");
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

    /// Waits for sessions that were left and are ending, which may have read from the memory.
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
        // Those that are there have left all of their sessions but the last.
        let engines = std::iter::once(&self.active).chain(&self.spare);
        let left_by_engines: Vec<Remains> = engines.flat_map(|engine| left_by(&**engine)).collect();
        let start = Instant::now();
        while self.left.iter().chain(&left_by_engines).any(|left| left.strong_count() > 0) {
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
