//! The encoder that never stops: whichever backend fails, the next one takes the same frame.

mod change;
mod ids;
mod pipeline;
mod switch;

use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use ids::Ids;

use super::backoff::Waits;
use super::held::{Held, Settings, check};
use super::histogram::Latency;
use super::order::Order;
use super::record::{Counters, Record};
use super::restore::Restorer;
use crate::backend::Backend;
use crate::config::EncoderConfig;
use crate::encoder::{AccessUnit, Coded, Encoder, Picture};
use crate::error::{ConfigError, Error, StillInUse, Unavailable};
use crate::event::Event;
use crate::format::PixelFormat;
use crate::frame::Frame;
use crate::reason::Reason;
use crate::recovery::Recovery;
use crate::remains::Remains;
use crate::units::{Bitrate, FrameId, FrameRate, FrameSize, QpRange};
use pipeline::Pipe;

/// How long a session that was left is waited for where its memory is to be freed.
const LONGEST_END: Duration = Duration::from_secs(2);

/// What [`open`](crate::open) opens: an encoder that changes its backend when it must, and tells.
///
/// - A call that fails in the better backend, or does not come back within its limit, costs no frame: the same `encode`
///   call gives the access unit of the same frame from the next backend of the order, as an IDR. What was changed
///   meanwhile (bitrate, frame rate, quantisers, size) holds there too.
/// - The better backend is tried again after a [`BackOff`](crate::BackOff), on a thread that is not the caller's; the
///   stream returns to it with an IDR. Streams of this process that wait for an encode session take turns, and the first
///   of them tries at once when a session has ended. They wait behind whoever finds a free one: a stream that is being
///   opened asks the driver before it waits in line, as any other process does.
/// - A frame of another size is followed: it becomes an IDR.
///
/// All of it is told by [`take_events`](Encoder::take_events) and through `tracing`. An order of one backend is strict:
/// there is nothing to change to, and its errors are the caller's.
#[derive(Debug)]
pub struct FailoverEncoder {
    order: Order,
    /// As opened, for all that never changes.
    base: EncoderConfig,
    /// As the caller last wanted it. A higher bitrate may be waiting.
    wanted: Settings,
    active: Held,
    /// What would stand in, kept warm while the first of the order is active.
    spare: Option<Held>,
    /// Why the first of the order is not active.
    left_for: Option<Reason>,
    /// Attempts at the first of the order.
    restorer: Option<Restorer>,
    /// `None` for no attempts.
    waits: Option<Waits>,
    /// Encoders that were left, and are ending.
    left: Vec<Remains>,
    /// An IDR was asked for and has not come yet.
    idr_requested: bool,
    frames_since_idr: u32,
    /// Of the frame that came last.
    format: PixelFormat,
    ids: Ids,
    record: Record,
    pipe: Pipe,
}

/// Which of the errors of several backends is told: what is there and fails may work another time, a setting beyond the
/// limits can be mended by the caller, and what is not there is often not meant to be.
fn weight(error: &Error) -> u8 {
    match error {
        Error::Unavailable(why) if why.reason.is_absence() => 0,
        Error::Config(_) => 1,
        _ => 2,
    }
}

impl FailoverEncoder {
    /// Opens the first backend of the order that can be had, and tells which ones were passed over.
    pub(super) fn open(config: &EncoderConfig, order: &Order) -> Result<(Self, Vec<Unavailable>), Error> {
        config.validate()?;
        let settings = Settings::of(config);
        let start = Instant::now();
        let mut record = Record::new(settings);
        let mut passed_over: Vec<Unavailable> = Vec::new();
        let mut telling = Error::Config(ConfigError::NoBackend);
        for (place, &backend) in order.backends().iter().enumerate() {
            match Held::open(backend, config, settings) {
                Ok(active) => {
                    record.selected(backend, start.elapsed());
                    let mut encoder = Self {
                        order: order.clone(),
                        base: config.clone(),
                        wanted: settings,
                        active,
                        spare: None,
                        left_for: passed_over.first().map(Unavailable::until),
                        restorer: None,
                        waits: config.failover.retry.map(Waits::new),
                        left: Vec::new(),
                        idr_requested: false,
                        frames_since_idr: 0,
                        format: PixelFormat::I420,
                        ids: Ids::default(),
                        record,
                        pipe: Pipe::default(),
                    };
                    if !config.failover.warm_software {
                        encoder.tell_who_cannot_stand_in(place);
                    }
                    encoder.make_ready();
                    return Ok((encoder, passed_over));
                }
                Err(error) => {
                    let why = error.passes_over(backend);
                    record.passed_over(&why);
                    passed_over.push(why);
                    if passed_over.len() == 1 || weight(&error) >= weight(&telling) {
                        telling = error;
                    }
                }
            }
        }
        Err(telling)
    }

