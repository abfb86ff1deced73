//! A low-latency H.264 encoder: NVENC driven directly, with openh264 behind the same trait.
//!
//! > One frame in, one access unit out, in order. Every [`Encoder::encode`] that returns `Ok` returns the access unit
//! > of the frame that went in.
//!
//! There are no B frames and no lookahead, so an encoder never waits for a later frame. No frame is skipped. A target
//! that cannot be met becomes an [`Event`], never a lost frame.
//!
//! ```
//! use direct264::{BackendOrder, Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize};
//! use direct264::{Picture, PixelFormat, Timestamp};
//!
//! # fn main() -> Result<(), direct264::Error> {
//! let size = FrameSize::new(1280, 720)?;
//! let config = EncoderConfig::new(size, FrameRate::hz(60)?, Bitrate::from_mbps(4)?);
//! let mut opened = direct264::open(&config, &BackendOrder::auto())?;
//! for why in &opened.passed_over {
//!     eprintln!("{why}: {}", why.advice());
//! }
//! let pixels = vec![128; PixelFormat::Nv12.frame_bytes(size)];
//! let frame = Frame::contiguous(size, PixelFormat::Nv12, &pixels, Timestamp(0))?;
//! let unit = opened.encoder.encode(&frame, Picture::Auto)?;
//! assert!(unit.is_idr && unit.bytes.starts_with(&[0, 0, 0, 1]));
//! # Ok(()) }
//! ```
//!
//! # Backends
//! [`open`] takes the first backend of a [`BackendOrder`] that this machine has. A [`Reason`] with a sentence for
//! people says why each better backend was passed over. Every backend keeps the same promises: Annex B with 4-byte
//! start codes, SPS and PPS before every IDR, constrained baseline unless asked otherwise, and a VUI with the colour
//! and no reordering.
//!
//! [`open`] returns a [`FailoverEncoder`]: when a backend fails in mid-stream, the next one takes the same frame, and
//! the stream returns to the better backend once that works again. [`NvencEncoder`](nvenc::NvencEncoder) and
//! [`OpenH264Encoder`](openh264::OpenH264Encoder) are available by themselves too, and never change backend.
//!
//! # Memory and threads
//! A frame is borrowed for the length of a call, an access unit until the next call. At a steady state no frame causes
//! an allocation. An encoder is `Send` and takes `&mut self`. A driver session runs on its own thread unless
//! [`CallForm`](config::CallForm) says otherwise. Retries of a failed backend always run on their own thread.
//!
//! [`Encoder::encode`] has the least latency. A [`Pipeline`] of an encoder uploads the next frame while one is in
//! flight, for higher throughput.
//!
//! # Errors and panics
//! [`Error`] is sorted by what the caller can do next. The library panics on no input of a caller, a driver or a file,
//! and prints nothing. Its log is `tracing`.
//!
//! # Features
//! `nvenc` and `openh264` are the backends, both on by default. `cisco` lets the software backend load Cisco's binary
//! of openh264 at run time (`openh264::load`), with or without the built-in library. `cudarc` takes frames from slices
//! of that crate.

// docs.rs names the feature of each item.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(nvenc, openh264)),
    allow(dead_code, reason = "without a backend nothing makes an access unit")
)]

pub mod access_unit;
pub mod annexb;
mod backend;
mod backends;
#[cfg(nvenc)]
mod bounded;
pub mod colour;
pub mod config;
#[cfg(any(nvenc, openh264))]
mod convert;
#[cfg(nvenc)]
mod cuda;
mod encoder;
mod engine;
pub mod error;
mod event;
pub mod failover;
mod format;
pub mod frame;
mod level;
pub mod nvenc;
#[cfg(openh264)]
pub mod openh264;
mod picture;
pub mod pipeline;
mod profile;
mod ready;
mod reason;
mod recovery;
#[cfg(any(nvenc, openh264))]
mod references;
mod remains;
mod replaceable;
pub mod rtc;
#[cfg(test)]
mod scripted;
pub mod units;
#[cfg(any(nvenc, openh264))]
mod window;
pub mod worker;

pub use access_unit::{AccessUnit, OwnedAccessUnit};
pub use backend::Backend;
pub use config::EncoderConfig;
pub use encoder::Encoder;
pub use error::Error;
pub use event::{Event, EventKind};
pub use failover::{BackendOrder, FailoverEncoder, open};
pub use format::PixelFormat;
pub use frame::Frame;
pub use picture::Picture;
pub use pipeline::Pipeline;
pub use reason::Reason;
pub use recovery::Recovery;
pub use units::{Bitrate, FrameId, FrameRate, FrameSize, QpRange, Timestamp};

/// The README's code, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
