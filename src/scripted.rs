//! Scripted engines for tests, in the place of three backends.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use crate::access_unit::AccessUnitInfo;
use crate::backend::Backend;
use crate::backends::Row;
use crate::config::{EncoderConfig, Settings};
use crate::encoder::Encoder;
use crate::engine::{Depth, Engine};
use crate::error::{ConfigError, DriverError, Error, Unavailable};
use crate::event::{Event, EventKind};
use crate::format::PixelFormat;
use crate::frame::Frame;
use crate::picture::Picture;
use crate::ready::Ready;
use crate::reason::Reason;
use crate::recovery::Recovery;
use crate::remains::Remains;
use crate::replaceable::Replaceable;
use crate::units::{FrameId, FrameSize, Timestamp};

/// The timestamp of a warm-up picture. The frames of a test have others.
const WARM_UP: Timestamp = Timestamp(0);

/// The number of scripted backends.
pub(crate) const BACKENDS: usize = 3;

/// An outcome of a scripted call. Without one the call succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Work,
    /// Fails as a driver does.
    Fail,
    /// Fails with a lost context.
    LoseContext,
    RefuseSize,
    Lack(Reason),
}

/// The script of one backend, and a record of its calls.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// The outcomes of the next openings; later ones succeed.
    opens: VecDeque<Act>,
    /// The outcome of every opening once this is set.
    all_opens: Option<Act>,
    /// The outcomes of the next pictures; later ones succeed. Warm-up pictures do not count.
    pictures: VecDeque<Act>,
    /// Whether waiting for a frame in flight fails.
    finish_fails: bool,
    /// The widest picture allowed.
    widest: Option<u32>,
    pub(crate) opened: usize,
    /// The events that the next picture leaves.
    events: Vec<EventKind>,
}

/// The scripts of every stage, by its number.
static STAGES: Mutex<Vec<[Arc<Mutex<Script>>; BACKENDS]>> = Mutex::new(Vec::new());

/// The scripts of one test. The configuration of its streams carries the number of the stage, as a limit that no stream
/// reaches, so that an attempt which outlives its test finds its own script.
pub(crate) struct Stage {
    number: u64,
    scripts: [Arc<Mutex<Script>>; BACKENDS],
}

/// The limit that stands for stage 0.
const FIRST_STAGE: u64 = 1 << 60;

impl Stage {
    pub(crate) fn new() -> Self {
        let scripts: [Arc<Mutex<Script>>; BACKENDS] = Default::default();
        let mut stages = STAGES.lock().unwrap();
        stages.push(scripts.clone());
        Self { number: FIRST_STAGE + stages.len() as u64 - 1, scripts }
    }

    /// A configuration whose backends are on this stage.
    pub(crate) fn config(&self, config: EncoderConfig) -> EncoderConfig {
        config.max_memory_bytes(NonZeroU64::new(self.number))
    }

    /// Scripts the next openings of a backend.
    pub(crate) fn opens(&self, number: u8, acts: &[Act]) {
        self.on(number, |script| script.opens = acts.iter().copied().collect());
    }

    /// Scripts every opening of a backend from now on.
    pub(crate) fn all_opens(&self, number: u8, act: Act) {
        self.on(number, |script| script.all_opens = Some(act).filter(|&act| act != Act::Work));
    }

    /// Scripts the next pictures of a backend.
    pub(crate) fn pictures(&self, number: u8, acts: &[Act]) {
        self.on(number, |script| script.pictures = acts.iter().copied().collect());
    }

    pub(crate) fn widest(&self, number: u8, pixels: u32) {
        self.on(number, |script| script.widest = Some(pixels));
    }

    pub(crate) fn finish_fails(&self, number: u8) {
        self.on(number, |script| script.finish_fails = true);
    }

    pub(crate) fn leaves(&self, number: u8, event: EventKind) {
        self.on(number, |script| script.events.push(event));
    }

    pub(crate) fn opened(&self, number: u8) -> usize {
        self.on(number, |script| script.opened)
    }

    fn on<T>(&self, number: u8, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut self.scripts[usize::from(number)].lock().unwrap())
    }
}

/// The row of a scripted backend.
pub(crate) fn row(number: u8) -> &'static Row {
    const fn row(open: fn(&EncoderConfig) -> Result<Box<dyn Replaceable>, Error>, needs_cuda: bool) -> Row {
        Row { open, check: |_| Ok(()), needs_cuda, hanging: || 0, when_a_session_ends: |_| {} }
    }
    static ROWS: [Row; BACKENDS] = [
        row(|config| open(0, config), true),
        row(|config| open(1, config), false),
        row(|config| open(2, config), false),
    ];
    &ROWS[usize::from(number)]
}

fn open(number: u8, config: &EncoderConfig) -> Result<Box<dyn Replaceable>, Error> {
    let stage = config.max_memory_bytes.map_or(0, |stage| stage.get() - FIRST_STAGE);
    let script = STAGES.lock().unwrap()[stage as usize][usize::from(number)].clone();
    let backend = Backend::Scripted(number);
    let mut told = script.lock().unwrap();
    let act = told.opens.pop_front().or(told.all_opens).unwrap_or(Act::Work);
    refuse(backend, act, config.size())?;
    if told.widest.is_some_and(|widest| config.size().width() > widest) {
        refuse(backend, Act::RefuseSize, config.size())?;
    }
    told.opened += 1;
    drop(told);
    Ok(Box::new(Scripted {
        number,
        script,
        settings: config.settings,
        flying: None,
        ready: Ready::default(),
        frames: 0,
        idr_due: true,
        spent: None,
        events: Vec::new(),
        alive: Arc::new(()),
    }))
}

