//! A client that calls the driver by hand, rightly or wrongly.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(unreachable_pub, reason = "a module that several test programs include")]
#![allow(unsafe_code, reason = "calls C functions by name and by slot")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails where something cannot be done")]

use d264_double::{Double, Stage};

pub const API_11_0: usize = 0;
pub const API_12_1: usize = 3;

/// (API word, struct versions in the order of [`Kind`]), per API version.
const WORDS: [(u32, [u32; 12]); 4] = [
    (0x0000_000b, [1, 1, 4 | B, 7 | B, 5 | B, 1 | B, 1, 1, 3, 4, 4 | B, 1]),
    (0x0100_000b, [1, 1, 4 | B, 7 | B, 5 | B, 1 | B, 1, 1, 3, 4, 4 | B, 1]),
    (0x0000_000c, [1, 1, 4 | B, 8 | B, 5 | B, 1 | B, 1, 1, 4, 4, 6 | B, 2]),
    (0x0100_000c, [1, 1, 4 | B, 8 | B, 6 | B, 1 | B, 1, 1, 4, 4, 6 | B, 1 | B]),
];
const B: u32 = 1 << 31;

#[derive(Clone, Copy)]
pub enum Kind {
    Open,
    Caps,
    Preset,
    Config,
    Init,
    Reconfigure,
    Input,
    Bitstream,
    Register,
    Map,
    Picture,
    Lock,
}

/// Slots of the function list.
pub mod slot {
    pub const CAPS: usize = 7;
    pub const INITIALIZE: usize = 11;
    pub const CREATE_INPUT: usize = 12;
    pub const DESTROY_INPUT: usize = 13;
    pub const CREATE_BITSTREAM: usize = 14;
    pub const DESTROY_BITSTREAM: usize = 15;
    pub const ENCODE: usize = 16;
    pub const LOCK: usize = 17;
    pub const UNLOCK: usize = 18;
    pub const LOCK_INPUT: usize = 19;
    pub const UNLOCK_INPUT: usize = 20;
    pub const MAP: usize = 25;
    pub const UNMAP: usize = 26;
    pub const DESTROY: usize = 27;
    pub const INVALIDATE: usize = 28;
    pub const OPEN: usize = 29;
    pub const REGISTER: usize = 30;
    pub const UNREGISTER: usize = 31;
    pub const RECONFIGURE: usize = 32;
    pub const LAST_ERROR: usize = 37;
    pub const SET_STREAMS: usize = 38;
    pub const PRESET: usize = 39;
}

pub const P1: [usize; 2] = [0x4cf8_45f8_fc0a_8d3e, 0xbf0e_5971_8829_c780];
pub const H264: [usize; 2] = [0x4ca4_4e63_6bc8_2762, 0xbff6_21f3_501e_85aa];
pub const BASELINE: [usize; 2] = [0x4c83_78c4_0727_bcaa, 0x6a7c_26ff_3def_2f8c];
pub const NV12: u32 = 1;

/// A struct of the interface: bytes that are zero until they are written.
pub struct Struct(Vec<u64>);

impl Struct {
    pub fn zeroed() -> Self {
        Self(vec![0; 1024])
    }

    pub fn at(&self) -> usize {
        self.0.as_ptr() as usize
    }

    pub fn put(&mut self, offset: usize, value: u32) -> &mut Self {
        let (word, high) = (offset / 8, offset % 8 == 4);
        let shift = if high { 32 } else { 0 };
        self.0[word] = self.0[word] & !(0xffff_ffff << shift) | u64::from(value) << shift;
        self
    }

    pub fn put_long(&mut self, offset: usize, value: u64) -> &mut Self {
        self.put(offset, value as u32).put(offset + 4, (value >> 32) as u32)
    }

    pub fn put_guid(&mut self, offset: usize, guid: [usize; 2]) -> &mut Self {
        self.put_long(offset, guid[0] as u64).put_long(offset + 8, guid[1] as u64)
    }

    pub fn get(&self, offset: usize) -> u32 {
        (self.0[offset / 8] >> (offset % 8 * 8)) as u32
    }

    pub fn get_long(&self, offset: usize) -> u64 {
        u64::from(self.get(offset)) | u64::from(self.get(offset + 4)) << 32
    }
}

/// The double, and what a client of it holds.
pub struct Client {
    pub stage: Stage,
    list: Vec<u64>,
    version: usize,
    pub context: usize,
}

/// An initialised session.
pub struct Session {
    pub handle: usize,
    pub config: Struct,
    pub init: Struct,
}

