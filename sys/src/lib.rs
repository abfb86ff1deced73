//! The NVIDIA drivers as direct264 needs them: `libcuda` and `libnvidia-encode`, opened at run time.
//!
//! This layer spells the C names and the numbers of the C headers, and has no opinion about encoding. Its
//! promises:
//!
//! - **Nothing is linked.** [`cuda::load`] and [`nvenc::load`] open the driver's libraries by name, once per
//!   process, and never close them. A machine without them gets a [`DriverLoadError`] with the library or the symbol,
//!   and the loader's message.
//! - **Integers across the border.** A driver may write any number, so nothing that it writes is ever a Rust
//!   enum, and every function returns its status as `u32`. [`nvenc::NVENCSTATUS`] and [`cuda::CUresult`] name status
//!   codes; an unknown code is a value like any other.
//! - **Required and optional are different types.** A library that lacks a required function does not load; an
//!   optional function is an [`Option`].
//! - **One API version per session.** The structs have the layout of NVENC API 12.1, which serves 11.0, 11.1
//!   and 12.0 as well as long as the fields they do not know stay zero; the word in front of each struct
//!   comes from one table per version ([`nvenc::ApiVersion`]).
//! - **No panics.** Every answer of a driver is a value.
//!
//! This layer does not free what you allocate, order your calls, or know what a setting means. Every driver
//! function is `unsafe` to call, and NVIDIA's documentation states its contract.
//!
//! # Example
//!
//! ```
//! match direct264_sys::cuda::load() {
//!     Ok(driver) => println!("cuInit: {:?}", driver.initialise()),
//!     Err(why) => println!("no CUDA driver: {why}"),
//! }
//! ```

#![expect(unsafe_code, reason = "this crate is the border to two C libraries")]
// The C names are kept, so that a line here can be compared with a line of the header.
#![expect(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    reason = "C names are kept as the headers spell them"
)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("direct264-sys knows the 64-bit layouts of the NVIDIA driver interfaces and no others");

pub mod cuda;
pub mod nvenc;

#[cfg(test)]
mod fake;
mod load;
mod status;
mod structs;

pub use load::{DriverLibrary, DriverLoadError, LoaderMessage};
pub use status::StatusInfo;
