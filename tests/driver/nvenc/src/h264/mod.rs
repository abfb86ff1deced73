//! The H.264: openh264 behind one type, its sequence header rewritten to say what the client asked for.

mod bits;
mod coder;
mod headers;
mod nal;
mod past;
mod slice;

pub(crate) use coder::{Coded, Coder};
pub(crate) use headers::{Signal, Vui};
pub(crate) use nal::{annex_b, prefix, recovery_point, sei};
pub(crate) use past::{Kind, Past, Unknown};