impl Client {
    /// A client that speaks a version of the API, with the primary context current.
    pub fn new(version: usize) -> Self {
        let mut client = Self { stage: Double::get().load(), list: vec![0; 319], version, context: 0 };
        assert_eq!(client.cu("cuInit", &[0]), 0);
        let mut context = 0_usize;
        assert_eq!(client.cu("cuDevicePrimaryCtxRetain", &[&raw mut context as usize, 0]), 0);
        assert_eq!(client.cu("cuCtxPushCurrent_v2", &[context]), 0);
        client.context = context;
        client.create_instance();
        client
    }

    /// Gives back what `new` took.
    pub fn finish(&self) {
        let mut popped = 0_usize;
        assert_eq!(self.cu("cuCtxPopCurrent_v2", &[&raw mut popped as usize]), 0);
        assert_eq!(self.cu("cuDevicePrimaryCtxRelease_v2", &[0]), 0);
        assert_eq!(self.stage.report().leaks(), []);
    }

    pub fn create_instance(&mut self) {
        let word = 2 << 16 | 7 << 28 | WORDS[self.version].0;
        self.list[0] = u64::from(word);
        // SAFETY: the function of that name takes the list.
        let create: extern "C" fn(usize) -> u32 =
            unsafe { self.stage.nvenc().function("NvEncodeAPICreateInstance") };
        assert_eq!(create(self.list.as_ptr() as usize), 0);
    }

    pub fn struct_of(&self, kind: Kind) -> Struct {
        let mut made = Struct::zeroed();
        made.put(0, self.word(kind));
        made
    }

    pub fn word(&self, kind: Kind) -> u32 {
        let (api, versions) = WORDS[self.version];
        let own = versions[kind as usize];
        (own & !B) << 16 | own & B | 7 << 28 | api
    }

    /// A CUDA function by name. All its arguments are integers or addresses.
    pub fn cu(&self, name: &str, arguments: &[usize]) -> u32 {
        // SAFETY: integers in registers; what the function does not look at does no harm.
        let function: Six = unsafe { self.stage.cuda().function(name) };
        call(function, arguments)
    }

    /// An encode function by its slot.
    pub fn nv(&self, slot: usize, arguments: &[usize]) -> u32 {
        // SAFETY: the slot holds a function of integers, which the list is made of.
        let function = unsafe { std::mem::transmute::<u64, Six>(self.list[1 + slot]) };
        call(function, arguments)
    }

    pub fn open(&self) -> Result<usize, u32> {
        let mut open = self.struct_of(Kind::Open);
        open.put(4, 1).put_long(8, self.context as u64).put(24, WORDS[self.version].0);
        let mut handle = 0_usize;
        match self.nv(slot::OPEN, &[open.at(), &raw mut handle as usize]) {
            0 => Ok(handle),
            status => Err(status),
        }
    }

    /// Settings for a session of that size that can grow to twice of it.
    pub fn settings(&self, width: u32, height: u32, bits_per_second: u32) -> (Struct, Struct) {
        let mut config = self.struct_of(Kind::Config);
        config.put_guid(4, BASELINE).put(20, u32::MAX).put(24, 1).put(32, 1);
        config.put(40, 1 << 16 | 7 << 28 | WORDS[self.version].0).put(44, 2).put(60, bits_per_second);
        config.put(168 + 8, u32::MAX).put(168 + 64, 3).put(168 + 68, 1).put(168 + 192, 1);
        // repeatSPSPPS.
        config.put(168, 1 << 12);
        let mut init = self.struct_of(Kind::Init);
        init.put_guid(4, H264).put_guid(20, P1).put(36, width).put(40, height).put(52, 30).put(56, 1);
        init.put(64, 1).put_long(88, config.at() as u64).put(96, 1280).put(100, 720).put(136, 3);
        (config, init)
    }

    pub fn session(&self, width: u32, height: u32) -> Session {
        self.session_with(width, height, |_| {})
    }

    /// A session whose configuration was changed.
    pub fn session_with(&self, width: u32, height: u32, change: impl Fn(&mut Struct)) -> Session {
        let handle = self.open().unwrap();
        let (mut config, init) = self.settings(width, height, 2_000_000);
        change(&mut config);
        assert_eq!(self.nv(slot::INITIALIZE, &[handle, init.at()]), 0);
        Session { handle, config, init }
    }

    pub fn bitstream(&self, session: &Session) -> usize {
        let create = self.struct_of(Kind::Bitstream);
        assert_eq!(self.nv(slot::CREATE_BITSTREAM, &[session.handle, create.at()]), 0);
        create.get_long(16) as usize
    }

    pub fn device_memory(&self, len: usize) -> usize {
        let mut address = 0_usize;
        assert_eq!(self.cu("cuMemAlloc_v2", &[&raw mut address as usize, len]), 0);
        address
    }

    pub fn register_struct(&self, address: usize, width: u32, height: u32, pitch: u32) -> Struct {
        let mut register = self.struct_of(Kind::Register);
        register
            .put(4, 1)
            .put(8, width)
            .put(12, height)
            .put(16, pitch)
            .put_long(24, address as u64)
            .put(40, NV12);
        register
    }

