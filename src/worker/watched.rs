//! A real encoder that a test holds up, lets fail, and watches.

use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::backend::Backend;
use crate::config::{EncoderConfig, Settings};
use crate::encoder::Encoder;
use crate::engine::{Depth, Engine};
use crate::error::Error;
use crate::event::Event;
use crate::frame::Frame;
use crate::openh264::OpenH264Encoder;
use crate::picture::Picture;
use crate::ready::Ready;
use crate::recovery::Recovery;
use crate::units::{Bitrate, FrameId, FrameRate, FrameSize, QpRange, Timestamp};

/// A call that the encoder received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Frame(i64, Picture),
    Bitrate(Bitrate),
    FrameRate(FrameRate),
    Qp(QpRange),
    Size(FrameSize),
}

/// The outcome that a test gives a frame.
#[derive(Debug)]
pub(super) enum Turn {
    Go,
    Panic,
}

#[derive(Debug)]
pub(super) struct Watched {
    inner: OpenH264Encoder,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Reports each frame that comes in.
    entered: Option<Sender<i64>>,
    /// The turns that frames wait for, until the test drops its end.
    turns: Option<Receiver<Turn>>,
    _alive: Arc<()>,
}

/// The test's side of the encoder.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) entered: Receiver<i64>,
    pub(super) turns: Sender<Turn>,
    pub(super) alive: std::sync::Weak<()>,
}

impl Watch {
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn go(&self) {
        self.turns.send(Turn::Go).unwrap();
    }
}

impl Watched {
    /// An encoder without turns.
    pub(super) fn free(config: &EncoderConfig) -> (Self, Watch) {
        let (mut encoder, watch) = Self::held(config);
        (encoder.entered, encoder.turns) = (None, None);
        (encoder, watch)
    }

    /// An encoder in which each frame waits for its turn.
    pub(super) fn held(config: &EncoderConfig) -> (Self, Watch) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let alive = Arc::new(());
        let (entering, entered) = channel();
        let (turns, coming) = channel();
        let watch = Watch { asked: Arc::clone(&asked), entered, turns, alive: Arc::downgrade(&alive) };
        let inner = OpenH264Encoder::new(config).unwrap();
        (Self { inner, asked, entered: Some(entering), turns: Some(coming), _alive: alive }, watch)
    }

    fn note(&self, asked: Asked) {
        self.asked.lock().unwrap().push(asked);
    }
}

impl Encoder for Watched {
    fn backend(&self) -> Backend {
        self.inner.backend()
    }

    fn settings(&self) -> Settings {
        self.inner.settings()
    }

    fn invalidate(&mut self, lost: RangeInclusive<FrameId>) -> Result<Recovery, Error> {
        self.inner.invalidate(lost)
    }

    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        self.inner.parameter_sets()
    }

    fn forget_cuda(&mut self, address: Option<u64>) -> Result<(), Error> {
        self.inner.forget_cuda(address)
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.inner.take_events()
    }
}

impl Engine for Watched {
    fn apply(&mut self, settings: Settings) -> Result<(), Error> {
        let before = self.settings();
        for (has_changed, asked) in [
            (settings.frame_rate != before.frame_rate, Asked::FrameRate(settings.frame_rate)),
            (settings.bitrate != before.bitrate, Asked::Bitrate(settings.bitrate)),
            (settings.qp_range != before.qp_range, Asked::Qp(settings.qp_range)),
            (settings.size != before.size, Asked::Size(settings.size)),
        ] {
            if has_changed {
                self.note(asked);
            }
        }
        self.inner.apply(settings)
    }

    fn submit(&mut self, frame: &Frame<'_>, picture: Picture, depth: Depth) -> Result<(), Error> {
        let Timestamp(timestamp) = frame.timestamp();
        self.note(Asked::Frame(timestamp, picture));
        if let Some(entered) = &self.entered {
            let _ = entered.send(timestamp);
        }
        if let Some(turns) = &self.turns {
            assert!(!matches!(turns.recv(), Ok(Turn::Panic)), "as the test wants it");
        }
        self.inner.submit(frame, picture, depth)
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.inner.finish()
    }

    fn ready(&mut self) -> &mut Ready {
        self.inner.ready()
    }
}
