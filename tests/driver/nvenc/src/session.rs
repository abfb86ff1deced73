//! A session: its life, what it owns, what it must have given back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::CString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use d264_double_common::Function;
use d264_double_common::bridge::Bridge;
use d264_double_common::misbehaviour::Misbehaviour;

use crate::bitstream::Bitstream;
use crate::buffer::InputBuffer;
use crate::config::Config;
use crate::driver::{bridge, broke, settings};
use crate::event::Events;
use crate::h264::{Coder, Past};
use crate::layout::{Struct, VERSIONS, api_of, api_word, version_index};
use crate::picture::{Canned, Submitted};
use crate::pixels::{Picture, Raw};
use crate::refresh::Refresh;
use crate::report::{self, Log};
use crate::resource::{Mapping, Registration};
use crate::status::{
    ENCODER_BUSY, ENCODER_NOT_INITIALIZED, GENERIC, INVALID_CALL, INVALID_DEVICE, INVALID_PARAM, INVALID_PTR,
    INVALID_VERSION, LOCK_BUSY, NEED_MORE_INPUT, OUT_OF_MEMORY, UNSUPPORTED_DEVICE,
};
use crate::view::{Address, View};

/// A session, and the device that it is on.
type Placed = (i32, Arc<Mutex<Session>>);

static SESSIONS: Mutex<BTreeMap<u64, Placed>> = Mutex::new(BTreeMap::new());
static NEXT_HANDLE: AtomicU64 = AtomicU64::new(1);
/// The sessions that were started in this process.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// The API version of the last instance that anyone in this process created: it decides for all of them.
pub(crate) static INSTANCE: Mutex<Option<(u32, u32)>> = Mutex::new(None);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn find(handle: u64) -> Option<Arc<Mutex<Session>>> {
    lock(&SESSIONS).get(&handle).map(|(_, session)| Arc::clone(session))
}

pub(crate) fn all() -> Vec<Arc<Mutex<Session>>> {
    lock(&SESSIONS).values().map(|(_, session)| Arc::clone(session)).collect()
}

/// A handle that is no address: it faults when it is dereferenced, and no two kinds share one.
pub(crate) fn new_handle() -> u64 {
    0x0d26_5000_0000_0000 + NEXT_HANDLE.fetch_add(1, Ordering::Relaxed) * 16
}

/// An open session.
pub(crate) struct Session {
    pub(crate) bridge: &'static Bridge,
    pub(crate) handle: u64,
    pub(crate) context: u64,
    /// A place in [`VERSIONS`].
    pub(crate) version: usize,
    pub(crate) config: Option<Config>,
    pub(crate) coder: Option<Coder>,
    pub(crate) canned: Option<Canned>,
    /// Input and output stream.
    pub(crate) streams: (u64, u64),
    pub(crate) inputs: BTreeMap<u64, InputBuffer>,
    pub(crate) bitstreams: BTreeMap<u64, Bitstream>,
    pub(crate) registrations: BTreeMap<u64, Registration>,
    pub(crate) mappings: BTreeMap<u64, Mapping>,
    pub(crate) events: Events,
    /// Pictures that were submitted and not encoded.
    pub(crate) submitted: VecDeque<Submitted>,
    pub(crate) spare: Vec<Raw>,
    pub(crate) scratch: Picture,
    pub(crate) frames: u32,
    /// Pictures since the last end of stream.
    pub(crate) unfinished: u32,
    /// What was coded since the last IDR.
    pub(crate) past: Past,
    pub(crate) refresh: Refresh,
    pub(crate) idr_next: bool,
    /// The next IDR starts a sequence whose headers no receiver has.
    pub(crate) new_sequence: bool,
    /// Every second session of the process, in the order of their starts.
    pub(crate) is_second: bool,
    /// A call failed: order at the end is no longer asked for, only that everything is given back.
    spent: bool,
    last_error: CString,
    /// The call under way does its work and then answers an error.
    pub(crate) answers_failure: bool,
    /// The handles that a call gave back although it answered an error: a client may try again.
    pub(crate) given_back: BTreeSet<u64>,
    pub(crate) log: Log,
}

