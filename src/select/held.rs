//! An encoder in the hands of the failover encoder, with the settings that it was told.

use std::ops::{Range, RangeInclusive};
use std::thread;

use crate::backend::Backend;
use crate::config::EncoderConfig;
use crate::encoder::{Coded, Engine, Picture};
use crate::error::{Error, Unavailable};
use crate::event::Event;
use crate::format::PixelFormat;
use crate::frame::Frame;
use crate::pipeline::{Done, Ready, Submitted};
#[cfg(not(openh264))]
use crate::reason::Reason;
use crate::recovery::Recovery;
use crate::remains::Remains;
use crate::units::{Bitrate, FrameId, FrameRate, FrameSize, QpRange, Timestamp};

/// What can change while a stream runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) size: FrameSize,
    pub(super) frame_rate: FrameRate,
    pub(super) bitrate: Bitrate,
    pub(super) qp_range: QpRange,
}

impl Settings {
    pub(super) fn of(config: &EncoderConfig) -> Self {
        let EncoderConfig { size, frame_rate, bitrate, qp_range, .. } = *config;
        Self { size, frame_rate, bitrate, qp_range }
    }

    /// With these settings, and `base` for all that does not change.
    fn within(self, base: &EncoderConfig) -> EncoderConfig {
        let Self { size, frame_rate, bitrate, qp_range } = self;
        let max_size = size.union(base.max_size);
        EncoderConfig { size, max_size, frame_rate, bitrate, qp_range, ..base.clone() }
    }
}

/// An open encoder and the settings that it has.
#[derive(Debug)]
pub(super) struct Held {
    engine: Box<dyn Engine>,
    settings: Settings,
}

impl Held {
    pub(super) fn open(backend: Backend, base: &EncoderConfig, settings: Settings) -> Result<Self, Error> {
        Ok(Self { engine: open_engine(backend, &settings.within(base))?, settings })
    }

    pub(super) fn backend(&self) -> Backend {
        self.engine.backend()
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings
    }

    /// Tells the encoder what is new to it.
    pub(super) fn bring_to(&mut self, wanted: Settings) -> Result<(), Error> {
        let Settings { size, frame_rate, bitrate, qp_range } = wanted;
        if size != self.settings.size {
            self.engine.set_size(size)?;
            self.settings.size = size;
        }
        if frame_rate != self.settings.frame_rate {
            self.engine.set_frame_rate(frame_rate)?;
            self.settings.frame_rate = frame_rate;
        }
        if bitrate != self.settings.bitrate {
            self.engine.set_bitrate(bitrate)?;
            self.settings.bitrate = bitrate;
        }
        if qp_range != self.settings.qp_range {
            self.engine.set_qp_range(qp_range)?;
            self.settings.qp_range = qp_range;
        }
        Ok(())
    }

    pub(super) fn encode(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<Coded, Error> {
        Ok(self.engine.encode(frame, picture)?.coded())
    }

    /// See [`Engine::submit`].
    pub(super) fn submit(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<Submitted, Error> {
        self.engine.submit(frame, picture)
    }

    /// See [`Engine::finish`].
    pub(super) fn finish(&mut self) -> Result<Option<Done>, Error> {
        self.engine.finish()
    }

    /// See [`Engine::in_flight`].
    pub(super) fn in_flight(&self) -> Option<Frame<'_>> {
        self.engine.in_flight()
    }

    /// Hands over the access unit that came out last.
    pub(super) fn hand_over(&mut self, done: Done, to: &mut Ready) {
        to.add(done, &mut *self.engine);
    }

    /// Encodes a grey picture, so that all memory is there and has been touched, and a driver that opens sessions without
    /// being able to encode is found out. The stream begins after it.
    pub(super) fn warm_up(&mut self, format: PixelFormat) -> Result<(), Error> {
        let grey = vec![128; format.frame_bytes(self.settings.size)];
        let frame = Frame::contiguous(self.settings.size, format, &grey, Timestamp(0))?;
        self.encode(&frame, Picture::Auto)?;
        self.start_over();
        Ok(())
    }

    /// Has the next picture start a stream, of which nothing has been told yet.
    pub(super) fn start_over(&mut self) {
        self.engine.start_over();
        drop(self.engine.take_events());
    }

    /// As [`Encoder::invalidate`](crate::Encoder::invalidate), by the encoder's own numbers.
    pub(super) fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error> {
        self.engine.invalidate(lost)
    }

    /// The access unit of the last `encode` that succeeded, and where its NAL units lie.
    pub(super) fn last_unit(&self) -> (&[u8], &[Range<usize>]) {
        self.engine.last_unit()
    }

    pub(super) fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.engine.parameter_sets()
    }

    pub(super) fn let_go(&mut self, address: Option<u64>) -> Result<(), Error> {
        self.engine.let_go(address)
    }

    /// What is left of the sessions that it had before the one that is in use.
    pub(super) fn left(&self) -> Vec<Remains> {
        let mut remains = self.engine.remains();
        remains.pop();
        remains
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        self.engine.take_events()
    }

    /// Drops it where that costs the caller nothing. A driver that hangs there hangs alone.
    pub(super) fn discard(self) -> Vec<Remains> {
        let remains = self.engine.remains();
        let dropping = thread::Builder::new().name("direct264-end".to_owned()).spawn(move || drop(self));
        if let Err(error) = dropping {
            tracing::warn!(%error, "no thread to end an encoder on: it ended on the caller's");
        }
        remains
    }
}

/// Whether a backend could take over from another one, as far as can be told without opening it.
pub(super) fn check(backend: Backend, config: &EncoderConfig) -> Result<(), Unavailable> {
    match backend {
        #[cfg(openh264)]
        Backend::OpenH264 => crate::openh264::OpenH264Encoder::check(config)
            .map_err(|error| Error::from(error).passes_over(backend)),
        #[cfg(not(openh264))]
        Backend::OpenH264 => {
            let _ = config;
            Err(Unavailable::new(backend, Reason::NotBuilt, "feature openh264"))
        }
        Backend::Nvenc => Ok(()),
    }
}

fn open_engine(backend: Backend, config: &EncoderConfig) -> Result<Box<dyn Engine>, Error> {
    match backend {
        #[cfg(nvenc)]
        Backend::Nvenc => Ok(Box::new(crate::nvenc::NvencEncoder::new(config)?)),
        #[cfg(not(nvenc))]
        Backend::Nvenc => {
            let _ = config;
            Err(crate::nvenc::not_built().into())
        }
        #[cfg(openh264)]
        Backend::OpenH264 => Ok(Box::new(crate::openh264::OpenH264Encoder::new(config)?)),
        #[cfg(not(openh264))]
        Backend::OpenH264 => {
            let _ = config;
            Err(Unavailable::new(backend, Reason::NotBuilt, "feature openh264 or cisco").into())
        }
    }
}
