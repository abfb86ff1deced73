//! Low-latency H.264.

pub mod annexb;
mod colour;
mod config;
#[cfg(openh264)]
mod convert;
#[cfg(nvenc)]
mod cuda;
mod encoder;
mod error;
mod event;
mod frame;
mod level;
pub mod nvenc;
#[cfg(openh264)]
pub mod openh264;
mod reason;
mod select;
mod units;

pub use colour::{Colour, Matrix, Range};
pub use config::{
    CallForm, CallLimits, EncoderConfig, GpuChoice, GpuUuid, IntraRefresh, MultiPass, NvencConfig,
    NvencPreset, Profile,
};
pub use encoder::{AccessUnit, Backend, Encoder, OwnedAccessUnit, Picture, StageTimes};
pub use error::{ConfigError, DriverError, Error, FrameError, Unavailable};
pub use event::{Event, EventKind};
pub use frame::{Frame, PixelFormat, Pixels, Plane, RgbOrder};
pub use level::Level;
pub use reason::Reason;
pub use select::{Opened, Order, open};
pub use units::{Bitrate, FrameRate, FrameSize, QpRange, SampleAspect, Timestamp};
