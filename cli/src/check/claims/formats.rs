//! Formats of frames in host memory.

use direct264::colour::Colour;
use direct264::frame::{Plane, RgbOrder};
use direct264::{Frame, FrameSize, Picture, PixelFormat, Timestamp};

use super::colour::{self, BARS};
use super::frames::usual;
use super::sizes::START_DB;
use crate::check::decode;
use crate::check::outcome::{Proof, expect};
use crate::check::stream::{ENCODE, encode, open_encoder, scene};
use crate::check::subject::{Subject, ours};

/// Bytes behind each row of the frames with a stride.
const PADDING: usize = 24;

pub(in crate::check) fn formats(subject: &Subject) -> Proof {
    let size = usual()?;
    let i420 = scene(size).picture(0);
    let (width, luma) = (size.width() as usize, size.width() as usize * size.height() as usize);
    let nv12 = nv12(size, &i420);
    let (wide_y, wide_uv) = (padded(&nv12[..luma], width), padded(&nv12[luma..], width));
    let time = Timestamp(0);
    let (y, uv) = (Plane::new(&wide_y, width + PADDING), Plane::new(&wide_uv, width + PADDING));
    let frames = [
        ("I420", ours(Frame::contiguous(size, PixelFormat::I420, &i420, time))?),
        ("NV12", ours(Frame::contiguous(size, PixelFormat::Nv12, &nv12, time))?),
        ("NV12 with a stride", ours(Frame::nv12(size, y, uv, time))?),
    ];
    let mut of_i420 = Vec::new();
    for (name, frame) in frames {
        let mut encoder = open_encoder(subject, &subject.config(size)?)?;
        let bytes = encode(&mut encoder, &frame, Picture::Auto)?.bytes.to_vec();
        let decoded = decode::all([&bytes[..]])?;
        decode::near(&decoded, std::slice::from_ref(&i420), size, START_DB)?;
        if of_i420.is_empty() {
            of_i420 = bytes;
        } else {
            let got = format!("other bytes from {name}");
            expect(bytes == of_i420, "the access unit of the same picture as I420", got, ENCODE)?;
        }
    }
    let mut furthest = 0.0_f64;
    for order in [RgbOrder::Rgb24, RgbOrder::Bgr24, RgbOrder::Rgba, RgbOrder::Bgra] {
        furthest = furthest.max(colour::furthest(subject, order, Colour::BT709_LIMITED, false)?);
    }
    Ok(format!("I420, NV12 and four orders of RGB; {} colours within {furthest:.1} levels", BARS.len()))
}

/// Converts a contiguous I420 picture to NV12.
pub(super) fn nv12(size: FrameSize, i420: &[u8]) -> Vec<u8> {
    let (luma, chroma) = i420.split_at(size.width() as usize * size.height() as usize);
    let (u, v) = chroma.split_at(chroma.len() / 2);
    luma.iter().copied().chain(u.iter().zip(v).flat_map(|(&u, &v)| [u, v])).collect()
}

fn padded(plane: &[u8], row: usize) -> Vec<u8> {
    plane.chunks_exact(row).flat_map(|pixels| pixels.iter().copied().chain([0xee; PADDING])).collect()
}
