//! The H.264: openh264 behind one type, its sequence header rewritten to say what the client asked for.

mod bits;
mod coder;
mod headers;
mod nal;

pub(crate) use coder::{Coded, Coder};
pub(crate) use headers::{Signal, Vui};
pub(crate) use nal::{annex_b, sei};