    /// How many frames came from which backend, and how often that changed.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.record.counters()
    }

    /// How long `encode` took, whichever backend encoded.
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
    fn idr_is_due(&self) -> bool {
        let period = self.base.idr_period_frames;
        self.idr_requested || period.is_some_and(|period| self.frames_since_idr >= period.get())
    }

    /// Tells at the opening, not when it is needed, which of the backends behind the one at `place` could not take over.
    fn tell_who_cannot_stand_in(&mut self, place: usize) {
        for &backend in self.order.backends().iter().skip(place + 1) {
            if let Err(why) = check(backend, &self.base) {
                self.record.cannot_stand_in(&why);
            }
        }
    }

    /// Has everything ready for a frame; what kind of picture it becomes.
    // In line, so that the one-call form pays nothing for the pipelined one, which uses it too.
    #[inline(always)]
    fn prepare(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<Picture, Error> {
        if picture == Picture::Idr {
            self.record.idr_requested(self.active.backend());
            self.idr_requested = true;
        }
        self.follow_format(frame.pixels().format());
        if frame.size() != self.wanted.size {
            self.change_size(frame.size())?;
        } else if self.idr_is_due()
            && let Err(error) = self.put_in_force(self.wanted)
        {
            // A session that is lost says so when the frame comes.
            tracing::debug!(%error, "a bitrate that waited is given up");
            self.wanted.bitrate = self.bitrate_in_force();
        }
        Ok(if self.idr_requested { Picture::Idr } else { picture })
    }

    /// Tells what has come into force.
    fn tell(&mut self) {
        let events = self.active.take_events();
        self.record.in_force(self.active.backend(), self.active.settings(), events);
    }
}

impl Encoder for FailoverEncoder {
    fn backend(&self) -> Backend {
        self.active.backend()
    }

    fn size(&self) -> FrameSize {
        self.wanted.size
    }

    /// Encodes one frame, of whatever size.
    ///
    /// # Errors
    /// [`Error::Config`] for a size that no backend takes, which leaves the encoder as it was. [`Error::Driver`] when
    /// there is no backend left.
    fn encode(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error> {
        let start = Instant::now();
        let picture = self.prepare(frame, picture)?;
        let mut coded = self.encode_anyhow(|held| held.encode(frame, picture))?;
        self.frames_since_idr = if coded.is_idr { 1 } else { self.frames_since_idr.saturating_add(1) };
        self.idr_requested &= !coded.is_idr;
        self.tell();

        coded.times.total = start.elapsed();
        let backend = self.active.backend();
        let (bytes, nal_ranges) = self.active.last_unit();
        let frame_id = self.record.coded(backend, &coded, bytes.len());
        self.ids.coded(frame_id, coded.frame_id);
        let Coded { is_idr, is_droppable, qp, times, .. } = coded;
        Ok(AccessUnit {
            bytes,
            nal_ranges,
            frame_id,
            is_idr,
            is_droppable,
            timestamp: frame.timestamp(),
            qp,
            times,
            backend,
        })
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

    /// Changes the target; a small increase waits: see
    /// [`bitrate_threshold_percent`](crate::FailoverConfig::bitrate_threshold_percent).
    ///
    /// # Errors
    /// [`Error::Driver`] when there is no backend left.
    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Error> {
        self.change(Settings { bitrate, ..self.wanted })
    }

    fn set_frame_rate(&mut self, frame_rate: FrameRate) -> Result<(), Error> {
        self.change(Settings { frame_rate, ..self.wanted })
    }

    fn set_qp_range(&mut self, qp_range: QpRange) -> Result<(), Error> {
        self.change(Settings { qp_range, ..self.wanted })
    }

    fn set_size(&mut self, size: FrameSize) -> Result<(), Error> {
        if size == self.wanted.size { Ok(()) } else { self.change_size(size) }
    }

    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.with_active(Held::parameter_sets)
    }

    /// Waits for sessions that were left and are ending, which may have read from the memory.
    fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error> {
        self.settle()?;
        self.with_active(|active| active.let_go(address))?;
        if let Some(spare) = &mut self.spare {
            spare.let_go(address)?;
        }
        // Those that are there have left all of their sessions but the last.
        let held = std::iter::once(&self.active).chain(&self.spare);
        let left_by_held: Vec<Remains> = held.flat_map(Held::left).collect();
        let start = Instant::now();
        while self.left.iter().chain(&left_by_held).any(|left| left.strong_count() > 0) {
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
