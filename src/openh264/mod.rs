//! The software backend: the openh264 library, with a rate control of our own.

mod api;
mod device;
mod library;
#[cfg(feature = "cisco")]
mod load;
mod params;
mod planar;
mod rate;
mod raw;
mod session;

use std::ops::{Range, RangeInclusive};
use std::sync::Weak;
use std::time::{Duration, Instant};

use crate::annexb::is_droppable;
use crate::backend::Backend;
use crate::config::{EncoderConfig, TemporalLayers};
use crate::encoder::{AccessUnit, Encoder, Engine, Picture, StageTimes};
use crate::error::{ConfigError, Error, FrameError, StillInUse};
use crate::event::{Event, EventKind, EventLog};
use crate::frame::Frame;
use crate::pipeline::Pipelined;
use crate::recovery::Recovery;
use crate::references::{Answer, References};
use crate::remains::Remains;
use crate::units::{Bitrate, FrameId, FrameRate, FrameSize, QpRange};
use device::DeviceReader;
pub use library::Library;
#[cfg(feature = "cisco")]
pub use load::{LoadError, load, load_unchecked};
use planar::Planar;
use rate::{PictureKind, RateControl};
use session::LibrarySession;

/// An H.264 encoder on the CPU.
///
/// One frame in, one access unit out: the library's frame skipping is off and its rate control with it; ours sets
/// one quantiser for each picture.
#[derive(Debug)]
pub struct OpenH264Encoder {
    session: LibrarySession,
    config: EncoderConfig,
    size: FrameSize,
    /// Reads frames that lie in device memory.
    device: DeviceReader,
    planar: Planar,
    rate: RateControl,
    /// Reused from frame to frame.
    bytes: Vec<u8>,
    nals: Vec<Range<usize>>,
    references: References,
    frames: u64,
    frames_since_idr: u32,
    /// No other picture is predicted from the last one.
    was_leaf: bool,
    /// The next picture is an IDR because the stream has just been opened, has changed its size or was lost.
    starts: bool,
    events: EventLog,
}