    pub fn register(&self, session: &Session, address: usize, width: u32, height: u32) -> usize {
        let register = self.register_struct(address, width, height, width);
        assert_eq!(self.nv(slot::REGISTER, &[session.handle, register.at()]), 0);
        register.get_long(32) as usize
    }

    pub fn map(&self, session: &Session, registered: usize) -> usize {
        let mut map = self.struct_of(Kind::Map);
        map.put_long(16, registered as u64);
        assert_eq!(self.nv(slot::MAP, &[session.handle, map.at()]), 0);
        map.get_long(24) as usize
    }

    pub fn picture(
        &self,
        session: &Session,
        input: usize,
        output: usize,
        pitch: u32,
        timestamp: u64,
    ) -> Struct {
        let mut picture = self.struct_of(Kind::Picture);
        picture.put(4, session.init.get(36)).put(8, session.init.get(40)).put(12, pitch);
        picture.put_long(24, timestamp).put_long(40, input as u64).put_long(48, output as u64);
        picture.put(64, NV12).put(68, 1);
        picture
    }

    pub fn encode(&self, session: &Session, picture: &Struct) -> u32 {
        self.nv(slot::ENCODE, &[session.handle, picture.at()])
    }

    /// Locks, copies and unlocks: the struct as it came back, and the bytes.
    pub fn take(&self, session: &Session, output: usize) -> Result<(Struct, Vec<u8>), u32> {
        let mut lock = self.struct_of(Kind::Lock);
        lock.put_long(8, output as u64);
        match self.nv(slot::LOCK, &[session.handle, lock.at()]) {
            0 => {}
            status => return Err(status),
        }
        let len = lock.get(36) as usize;
        let mut bytes = vec![0; len];
        d264_double_common::pointer::Bytes::new(lock.get_long(56) as usize, len).read(&mut bytes);
        assert_eq!(self.nv(slot::UNLOCK, &[session.handle, output]), 0);
        Ok((lock, bytes))
    }

    pub fn end_of_stream(&self, session: &Session) {
        let mut picture = self.struct_of(Kind::Picture);
        picture.put(16, 8);
        assert_eq!(self.encode(session, &picture), 0);
    }

    pub fn destroy(&self, session: &Session) {
        assert_eq!(self.nv(slot::DESTROY, &[session.handle]), 0);
    }
}

/// A session with one registered and mapped surface and one output buffer.
pub struct Ready {
    pub session: Session,
    pub memory: usize,
    pub registered: usize,
    pub mapped: usize,
    pub output: usize,
}

pub const WIDTH: u32 = 320;
pub const HEIGHT: u32 = 192;
pub const SURFACE_BYTES: usize = 320 * 192 * 3 / 2;

impl Client {
    pub fn ready(&self) -> Ready {
        self.ready_with(|_| {})
    }

    pub fn ready_with(&self, change: impl Fn(&mut Struct)) -> Ready {
        let session = self.session_with(WIDTH, HEIGHT, change);
        let output = self.bitstream(&session);
        let memory = self.device_memory(SURFACE_BYTES);
        assert_eq!(self.cu("cuMemsetD8_v2", &[memory, 100, SURFACE_BYTES]), 0);
        assert_eq!(self.cu("cuStreamSynchronize", &[0]), 0);
        let registered = self.register(&session, memory, WIDTH, HEIGHT);
        let mapped = self.map(&session, registered);
        Ready { session, memory, registered, mapped, output }
    }

    pub fn submit(&self, ready: &Ready, flags: u32, timestamp: u64) -> u32 {
        let mut picture = self.picture(&ready.session, ready.mapped, ready.output, WIDTH, timestamp);
        picture.put(16, flags);
        self.encode(&ready.session, &picture)
    }

    /// Gives everything back in order.
    pub fn put_away(&self, ready: Ready) {
        self.end_of_stream(&ready.session);
        assert_eq!(self.nv(slot::UNMAP, &[ready.session.handle, ready.mapped]), 0);
        assert_eq!(self.nv(slot::UNREGISTER, &[ready.session.handle, ready.registered]), 0);
        assert_eq!(self.nv(slot::DESTROY_BITSTREAM, &[ready.session.handle, ready.output]), 0);
        self.destroy(&ready.session);
        assert_eq!(self.cu("cuMemFree_v2", &[ready.memory]), 0);
    }
}

type Six = extern "C" fn(usize, usize, usize, usize, usize, usize) -> u32;

fn call(function: Six, arguments: &[usize]) -> u32 {
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    assert!(arguments.len() <= 6);
    function(at(0), at(1), at(2), at(3), at(4), at(5))
}
