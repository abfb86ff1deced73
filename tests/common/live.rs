//! A stream of the failover encoder on the driver double, with all its output.

use std::time::{Duration, Instant};

use d264_double::Stage;
use direct264::config::{BackOff, CallLimits, FailoverConfig};
use direct264::error::Unavailable;
use direct264::{
    Backend, BackendOrder, Encoder, EncoderConfig, Event, EventKind, FailoverEncoder, FrameSize,
    OwnedAccessUnit, Picture, Reason, Timestamp, open,
};

use super::picture::{Camera, psnr};
use super::pixels::{Places, Where};
use super::{config, decode, size, stream, within};

/// The limit for events that must happen; no healthy run comes near it, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A size slightly above the double's smallest, since the tests are many.
pub fn small() -> FrameSize {
    size(160, 96)
}

/// Retries the hardware soon, with generous limits: for tests in which no call hangs.
pub fn eager() -> EncoderConfig {
    let soon = BackOff::new(ms(5), ms(40)).unwrap();
    config(small(), 30, 300).failover(FailoverConfig::new().retry(Some(soon)))
}

/// Retries the hardware soon, with short limits: for tests in which a call hangs.
pub fn hasty() -> EncoderConfig {
    eager().nvenc(within(CallLimits::DEFAULT.open(ms(500)).first(ms(400)).rest(ms(300))))
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Retries no backend while a test runs, unless an event makes a retry due.
pub fn patient() -> FailoverConfig {
    FailoverConfig::new()
        .retry(Some(BackOff::new(Duration::from_secs(3_600), Duration::from_secs(3_600)).unwrap()))
}

pub struct Live {
    pub encoder: FailoverEncoder,
    pub passed_over: Vec<Unavailable>,
    pub units: Vec<OwnedAccessUnit>,
    pub sources: Vec<Vec<u8>>,
    pub events: Vec<Event>,
    camera: Camera,
    /// The memory of the pixels, dropped after the encoder that reads it.
    places: Places,
}

impl Live {
    pub fn open(config: &EncoderConfig) -> Self {
        Self::open_from(Where::Host, config)
    }

    /// Opens a stream whose frames have their pixels in that memory.
    pub fn open_from(pixels: Where, config: &EncoderConfig) -> Self {
        let opened = open(config, &BackendOrder::auto()).unwrap();
        let camera = Camera::new(opened.encoder.size());
        Self {
            encoder: opened.encoder,
            passed_over: opened.passed_over,
            units: Vec::new(),
            sources: Vec::new(),
            events: Vec::new(),
            camera,
            places: Places::new(pixels),
        }
    }

    pub fn frame(&mut self, picture: Picture) -> &OwnedAccessUnit {
        let number = self.units.len() as u32;
        let pixels = self.camera.i420(number);
        let size = self.encoder.size();
        let timestamp = Timestamp(i64::from(number) * 3_000 - 7);
        let Self { encoder, places, .. } = self;
        let unit = places.with_frame((size, &pixels), number as usize, timestamp, |frame| {
            encoder.encode(frame, picture).unwrap().to_owned()
        });
        assert_eq!(unit.timestamp, timestamp);
        self.units.push(unit);
        self.sources.push(pixels);
        self.events.extend(self.encoder.take_events());
        self.units.last().unwrap()
    }

    pub fn frames(&mut self, count: usize) {
        for _ in 0..count {
            self.frame(Picture::Auto);
        }
    }

    /// Encodes until a frame comes from `backend`.
    pub fn frames_until(&mut self, backend: Backend) {
        let deadline = Instant::now() + PATIENCE;
        while self.frame(Picture::Auto).backend != backend {
            assert!(Instant::now() < deadline, "never came to {backend}: {:?}", self.events);
            std::thread::sleep(ms(2));
        }
    }

    /// Drops the encoder and keeps the output.
    pub fn end(self) -> Ended {
        self.end_before_its_memory().0
    }

    /// Drops the encoder, and returns the output and the pixel memory. The caller frees the memory once all sessions
    /// have ended.
    pub fn end_before_its_memory(mut self) -> (Ended, Places) {
        self.events.extend(self.encoder.take_events());
        (Ended { units: self.units, sources: self.sources, events: self.events }, self.places)
    }

    pub fn words(&self) -> Vec<&'static str> {
        words(&self.events)
    }
}

/// The output of a stream that has ended.
pub struct Ended {
    pub units: Vec<OwnedAccessUnit>,
    pub sources: Vec<Vec<u8>>,
    pub events: Vec<Event>,
}

impl Ended {
    /// Asserts that the stream begins anew at each change of backend, and that frames are numbered without a gap.
    pub fn assert_whole(&self, what: &str) {
        for (index, unit) in self.units.iter().enumerate() {
            let changed = index == 0 || self.units[index - 1].backend != unit.backend;
            assert!(!changed || unit.is_idr, "{what}: frame {index} changes the backend without an IDR");
            assert!(unit.nals().count() > 0, "{what}: frame {index} is empty");
        }
        let changes: Vec<(u64, Backend)> = (1..self.units.len())
            .filter(|&index| self.units[index].backend != self.units[index - 1].backend)
            .map(|index| (index as u64, self.units[index].backend))
            .collect();
        let mut told: Vec<(u64, Backend)> = Vec::new();
        let mut on = self.units.first().map(|unit| unit.backend);
        let switches = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::FellBack { to, .. } => Some((event.frame_id.0, *to)),
            EventKind::Restored { .. } => Some((event.frame_id.0, event.backend)),
            _ => None,
        });
        for (frame, to) in switches.filter(|&(frame, _)| frame > 0 && frame < self.units.len() as u64) {
            // Between two frames a stream can reach a backend that encodes none of them, and leave it again.
            if told.last().is_some_and(|&(last, _)| last == frame) {
                told.pop();
                on = told.last().map(|&(_, backend)| backend).or(self.units.first().map(|unit| unit.backend));
            }
            if on != Some(to) {
                told.push((frame, to));
                on = Some(to);
            }
        }
        assert_eq!(changes, told, "{what}: the changes of backend are not those told: {:?}", self.events);
    }
}

/// Asserts that ffmpeg decodes each stream to as many pictures as frames, each near its source.
pub fn assert_decodable(ended: &[Ended], floor_db: f64, what: &str) {
    let bytes: Vec<u8> = ended.iter().flat_map(|ended| stream(&ended.units)).collect();
    let Some(pictures) = decode::ffmpeg(&bytes, small()) else { return };
    let sources: Vec<&Vec<u8>> = ended.iter().flat_map(|ended| &ended.sources).collect();
    assert_eq!(pictures.len(), sources.len(), "{what}: pictures that ffmpeg decoded");
    for (index, (picture, source)) in pictures.iter().zip(sources).enumerate() {
        let db = psnr(picture, source);
        assert!(db > floor_db, "{what}: picture {index} of all has {db:.1} dB");
    }
}

pub fn words(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

pub fn fallbacks(events: &[Event]) -> Vec<Reason> {
    let reason = |event: &Event| match &event.kind {
        EventKind::FellBack { reason, .. } => Some(*reason),
        _ => None,
    };
    events.iter().filter_map(reason).collect()
}

/// Waits until every session of the driver has ended.
pub fn wait_for_the_ends(stage: &Stage) {
    let deadline = Instant::now() + PATIENCE;
    while stage.report().leaks().iter().any(|(what, _)| what == "sessions") && Instant::now() < deadline {
        std::thread::sleep(ms(1));
    }
}