impl OpenH264Encoder {
    /// Opens an encoder.
    ///
    /// # Errors
    /// [`Error::Config`] for what the library cannot take, [`Error::Driver`] when it refuses to open,
    /// [`Error::Unavailable`] in a build with the feature `cisco` alone before a library is loaded.
    pub fn new(config: &EncoderConfig) -> Result<Self, Error> {
        config.validate()?;
        library::warn_without_simd();
        let rate = rate_control(config, config.size);
        let mut encoder = Self {
            session: LibrarySession::open(config, config.size, rate.qp())?,
            config: config.clone(),
            size: config.size,
            device: DeviceReader::new(config.nvenc.form),
            planar: Planar::new(config.colour),
            rate,
            bytes: Vec::new(),
            nals: Vec::new(),
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

    /// Whether [`new`](OpenH264Encoder::new) would take the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] for what the library cannot take.
    pub(crate) fn check(config: &EncoderConfig) -> Result<(), ConfigError> {
        config.validate()?;
        params::check(config)
    }

    fn note(&mut self, kind: EventKind) {
        self.events.note(self.frames, Backend::OpenH264, kind);
    }

    fn idr_is_due(&self, picture: Picture) -> bool {
        let period_is_over =
            self.config.idr_period_frames.is_some_and(|period| self.frames_since_idr >= period.get());
        // The library has no intra refresh.
        self.starts || picture != Picture::Auto || period_is_over
    }
}

/// A rate control that has seen nothing yet.
fn rate_control(config: &EncoderConfig, size: FrameSize) -> RateControl {
    RateControl::new(size, config.frame_rate, config.bitrate, quantisers(config))
}

/// The quantisers that were asked for, as far as the library goes: with two temporal layers no finer than 1.
fn quantisers(config: &EncoderConfig) -> QpRange {
    let (min, max) = (config.qp_range.min(), config.qp_range.max());
    match config.temporal_layers {
        TemporalLayers::One => config.qp_range,
        TemporalLayers::Two => QpRange::new(min.max(1), max.max(1)).unwrap_or(config.qp_range),
    }
}

impl Encoder for OpenH264Encoder {
    fn backend(&self) -> Backend {
        Backend::OpenH264
    }

    fn size(&self) -> FrameSize {
        self.size
    }

    fn encode(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error> {
        let start = Instant::now();
        self.session.alive()?;
        if frame.size() != self.size {
            return Err(FrameError::Size { frame: frame.size(), encoder: self.size }.into());
        }
        if picture == Picture::Idr {
            self.note(EventKind::IdrRequested);
        }
        let was_due = self.idr_is_due(picture);
        let mut is_idr = was_due;

        let timestamp = frame.timestamp();
        let fetched = self.device.fetch(frame)?;
        let arrived = if fetched.is_some() { Instant::now() } else { start };
        let (planes, was_converted) = self.planar.planes(fetched.as_ref().unwrap_or(frame));
        let converted = if was_converted { Instant::now() } else { arrived };

        let kind = match () {
            () if is_idr => PictureKind::Idr,
            () if self.config.temporal_layers == TemporalLayers::Two && !self.was_leaf => PictureKind::Leaf,
            () => PictureKind::P,
        };
        self.session.set_qp(self.rate.plan(kind, &planes), kind == PictureKind::Leaf)?;
        if is_idr {
            self.session.force_idr(&self.config)?;
        }
        let milliseconds = self.rate.milliseconds(self.frames);
        let mut coded = self.session.encode(&planes, milliseconds, is_idr);
        while self.session.has_overflown()
            && let Some(coarser) = self.rate.coarser()
        {
            // The frame is not lost: it starts a session of its own, coarser, whatever the range of quantisers.
            tracing::warn!(
                qp = coarser,
                "a picture outgrew openh264's buffer and is coded again, coarser, as an IDR"
            );
            self.session = LibrarySession::open(&self.config, self.size, coarser)?;
            self.session.set_qp(coarser, false)?;
            is_idr = true;
            coded = self.session.encode(&planes, milliseconds, is_idr);
        }
        coded?;
        let encoded = Instant::now();

        self.session.take(&mut self.bytes, &mut self.nals)?;
        if is_idr && !was_due {
            self.note(EventKind::Recreated { size: self.size });
        }
        if let Some(unmet) = self.rate.coded(self.bytes.len()) {
            self.note(unmet);
        }
        let frame_id = FrameId(self.frames);
        let is_droppable = is_droppable(&self.bytes, &self.nals);
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
        Ok(AccessUnit {
            bytes: &self.bytes,
            nal_ranges: &self.nals,
            frame_id,
            is_idr,
            is_droppable,
            timestamp,
            qp: Some(self.rate.qp()),
            times,
            backend: Backend::OpenH264,
        })
    }

    /// An IDR comes next, since the library predicts from no other frame than the last.
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

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Error> {
        self.session.alive()?;
        let from = self.config.bitrate;
        if from != bitrate {
            self.config.bitrate = bitrate;
            self.rate.set_target(self.config.frame_rate, bitrate);
            self.note(EventKind::BitrateChanged { from, to: bitrate });
        }
        Ok(())
    }

    fn set_frame_rate(&mut self, frame_rate: FrameRate) -> Result<(), Error> {
        self.session.alive()?;
        if frame_rate != self.config.frame_rate {
            self.config.frame_rate = frame_rate;
            self.rate.set_target(frame_rate, self.config.bitrate);
        }
        Ok(())
    }

    fn set_qp_range(&mut self, qp_range: QpRange) -> Result<(), Error> {
        self.session.alive()?;
        self.config.qp_range = qp_range;
        self.rate.set_qp_range(quantisers(&self.config));
        Ok(())
    }

    fn set_size(&mut self, size: FrameSize) -> Result<(), Error> {
        self.session.alive()?;
        if size == self.size {
            return Ok(());
        }
        self.config.check_memory(size)?;
        let rate = rate_control(&self.config, size);
        self.session.resize(&self.config, size, rate.qp())?;
        self.size = size;
        self.rate = rate;
        self.planar.clear();
        self.starts = true;
        self.note(EventKind::Recreated { size });
        Ok(())
    }

    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.session.alive()?;
        self.session.encode_parameter_sets()?;
        let mut bytes = Vec::new();
        self.session.take(&mut bytes, &mut Vec::new())?;
        Ok(bytes)
    }

    /// Nothing is kept of a frame, unless a call that was to fetch it hangs.
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

impl Pipelined for OpenH264Encoder {}

impl Engine for OpenH264Encoder {
    fn last_unit(&self) -> (&[u8], &[Range<usize>]) {
        (&self.bytes, &self.nals)
    }

    fn trade_unit(&mut self, bytes: &mut Vec<u8>, nals: &mut Vec<Range<usize>>) {
        std::mem::swap(&mut self.bytes, bytes);
        std::mem::swap(&mut self.nals, nals);
    }

    fn start_over(&mut self) {
        self.rate = rate_control(&self.config, self.size);
        self.starts = true;
    }

    fn let_go(&mut self, _address: Option<u64>) -> Result<(), Error> {
        Ok(())
    }

    /// Behind what was left comes what is in use, of which nothing outlives its call.
    fn remains(&self) -> Vec<Remains> {
        vec![self.device.remains(), Weak::<()>::new()]
    }
}
