//! The engine of the software backend.

use std::ops::RangeInclusive;
use std::sync::Weak;
use std::time::{Duration, Instant};

use super::device::DeviceReader;
use super::planar::{Planar, Planes};
use super::rate::{PictureKind, RateControl};
use super::session::LibrarySession;
use super::{library, params};
use crate::access_unit::{AccessUnitInfo, StageTimes};
use crate::annexb::is_droppable;
use crate::backend::Backend;
use crate::config::{EncoderConfig, Settings, TemporalLayers};
use crate::encoder::Encoder;
use crate::engine::{Depth, Engine};
use crate::error::{ConfigError, Error, FrameError, StillInUse};
use crate::event::{Event, EventKind, EventLog};
use crate::frame::Frame;
use crate::picture::Picture;
use crate::ready::Ready;
use crate::recovery::Recovery;
use crate::references::{Answer, References};
use crate::remains::Remains;
use crate::replaceable::Replaceable;
use crate::units::{FrameId, QpRange};

/// An H.264 encoder on the CPU.
///
/// Each frame gives an access unit: the library's frame skipping and rate control are off, and this crate's rate
/// control sets one quantiser for each picture. In a [`Pipeline`](crate::Pipeline) nothing overlaps: the call that
/// takes a frame also returns its access unit.
#[derive(Debug)]
pub struct OpenH264Encoder {
    session: LibrarySession,
    /// The configuration at opening, with the settings in force.
    config: EncoderConfig,
    device: DeviceReader,
    planar: Planar,
    rate: RateControl,
    ready: Ready,
    references: References,
    frames: u64,
    frames_since_idr: u32,
    /// Whether no other picture is predicted from the last one.
    was_leaf: bool,
    /// Whether the next picture is an IDR because the stream was just opened, changed its size or was lost.
    starts: bool,
    events: EventLog,
}

impl OpenH264Encoder {
    /// Opens an encoder.
    ///
    /// # Errors
    /// [`Error::Config`] for a setting beyond the library, [`Error::Driver`] when the library refuses to open.
    /// [`Error::Unavailable`] in a build with the feature `cisco` alone before a library is loaded.
    pub fn new(config: &EncoderConfig) -> Result<Self, Error> {
        config.validate()?;
        library::warn_without_simd();
        let rate = rate_control(config);
        let mut encoder = Self {
            session: LibrarySession::open(config, rate.qp())?,
            config: config.settled(),
            device: DeviceReader::new(config.nvenc.form),
            planar: Planar::new(config.colour),
            rate,
            ready: Ready::default(),
            references: References::new(1),
            frames: 0,
            frames_since_idr: 0,
            was_leaf: false,
            starts: true,
            events: EventLog::default(),
        };
        encoder.note(EventKind::Selected);
        Ok(encoder)
    }

    /// Checks whether [`new`](OpenH264Encoder::new) would take the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] for a setting beyond the library.
    pub(crate) fn check(config: &EncoderConfig) -> Result<(), ConfigError> {
        config.validate()?;
        params::check(config)
    }

    fn note(&mut self, kind: EventKind) {
        self.events.note(FrameId(self.frames), Backend::OpenH264, kind);
    }

    fn idr_is_due(&self, picture: Picture) -> bool {
        let period_is_over =
            self.config.idr_period_frames.is_some_and(|period| self.frames_since_idr >= period.get());
        // The library has no intra refresh.
        self.starts || picture != Picture::Auto || period_is_over
    }

    /// Changes the size, with the rates of `config`.
    fn resize(&mut self, config: EncoderConfig) -> Result<(), Error> {
        let size = config.size();
        config.check_memory(size)?;
        let rate = rate_control(&config);
        self.session.resize(&config, rate.qp())?;
        self.config = config;
        self.rate = rate;
        self.planar.clear();
        self.starts = true;
        self.note(EventKind::Recreated { size, is_new_session: false });
        Ok(())
    }
}

/// A rate control without history.
fn rate_control(config: &EncoderConfig) -> RateControl {
    RateControl::new(config.size(), config.frame_rate(), config.bitrate(), quantisers(config))
}

/// Returns the QP range within the library's limits: with two temporal layers no finer than 1.
fn quantisers(config: &EncoderConfig) -> QpRange {
    let asked = config.settings.qp_range;
    match config.temporal_layers {
        TemporalLayers::One => asked,
        TemporalLayers::Two => QpRange::new(asked.min().max(1), asked.max().max(1)).unwrap_or(asked),
    }
}

/// Encodes a picture, as an IDR or not. A picture that outgrows the library's buffer is coded again, coarser than the
/// QP range if need be, as the IDR of a new session. Returns whether that happened.
fn code(
    session: &mut LibrarySession,
    config: &EncoderConfig,
    rate: &mut RateControl,
    planes: &Planes<'_>,
    milliseconds: i64,
    is_idr: bool,
) -> Result<bool, Error> {
    let mut coded = session.encode(planes, milliseconds, is_idr);
    let mut is_anew = false;
    while session.has_overflown()
        && let Some(coarser) = rate.coarser()
    {
        tracing::warn!(
            qp = coarser,
            "a picture outgrew openh264's buffer and is coded again, coarser, as an IDR"
        );
        *session = LibrarySession::open(config, coarser)?;
        session.set_qp(coarser, false)?;
        is_anew = true;
        coded = session.encode(planes, milliseconds, true);
    }
    coded.map(|()| is_anew)
}