/// What `nvEncOpenEncodeSessionEx` does, in the order in which real drivers look at things.
pub(crate) fn open(parameters: Address, encoder: Address) -> Result<(), u32> {
    const FUNCTION: Function = Function::nvEncOpenEncodeSessionEx;
    if parameters == 0 || encoder == 0 {
        return Err(INVALID_PTR);
    }
    let settings = settings();
    let word: u32 = d264_double_common::pointer::peek(parameters);
    let api = api_of(word);
    if Some(api) != *lock(&INSTANCE) || api > settings.api {
        return Err(INVALID_VERSION);
    }
    let version = version_index(api).ok_or(INVALID_VERSION)?;
    if word != Struct::OpenSession.word(version) {
        return Err(INVALID_VERSION);
    }
    let place = crate::view::view_of(encoder);
    place.set_u64(0, 0);
    let view = View::open(parameters, Struct::OpenSession, version, FUNCTION)?;
    if view.u32(24) != api_word(api) {
        return Err(broke(FUNCTION, INVALID_VERSION, "apiVersion is not that of the version word"));
    }
    let device = view.u64(8);
    if device == 0 {
        return Err(INVALID_PTR);
    }
    let bridge = bridge().ok_or(UNSUPPORTED_DEVICE)?;
    let gpu = (bridge.device_of)(device);
    if view.u32(4) != 1 || !(bridge.can_encode)(gpu) {
        return Err(UNSUPPORTED_DEVICE);
    }
    if (bridge.dead)(device) != 0 {
        return Err(GENERIC);
    }
    let mut sessions = lock(&SESSIONS);
    let on_gpu = sessions.values().filter(|(other, _)| *other == gpu).count();
    if settings.sessions.is_some_and(|limit| sessions.len() >= limit as usize)
        || settings.gpu_sessions.is_some_and(|limit| on_gpu >= limit as usize)
    {
        return Err(settings.session_status);
    }
    let handle = new_handle();
    sessions.insert(handle, (gpu, Arc::new(Mutex::new(Session::new(bridge, handle, device, version)))));
    report::opened(sessions.len());
    (bridge.hold_context)(device, 1);
    place.set_u64(0, handle);
    Ok(())
}

/// What `nvEncDestroyEncoder` does once the rules were looked at.
pub(crate) fn close(handle: u64) {
    if let Some((_, session)) = lock(&SESSIONS).remove(&handle) {
        let session = lock(&session);
        for registration in session.registrations.values() {
            registration.let_go(session.bridge);
        }
        session.hold_streams(-1);
        (session.bridge.hold_context)(session.context, -1);
        report::closed(&session.log);
    }
}

impl Session {
    fn new(bridge: &'static Bridge, handle: u64, context: u64, version: usize) -> Self {
        Self {
            bridge,
            handle,
            context,
            version,
            config: None,
            coder: None,
            canned: None,
            streams: (0, 0),
            inputs: BTreeMap::new(),
            bitstreams: BTreeMap::new(),
            registrations: BTreeMap::new(),
            mappings: BTreeMap::new(),
            events: Events::default(),
            submitted: VecDeque::new(),
            spare: Vec::new(),
            scratch: Picture::default(),
            frames: 0,
            unfinished: 0,
            past: Past::new(1),
            refresh: Refresh::default(),
            idr_next: false,
            new_sequence: true,
            is_second: false,
            spent: false,
            last_error: CString::default(),
            answers_failure: false,
            given_back: BTreeSet::new(),
            log: Log::new(VERSIONS[version]),
        }
    }

    /// Opens a struct of the client's in this session's version.
    pub(crate) fn view(&self, address: Address, kind: Struct, function: Function) -> Result<View, u32> {
        View::open(address, kind, self.version, function)
    }

    /// The settings, once there are any.
    pub(crate) fn config(&self) -> Result<&Config, u32> {
        self.config.as_ref().ok_or(ENCODER_NOT_INITIALIZED)
    }

    /// The calling thread must have the session's context current, and the context must be well.
    pub(crate) fn require_context(&self, function: Function) -> Result<(), u32> {
        if (self.bridge.current_context)() != self.context && !settings().any_context {
            return Err(broke(
                function,
                INVALID_DEVICE,
                "the session's CUDA context is not current on this thread",
            ));
        }
        if (self.bridge.dead)(self.context) != 0 {
            return Err(GENERIC);
        }
        Ok(())
    }

    pub(crate) fn note_failure(&mut self, function: Function, status: u32, injected: bool) {
        // Busy and "need more input" are no failures.
        self.spent |=
            !matches!(status, LOCK_BUSY | NEED_MORE_INPUT | ENCODER_BUSY) && (injected || status == GENERIC);
        self.last_error = CString::new(format!("{} answers {status}", function.name())).unwrap_or_default();
    }

    /// Notes that a handle was given back. Where the answer is an error all the same, the client cannot know.
    pub(crate) fn note_given_back(&mut self, handle: u64) {
        if self.answers_failure {
            self.given_back.insert(handle);
        }
    }

    pub(crate) fn last_error(&self) -> usize {
        self.last_error.as_ptr() as usize
    }

    pub(crate) fn initialise(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncInitializeEncoder;
        let view = self.view(parameters, Struct::Initialize, FUNCTION)?;
        if self.config.is_some() {
            return Err(broke(FUNCTION, INVALID_CALL, "the encoder is initialised twice"));
        }
        let config = Config::read(view, self.version, FUNCTION)?;
        self.start(&config)?;
        self.is_second = STARTED.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        self.log.initialised(&config);
        self.config = Some(config);
        Ok(())
    }

