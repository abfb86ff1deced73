//! The encode half of the driver double: `libnvidia-encode.so.1` as it is documented to behave.
//!
//! Each struct is read at the offsets that its version word means (`layout`); every word, reserved field, handle,
//! state and order is checked; the H.264 that comes out is real, by openh264. Rules that are broken go to the ledger
//! of the CUDA half, which this library looks for under the name `libcuda.so.1` as the real one does.
#![allow(
    unsafe_code,
    reason = "exported C functions; what they do with pointers is in `double_common::pointer`"
)]

mod api;
mod bitstream;
mod buffer;
mod caps;
mod config;
mod driver;
mod event;
mod gate;
mod guid;
mod h264;
mod layout;
mod level;
mod picture;
mod pixels;
mod preset;
mod refresh;
mod report;
mod resource;
mod session;
mod status;
mod view;