impl Encoder for OpenH264Encoder {
    fn backend(&self) -> Backend {
        Backend::OpenH264
    }

    fn settings(&self) -> Settings {
        self.config.settings
    }

    /// The next frame is an IDR, since the library predicts only from the last frame.
    fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error> {
        self.session.alive()?;
        let (first, last) = (*lost.start(), *lost.end());
        if self.references.lose(first.0..=last.0) == Answer::Nothing {
            return Ok(Recovery::NotNeeded);
        }
        self.starts = true;
        let recovery = Recovery::Idr;
        self.note(EventKind::Invalidated { first, last, recovery });
        Ok(recovery)
    }

    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.session.alive()?;
        self.session.encode_parameter_sets()?;
        let mut buffer = self.ready.take_buffer();
        let taken = self.session.take(&mut buffer);
        let bytes = buffer.bytes.clone();
        self.ready.give_back(buffer);
        taken.map(|()| bytes)
    }

    /// The encoder keeps nothing of a frame, unless a fetch hangs.
    fn forget_cuda(&mut self, _address: Option<u64>) -> Result<(), Error> {
        if self.device.remains().strong_count() == 0 {
            return Ok(());
        }
        Err(StillInUse::new(Backend::OpenH264).into())
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.events.take()
    }
}

impl Engine for OpenH264Encoder {
    fn apply(&mut self, settings: Settings) -> Result<(), Error> {
        self.session.alive()?;
        let from = self.config.settings;
        if settings.size != from.size {
            self.resize(EncoderConfig { settings, ..self.config.clone() })?;
        } else {
            self.config.settings = settings;
            if (settings.frame_rate, settings.bitrate) != (from.frame_rate, from.bitrate) {
                self.rate.set_target(settings.frame_rate, settings.bitrate);
            }
            self.rate.set_qp_range(quantisers(&self.config));
        }
        if settings.bitrate != from.bitrate {
            self.note(EventKind::BitrateChanged { from: from.bitrate, to: settings.bitrate });
        }
        Ok(())
    }

    fn submit(&mut self, frame: &Frame<'_>, picture: Picture, _depth: Depth) -> Result<(), Error> {
        let start = Instant::now();
        self.session.alive()?;
        let size = self.config.size();
        if frame.size() != size {
            return Err(FrameError::Size { frame: frame.size(), encoder: size }.into());
        }
        if picture == Picture::Idr {
            self.note(EventKind::IdrRequested);
        }
        let was_due = self.idr_is_due(picture);

        let fetched = self.device.fetch(frame)?;
        let arrived = if fetched.is_some() { Instant::now() } else { start };
        let (planes, was_converted) = self.planar.planes(fetched.as_ref().unwrap_or(frame));
        let converted = if was_converted { Instant::now() } else { arrived };

        let kind = match () {
            () if was_due => PictureKind::Idr,
            () if self.config.temporal_layers == TemporalLayers::Two && !self.was_leaf => PictureKind::Leaf,
            () => PictureKind::P,
        };
        self.session.set_qp(self.rate.plan(kind, &planes), kind == PictureKind::Leaf)?;
        if was_due {
            self.session.force_idr(&self.config)?;
        }
        let milliseconds = self.rate.milliseconds(self.frames);
        let is_anew = code(&mut self.session, &self.config, &mut self.rate, &planes, milliseconds, was_due)?;
        let encoded = Instant::now();

        let is_idr = was_due || is_anew;
        let mut buffer = self.ready.take_buffer();
        self.session.take(&mut buffer)?;
        if is_idr && !was_due {
            self.note(EventKind::Recreated { size, is_new_session: false });
        }
        if let Some(unmet) = self.rate.coded(buffer.bytes.len()) {
            self.note(unmet);
        }
        let frame_id = FrameId(self.frames);
        let is_droppable = is_droppable(&buffer.bytes, &buffer.nal_ranges);
        self.references.coded(self.frames, is_idr, is_droppable);
        self.was_leaf = is_droppable;
        self.frames += 1;
        self.frames_since_idr = if is_idr { 1 } else { self.frames_since_idr.saturating_add(1) };
        self.starts = false;

        let end = Instant::now();
        let times = StageTimes {
            convert: converted - arrived,
            upload: arrived - start,
            submit: encoded - converted,
            wait: Duration::ZERO,
            copy: end - encoded,
            total: end - start,
        };
        let known = AccessUnitInfo::new(Backend::OpenH264, frame_id, frame.timestamp());
        let info = AccessUnitInfo { is_idr, is_droppable, qp: Some(self.rate.qp()), times, ..known };
        self.ready.push(buffer, info);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn ready(&mut self) -> &mut Ready {
        &mut self.ready
    }
}

impl Replaceable for OpenH264Encoder {
    fn in_flight(&self) -> Option<Frame<'_>> {
        None
    }

    fn start_over(&mut self) {
        self.rate = rate_control(&self.config);
        self.starts = true;
    }

    fn let_go(&mut self, _address: Option<u64>) -> Result<(), Error> {
        Ok(())
    }

    /// The remains of an abandoned fetch, and of the session, whose calls all end before they return.
    fn remains(&self) -> Vec<Remains> {
        vec![self.device.remains(), Weak::<()>::new()]
    }
}
