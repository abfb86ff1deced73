//! `libcuda`: its types, numbers and functions, and what it says of this machine.
//!
//! The way in is [`load`], then [`Driver::initialise`], then [`Driver::devices`] or the functions themselves
//! ([`Driver::functions`]). Every function returns `u32`, which becomes words in [`Status`].

mod driver;
mod functions;
mod status;
mod types;

pub use driver::{CallError, Device, Driver, InitError, Uuid, load};
pub use functions::Functions;
pub use status::*;
pub use types::*;