fn refuse(backend: Backend, act: Act, size: FrameSize) -> Result<(), Error> {
    let driver = || DriverError::refused(backend, "encode", 8, "as the test wants it");
    match act {
        Act::Work => Ok(()),
        Act::Fail => Err(driver().into()),
        Act::LoseContext => Err(DriverError { is_context_lost: true, ..driver() }.into()),
        Act::RefuseSize => Err(ConfigError::Area { size, macroblocks: 2, max_macroblocks: 1 }.into()),
        Act::Lack(reason) => Err(Unavailable::new(backend, reason, "as the test wants it").into()),
    }
}

/// An engine whose access units name their backend and frame.
#[derive(Debug)]
struct Scripted {
    number: u8,
    script: Arc<Mutex<Script>>,
    settings: Settings,
    /// The pixels of the frame in flight, its size, and whether it is an IDR.
    flying: Option<(Vec<u8>, FrameSize, Timestamp, bool)>,
    ready: Ready,
    frames: u64,
    idr_due: bool,
    spent: Option<Error>,
    events: Vec<EventKind>,
    alive: Arc<()>,
}

impl Scripted {
    fn come_out(&mut self, is_idr: bool, timestamp: Timestamp) {
        let mut buffer = self.ready.take_buffer();
        buffer.bytes.clear();
        buffer.bytes.extend_from_slice(&[0, 0, 0, 1, if is_idr { 0x65 } else { 0x41 }, self.number]);
        buffer.nal_ranges.clear();
        buffer.nal_ranges.push(0..buffer.bytes.len());
        let backend = Backend::Scripted(self.number);
        let info = AccessUnitInfo { is_idr, ..AccessUnitInfo::new(backend, FrameId(self.frames), timestamp) };
        self.frames += 1;
        self.ready.push(buffer, info);
    }

    fn act(&mut self) -> Result<(), Error> {
        let mut script = self.script.lock().unwrap();
        let act = script.pictures.pop_front().unwrap_or(Act::Work);
        self.events.append(&mut script.events);
        drop(script);
        let done = refuse(Backend::Scripted(self.number), act, self.settings.size);
        if let Err(error) = &done {
            self.spent = Some(error.clone());
        }
        done
    }
}

impl Encoder for Scripted {
    fn backend(&self) -> Backend {
        Backend::Scripted(self.number)
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn invalidate(&mut self, _lost: RangeInclusive<FrameId>) -> Result<Recovery, Error> {
        self.idr_due = true;
        Ok(Recovery::Idr)
    }

    fn parameter_sets(&mut self) -> Result<Vec<u8>, Error> {
        Ok(vec![0, 0, 0, 1, 0x67, self.number])
    }

    fn forget_cuda(&mut self, _address: Option<u64>) -> Result<(), Error> {
        Ok(())
    }

    fn take_events(&mut self) -> Vec<Event> {
        let backend = self.backend();
        self.events.drain(..).map(|kind| Event::new(FrameId(self.frames), backend, kind)).collect()
    }
}

impl Engine for Scripted {
    fn apply(&mut self, settings: Settings) -> Result<(), Error> {
        let widest = self.script.lock().unwrap().widest;
        if widest.is_some_and(|widest| settings.size.width() > widest) {
            return refuse(self.backend(), Act::RefuseSize, settings.size);
        }
        self.idr_due |= settings.size != self.settings.size;
        self.settings = settings;
        Ok(())
    }

    fn submit(&mut self, frame: &Frame<'_>, picture: Picture, depth: Depth) -> Result<(), Error> {
        if let Some(error) = &self.spent {
            return Err(error.clone());
        }
        assert_eq!(frame.size(), self.settings.size, "the failover encoder follows the size");
        if frame.timestamp() != WARM_UP {
            self.act()?;
        }
        let is_idr = std::mem::take(&mut self.idr_due) || picture == Picture::Idr;
        if let Some((.., timestamp, was_idr)) = self.flying.take() {
            self.come_out(was_idr, timestamp);
        }
        match depth {
            Depth::One => self.come_out(is_idr, frame.timestamp()),
            Depth::Two => {
                let grey = vec![128; PixelFormat::I420.frame_bytes(frame.size())];
                self.flying = Some((grey, frame.size(), frame.timestamp(), is_idr));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        if let Some(error) = &self.spent {
            return Err(error.clone());
        }
        if self.flying.is_some() && self.script.lock().unwrap().finish_fails {
            let failed = refuse(Encoder::backend(self), Act::Fail, self.settings.size);
            self.spent = failed.clone().err();
            return failed;
        }
        if let Some((.., timestamp, is_idr)) = self.flying.take() {
            self.come_out(is_idr, timestamp);
        }
        Ok(())
    }

    fn ready(&mut self) -> &mut Ready {
        &mut self.ready
    }
}

impl Replaceable for Scripted {
    fn in_flight(&self) -> Option<Frame<'_>> {
        let (grey, size, timestamp, _) = self.flying.as_ref()?;
        Frame::contiguous(*size, PixelFormat::I420, grey, *timestamp).ok()
    }

    fn start_over(&mut self) {
        self.idr_due = true;
    }

    fn let_go(&mut self, _address: Option<u64>) -> Result<(), Error> {
        Ok(())
    }

    fn remains(&self) -> Vec<Remains> {
        let alive: Arc<dyn std::any::Any + Send + Sync> = self.alive.clone();
        vec![Arc::downgrade(&alive)]
    }
}
