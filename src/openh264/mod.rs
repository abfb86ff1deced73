//! The software backend: the openh264 library, with the rate control of this crate.

mod api;
mod device;
mod encoder;
mod library;
#[cfg(feature = "cisco")]
mod load;
mod params;
mod planar;
mod rate;
mod raw;
mod session;

pub use encoder::OpenH264Encoder;
pub use library::Library;
#[cfg(feature = "cisco")]
pub use load::{LoadError, load, load_unchecked};
