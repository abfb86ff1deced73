//! `libnvidia-encode`: the structs, numbers and functions of NVENC, and the handshake with the driver.
//!
//! A caller starts with [`load`], then calls [`EncodeLibrary::negotiate`] and [`EncodeLibrary::open_session`]. Each
//! struct is made by its `versioned` function, which writes the struct word for the session's [`ApiVersion`], and goes
//! through `zero_what_is_newer_than` where it has one before it is handed to the driver.

mod buffers;
mod config;
mod constants;
mod driver;
mod functions;
mod guid;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod layout_tests;
mod older;
mod picture;
mod session;
mod status;
mod version;

pub use buffers::*;
pub use config::*;
pub use constants::*;
pub use driver::{EncodeLibrary, EntryPoints, NegotiateError, OpenError, SessionHandle, load};
pub use functions::*;
pub use guid::*;
pub use picture::*;
pub use session::*;
pub use status::*;
pub use version::{ApiVersion, DriverApi, StructWords, TooOld};

crate::structs::opaque! {
    /// An encode session of the driver.
    NvEncEncoder;
    /// An input of the driver: a buffer it made, or mapped memory.
    NvEncInput;
    /// An output buffer of the driver.
    NvEncOutput;
    /// A registration of the caller's memory.
    NvEncRegistration;
}

/// The handle of an encode session; `void*` in C.
pub type NV_ENC_ENCODER_PTR = *mut NvEncEncoder;
/// The handle of an input.
pub type NV_ENC_INPUT_PTR = *mut NvEncInput;
/// The handle of an output buffer.
pub type NV_ENC_OUTPUT_PTR = *mut NvEncOutput;
/// The handle of a registration.
pub type NV_ENC_REGISTERED_PTR = *mut NvEncRegistration;
/// A pointer to a CUDA stream handle, not the handle itself.
pub type NV_ENC_CUSTREAM_PTR = *mut crate::cuda::CUstream;

/// Gives structs a `versioned` function that writes the struct word and zeros.
macro_rules! versioned {
    ($($name:ident,)+) => {
        $(impl $name {
            /// Zeros, with the struct word of this API version.
            #[must_use]
            pub const fn versioned(api: ApiVersion) -> Self {
                let mut made = Self::zeroed();
                made.version = api.words().$name;
                made
            }
        })+
    };
}
use versioned;
