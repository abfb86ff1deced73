//! Low-latency H.264 for services that count microseconds: NVENC driven directly, openh264 behind the same trait.
//!
//! > One frame in, one access unit out, in order. Every [`Encoder::encode`] that returns `Ok` returns the access unit
//! > of the frame that went in.
//!
//! There are no B frames and there is no lookahead, so nothing waits for a frame that has not come; and no frame is
//! skipped, so nothing has to be told that one is missing. What cannot be met is said as an [`Event`], never paid
//! with a frame.
//!
//! ```
//! use direct264::{Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Order, Picture, PixelFormat, Timestamp};
//!
//! # fn main() -> Result<(), direct264::Error> {
//! let size = FrameSize::new(1280, 720)?;
//! let config = EncoderConfig::new(size, FrameRate::hz(60)?, Bitrate::from_mbps(4)?);
//! let mut opened = direct264::open(&config, &Order::auto())?;
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
//! [`open`] takes the first backend of a [`BackendOrder`] that this machine has and tells why each better one was passed
//! over, as a [`Reason`] with a sentence for people. Whatever encodes, the stream keeps the same promises: Annex B
//! with 4-byte start codes, SPS and PPS before every IDR, constrained baseline unless asked otherwise, colour and the
//! absence of reordering told in the VUI.
//!
//! What is opened is a [`FailoverEncoder`]: when the better backend fails in mid-stream the next one takes the same
//! frame, and the stream returns when the better one is back. [`NvencEncoder`](nvenc::NvencEncoder) and
//! [`OpenH264Encoder`](openh264::OpenH264Encoder) are there by themselves too, and never change.
//!
//! # Memory and threads
//! Frames are borrowed for the length of a call, access units until the next one; at a steady state nothing is
//! allocated for a frame. An encoder is `Send` and takes `&mut self`. A driver session has a thread
//! of its own unless [`CallForm`](config::CallForm) says otherwise; so have attempts at a backend that failed.
//!
//! [`Encoder::encode`] has the least delay for a frame. A [`Pipeline`] of an encoder keeps one frame in flight while the
//! next goes up, for more frames a second.
//!
//! # Errors and panics
//! [`Error`] is sorted by what the caller can do next. The library panics on nothing that a caller, a driver or a
//! file gives it, and prints nothing; its log is `tracing`.
//!
//! # Features
//! `nvenc` and `openh264` are the backends, both on by default; `cisco` has the software backend load Cisco's binary of
//! openh264 at run time (`openh264::load`), with a built-in library beside it or without; `cudarc` takes frames from
//! slices of that crate; `cli` builds the command `direct264`.

// docs.rs tells of each item which feature it is part of.
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
