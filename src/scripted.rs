//! Engines that do as a test says, in the place of three backends.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

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

/// The timestamp of the picture that warms an engine up. The frames of a test have others.
const WARM_UP: Timestamp = Timestamp(0);

/// The number of scripted backends.
pub(crate) const BACKENDS: usize = 3;

/// What a call does that has not been said otherwise: it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Work,
    /// Fails as a driver does.
    Fail,
    /// Fails with a context that is lost.
    LoseContext,
    /// Refuses the size.
    RefuseSize,
    /// Is not to be had for this reason.
    Lack(Reason),
}

/// The script of one backend, and a record of what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// What the next openings do; those after work.
    opens: VecDeque<Act>,
    /// What every opening does from when this is set.
    all_opens: Option<Act>,
    /// What the next pictures do; those after work. Pictures that warm an engine up are not counted.
    pictures: VecDeque<Act>,
    /// The widest picture that is taken.
    widest: Option<u32>,
    pub(crate) opened: usize,
    /// The events that the next picture leaves.
    events: Vec<EventKind>,
}

static SCRIPTS: Mutex<[Option<Arc<Mutex<Script>>>; BACKENDS]> = Mutex::new([None, None, None]);

/// The scripts of all backends, for one test at a time.
pub(crate) struct Stage {
    scripts: [Arc<Mutex<Script>>; BACKENDS],
    _alone: std::sync::MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Stage {
    pub(crate) fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let scripts: [Arc<Mutex<Script>>; BACKENDS] = Default::default();
        *SCRIPTS.lock().unwrap() = scripts.clone().map(Some);
        Self { scripts, _alone: alone }
    }

    /// The next openings of a backend.
    pub(crate) fn opens(&self, number: u8, acts: &[Act]) {
        self.on(number, |script| script.opens = acts.iter().copied().collect());
    }

    /// Every opening of a backend from now on.
    pub(crate) fn all_opens(&self, number: u8, act: Act) {
        self.on(number, |script| script.all_opens = Some(act).filter(|&act| act != Act::Work));
    }

    /// The next pictures of a backend.
    pub(crate) fn pictures(&self, number: u8, acts: &[Act]) {
        self.on(number, |script| script.pictures = acts.iter().copied().collect());
    }

    pub(crate) fn widest(&self, number: u8, pixels: u32) {
        self.on(number, |script| script.widest = Some(pixels));
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
    let script = SCRIPTS.lock().unwrap()[usize::from(number)].clone().expect("a stage");
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

/// An engine whose access units say which backend they are of and which frame.
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
        if let Some(error) = &self.spent {
            return Err(error.clone());
        }
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