    fn start(&mut self, config: &Config) -> Result<(), u32> {
        self.coder = None;
        let coder = Coder::new(config).map_err(|why| {
            self.last_error = CString::new(why).unwrap_or_default();
            OUT_OF_MEMORY
        })?;
        self.coder = Some(coder);
        self.past = Past::new(config.references);
        self.canned = None;
        self.idr_next = true;
        self.new_sequence = true;
        Ok(())
    }

    pub(crate) fn reconfigure(&mut self, parameters: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncReconfigureEncoder;
        let view = self.view(parameters, Struct::Reconfigure, FUNCTION)?;
        let init = self.view(view.part(8).address(), Struct::Initialize, FUNCTION)?;
        let old = self.config()?.clone();
        let new = Config::read(init, self.version, FUNCTION)?;
        old.check_change(&new, FUNCTION)?;
        let force_idr = view.bit(1816, 1);
        let settings = settings();
        let resized = (old.width, old.height) != (new.width, new.height);
        if resized && crate::caps::of(&settings, crate::caps::DYNAMIC_SIZE) == 0 {
            return Err(broke(FUNCTION, INVALID_PARAM, "the size changes, which the capabilities deny"));
        }
        if !resized && old != new && crate::caps::of(&settings, crate::caps::DYNAMIC_BITRATE) == 0 {
            return Err(broke(FUNCTION, INVALID_PARAM, "the rate changes, which the capabilities deny"));
        }
        if resized && !force_idr {
            broke(FUNCTION, 0, "the size changes without forceIDR");
        }
        // What was submitted before is encoded as it was asked for then.
        self.encode_all();
        if settings.does(Misbehaviour::KeepsRate) && old.differs_only_in_rate(&new) {
            // The coder goes on as it is.
        } else if old.differs_only_in_rate(&new) {
            if let Some(coder) = &mut self.coder {
                coder.set_rate(new.target_bits_per_second(), new.frames_per_second());
            }
            self.past.set_rate(new.target_bits_per_second(), new.frames_per_second());
        } else {
            self.start(&new)?;
        }
        // Resetting the encoder starts a new sequence.
        self.idr_next |= force_idr || view.bit(1816, 0);
        self.log.reconfigured(&new, force_idr, view.bit(1816, 0));
        self.config = Some(new);
        Ok(())
    }

    pub(crate) fn set_streams(&mut self, input: Address, output: Address) -> Result<(), u32> {
        const FUNCTION: Function = Function::nvEncSetIOCudaStreams;
        self.config()?;
        let mut streams = [0, 0];
        for (place, pointer) in streams.iter_mut().zip([input, output]) {
            // Each is a pointer to a stream handle; null leaves the default stream.
            *place = d264_double_common::pointer::peek(pointer);
            if !(self.bridge.stream_is_known)(self.context, *place) {
                return Err(broke(
                    FUNCTION,
                    INVALID_PARAM,
                    "a stream does not exist in the session's context",
                ));
            }
        }
        self.hold_streams(-1);
        self.streams = (streams[0], streams[1]);
        self.log.ordered_on(streams[0], streams[1]);
        self.hold_streams(1);
        Ok(())
    }

    fn hold_streams(&self, change: i32) {
        for stream in [self.streams.0, self.streams.1] {
            (self.bridge.hold_stream)(stream, change);
        }
    }

    /// From now on no order at the end is asked for, only that everything is given back.
    pub(crate) fn spend(&mut self) {
        self.spent = true;
    }

    /// Whether a call failed or the context is dead.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent || (self.bridge.dead)(self.context) != 0
    }

    /// A coded picture is thrown away. After a failure or an end of stream that is a client's right.
    pub(crate) fn check_abandoned(&self, function: Function) {
        if !self.is_spent() && self.unfinished > 0 {
            broke(function, 0, "an output buffer is destroyed with a picture that nobody took");
        }
    }

    /// Looks at what should have been given back before the end.
    pub(crate) fn check_end(&self) {
        const FUNCTION: Function = Function::nvEncDestroyEncoder;
        let live = [
            (self.bitstreams.len(), "bitstream buffers"),
            (self.inputs.len(), "input buffers"),
            (self.mappings.len(), "mapped resources"),
            (self.registrations.len(), "registered resources"),
            (self.events.count(), "registered events"),
        ];
        for (count, what) in live.iter().filter(|(count, _)| *count > 0) {
            broke(FUNCTION, 0, &format!("the encoder is destroyed with {count} {what} alive"));
        }
        let spent = self.is_spent();
        if !spent && !self.submitted.is_empty() {
            broke(FUNCTION, 0, "the encoder is destroyed with pictures in flight");
        }
        if !spent && self.unfinished > 0 {
            broke(FUNCTION, 0, "the encoder is destroyed without an end of stream after its last picture");
        }
    }
}
