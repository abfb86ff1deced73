//! `libcuda`: its types, numbers and functions, and the devices of this machine.
//!
//! A caller starts with [`load`] and [`Driver::initialise`], then calls [`Driver::devices`] or the functions
//! themselves ([`Driver::functions`]). Every function returns `u32`; [`CUresult`] names it.

mod driver;
mod functions;
mod status;
mod types;

pub use driver::{CallError, Device, Driver, InitError, Uuid, load};
pub use functions::Functions;
pub use status::*;
pub use types::*;
