//! A real encoder that a test holds up, has fail, and looks over the shoulder of.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use direct264::openh264::OpenH264Encoder;
use direct264::{
    AccessUnit, Backend, Bitrate, Encoder, EncoderConfig, Error, Event, Frame, FrameRate, FrameSize, Picture,
    QpRange, Timestamp,
};

/// What the encoder was asked, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Frame(i64, Picture),
    Bitrate(Bitrate),
    FrameRate(FrameRate),
    Qp(QpRange),
    Size(FrameSize),
}

/// What a test lets a frame do.
#[derive(Debug)]
pub enum Turn {
    Go,
    Panic,
}

#[derive(Debug)]
pub struct Watched {
    inner: OpenH264Encoder,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Tells the frame that has come in.
    entered: Option<Sender<i64>>,
    /// Each frame waits for its turn, until nobody gives one any more.
    turns: Option<Receiver<Turn>>,
    _alive: Arc<()>,
}

/// The test's side of it.
#[derive(Debug)]
pub struct Watch {
    pub asked: Arc<Mutex<Vec<Asked>>>,
    pub entered: Receiver<i64>,
    pub turns: Sender<Turn>,
    pub alive: std::sync::Weak<()>,
}

impl Watch {
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn go(&self) {
        self.turns.send(Turn::Go).unwrap();
    }
}

impl Watched {
    /// One that goes by itself.
    pub fn free(config: &EncoderConfig) -> (Self, Watch) {
        let (mut encoder, watch) = Self::held(config);
        (encoder.entered, encoder.turns) = (None, None);
        (encoder, watch)
    }

    /// One in which each frame waits for its turn.
    pub fn held(config: &EncoderConfig) -> (Self, Watch) {
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

    fn size(&self) -> FrameSize {
        self.inner.size()
    }

    fn encode(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error> {
        let Timestamp(timestamp) = frame.timestamp();
        self.note(Asked::Frame(timestamp, picture));
        if let Some(entered) = &self.entered {
            let _ = entered.send(timestamp);
        }
        if let Some(turns) = &self.turns {
            assert!(!matches!(turns.recv(), Ok(Turn::Panic)), "as the test wants it");
        }
        self.inner.encode(frame, picture)
    }

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), Error> {
        self.note(Asked::Bitrate(bitrate));
        self.inner.set_bitrate(bitrate)
    }

    fn set_frame_rate(&mut self, frame_rate: FrameRate) -> Result<(), Error> {
        self.note(Asked::FrameRate(frame_rate));
        self.inner.set_frame_rate(frame_rate)
    }

    fn set_qp_range(&mut self, qp_range: QpRange) -> Result<(), Error> {
        self.note(Asked::Qp(qp_range));
        self.inner.set_qp_range(qp_range)
    }

    fn set_size(&mut self, size: FrameSize) -> Result<(), Error> {
        self.note(Asked::Size(size));
        self.inner.set_size(size)
    }

    fn invalidate(
        &mut self,
        lost: std::ops::RangeInclusive<direct264::FrameId>,
    ) -> Result<direct264::Recovery, Error> {
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
