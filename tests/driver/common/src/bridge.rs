//! The questions of the encode half to the CUDA half: a table of functions, handed over by the symbol [`SYMBOL`].
//!
//! The two are separate shared libraries, so only C types cross.

use crate::Function;
use crate::fault::Action;

/// The exported function of the CUDA half that returns the table.
pub const SYMBOL: &std::ffi::CStr = c"d264_double_bridge";

/// Changes with every change of the table, so that halves of different builds refuse each other.
pub const VERSION: u32 = 7;

/// The verdict on a call that was just counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Verdict {
    /// 0 go on, 1 answer `value` instead, 2 an empty access unit, 3 a garbage one, 4 go on and then answer `value`,
    /// 5 answer `value` and give nothing back either, 6 the GPU is lost, 7 no completion event is signalled.
    pub kind: u32,
    /// The answer.
    pub value: u32,
}

/// The first answer of CUDA once a GPU fell off the bus (`CUDA_ERROR_UNKNOWN`).
pub const LOST: u32 = 999;

/// `NV_ENC_ERR_GENERIC`.
const GENERIC: u32 = 20;

impl Verdict {
    /// Whether the GPU is lost with this call.
    #[must_use]
    pub const fn loses_gpu(self) -> bool {
        self.kind == 6
    }

    /// Nothing is wrong with this call.
    pub const GO_ON: Self = Self { kind: 0, value: 0 };

    /// The answer that it asks for, if any, and whether the call's work is done before.
    #[must_use]
    pub fn answer(self, function: Function) -> Option<(u32, bool)> {
        match self.kind {
            1 => Some((self.value, function.releases())),
            4 => Some((self.value, true)),
            5 => Some((self.value, false)),
            6 => Some((if function.name().starts_with("cu") { LOST } else { GENERIC }, false)),
            _ => None,
        }
    }

    /// The verdict that an action comes to, once any waiting is over.
    #[must_use]
    pub const fn of(action: Action) -> Self {
        match action {
            Action::Answer(value) => Self { kind: 1, value },
            Action::AnswerAfter(value) => Self { kind: 4, value },
            Action::AnswerInstead(value) => Self { kind: 5, value },
            Action::Lost => Self { kind: 6, value: 0 },
            Action::Empty => Self { kind: 2, value: 0 },
            Action::Garbage => Self { kind: 3, value: 0 },
            Action::Silent => Self { kind: 7, value: 0 },
            Action::Hang | Action::Delay(_) => Self::GO_ON,
        }
    }
}

/// A piece of text lent for the length of a call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Text {
    /// Its first byte.
    pub start: *const u8,
    /// How many.
    pub len: usize,
}

impl Text {
    /// Lends a string.
    #[must_use]
    pub const fn new(text: &str) -> Self {
        Self { start: text.as_ptr(), len: text.len() }
    }

    /// A copy of it.
    #[must_use]
    pub fn to_text(self) -> String {
        let mut bytes = vec![0; self.len];
        crate::pointer::Bytes::new(self.start as usize, self.len).read(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Receives text that the other half owns.
pub type Receive = extern "C" fn(to: usize, text: Text);

/// The place of an input surface, and its writer.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Surface {
    /// The session's context.
    pub context: u64,
    /// The device address.
    pub address: u64,
    /// How many bytes the picture spans.
    pub len: u64,
    /// The stream that the encoder waits for; the context's default stream if there is none.
    pub input_stream: u64,
    /// The stream that waits for the encoder.
    pub output_stream: u64,
}

/// A point in the order of a stream's work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Ticket {
    /// The stream, as the CUDA half numbers them.
    pub stream: u64,
    /// The place in its order.
    pub place: u64,
}

/// The kind of memory at an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Allocation {
    /// 0 nothing of the double's, 1 device memory, 2 stream-ordered device memory, 3 page-locked host memory.
    pub kind: u32,
    /// The context that it belongs to.
    pub context: u64,
    /// Its first address.
    pub base: u64,
    /// Its length.
    pub len: u64,
}

/// The table.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Bridge {
    /// [`VERSION`] of the half that made it.
    pub version: u32,
    /// Counts a call, waits if it is to hang, and says what becomes of it.
    pub enter: extern "C" fn(function: u32) -> Verdict,
    /// Notes a call's answer in the trace.
    pub leave: extern "C" fn(function: u32, status: u32),
    /// Reports a broken rule.
    pub violation: extern "C" fn(function: u32, rule: Text),
    /// The settings in force, as text, and a number that changes with them.
    pub settings: extern "C" fn(to: usize, receive: Receive) -> u64,
    /// That number alone.
    pub settings_generation: extern "C" fn() -> u64,
    /// How often all that happened was to be forgotten.
    pub resets: extern "C" fn() -> u64,
    /// Has the encode half write its part of the report (a JSON object) when one is written.
    pub add_section: extern "C" fn(section: extern "C" fn(to: usize, receive: Receive)),
    /// The context that is current on this thread, or 0.
    pub current_context: extern "C" fn() -> u64,
    /// The device of a context, or -1 if there is no such context.
    pub device_of: extern "C" fn(context: u64) -> i32,
    /// Whether that device can encode.
    pub can_encode: extern "C" fn(device: i32) -> bool,
    /// The error that killed a context, or 0.
    pub dead: extern "C" fn(context: u64) -> u32,
    /// A kernel of the encoder's kills a context with this error.
    pub kill: extern "C" fn(context: u64, code: u32),
    /// A session holds a context (+1) or lets go of it (-1).
    pub hold_context: extern "C" fn(context: u64, change: i32),
    /// A registration holds memory (+1) or lets go of it (-1).
    pub hold_memory: extern "C" fn(address: u64, change: i32),
    /// The kind of memory at an address.
    pub allocation: extern "C" fn(address: u64) -> Allocation,
    /// Whether a stream handle means a stream of that context.
    pub stream_is_known: extern "C" fn(context: u64, stream: u64) -> bool,
    /// A session does its work on a stream (+1) or no longer does (-1).
    pub hold_stream: extern "C" fn(stream: u64, change: i32),
    /// The encoder reads a surface: waits for the input stream, checks the order of all else, copies `len` bytes to
    /// `to` (or nothing if that is 0), and answers when the output stream may go on.
    pub read_surface: extern "C" fn(surface: Surface, to: usize) -> Ticket,
    /// The host now knows that the picture of this ticket is done.
    pub host_knows: extern "C" fn(ticket: Ticket),
}
