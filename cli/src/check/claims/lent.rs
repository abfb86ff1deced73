//! Page-locked frames that the encoder lends.

use crate::check::outcome::Proof;
use crate::check::subject::Subject;

#[cfg(not(feature = "nvenc"))]
pub(in crate::check) fn lent(_: &Subject) -> Proof {
    let why = "this build lends no frame, which comes with the feature nvenc";
    Err(crate::check::outcome::Unproven::NotApplicable(why.to_owned()))
}

#[cfg(feature = "nvenc")]
pub(in crate::check) fn lent(subject: &Subject) -> Proof {
    use direct264::nvenc::PixelsMut;
    use direct264::{Frame, Picture, PixelFormat, Timestamp};

    use super::formats::nv12;
    use super::frames::usual;
    use crate::check::outcome::{expect, failed, refused};
    use crate::check::stream::{encode, open_encoder, scene};
    use crate::check::subject::ours;

    const FRAMES: u32 = 6;
    const CALL: &str = "FailoverEncoder::encode_lent";

    let size = usual()?;
    let config = subject.config(size)?;
    let (mut lending, mut copying) = (open_encoder(subject, &config)?, open_encoder(subject, &config)?);
    let width = size.width() as usize;
    for number in 0..FRAMES {
        let pixels = nv12(size, &scene(size).picture(number));
        let time = Timestamp(number.into());
        let lent = lending.lend(PixelFormat::Nv12);
        let mut lent = lent.map_err(|error| refused("a lent frame", &error, "FailoverEncoder::lend"))?;
        let PixelsMut::Nv12 { y, uv } = lent.pixels_mut() else {
            return Err(failed("planes of NV12", "others", "LentFrame::pixels_mut"));
        };
        let (luma, chroma) = pixels.split_at(width * size.height() as usize);
        for (plane, source) in [(y, luma), (uv, chroma)] {
            let rows = plane.bytes.chunks_mut(plane.stride_bytes.max(1)).zip(source.chunks_exact(width));
            rows.for_each(|(row, source)| row[..width].copy_from_slice(source));
        }
        let unit = lending.encode_lent(lent, time, Picture::Auto);
        let bytes = unit.map_err(|error| refused("an access unit", &error, CALL))?.bytes.to_vec();
        let frame = ours(Frame::contiguous(size, PixelFormat::Nv12, &pixels, time))?;
        let copied = encode(&mut copying, &frame, Picture::Auto)?;
        let got = format!("{} bytes that differ", bytes.len());
        expect(bytes == copied.bytes, format!("the {} bytes of encode", copied.bytes.len()), got, CALL)?;
    }
    Ok(format!("{FRAMES} frames"))
}
