//! Frames in CUDA device memory.

#[cfg(not(feature = "nvenc"))]
use crate::check::outcome::{Proof, Unproven};
#[cfg(not(feature = "nvenc"))]
use crate::check::subject::Subject;

#[cfg(feature = "nvenc")]
pub(in crate::check) use on_gpu::{device, pitches};

#[cfg(not(feature = "nvenc"))]
fn not_built() -> Proof {
    Err(Unproven::NotApplicable(
        "this build makes no device memory, which comes with the feature nvenc".to_owned(),
    ))
}

#[cfg(not(feature = "nvenc"))]
pub(in crate::check) fn device(_: &Subject) -> Proof {
    not_built()
}

#[cfg(not(feature = "nvenc"))]
pub(in crate::check) fn pitches(_: &Subject) -> Proof {
    not_built()
}

#[cfg(feature = "nvenc")]
mod on_gpu {
    use direct264::colour::{Colour, ColourMatrix, ColourRange};
    use direct264::frame::RgbOrder;
    use direct264::{Frame, FrameSize, Picture, PixelFormat, Timestamp};

    use crate::check::claims::formats::nv12;
    use crate::check::claims::frames::usual;
    use crate::check::device::{Device, GpuEncoder, Place};
    use crate::check::outcome::{Proof, Unproven, expect};
    use crate::check::stream::{encode, open_encoder, scene};
    use crate::check::subject::{Subject, ours, size};

    const CALL: &str = "Encoder::encode with Frame::cuda";
    const BT601_LIMITED: Colour = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };

    /// Sizes, pitches and offsets: an ordinary picture; pitches that are no multiple of 16, which are reported to kill
    /// a context; multiples of 16 and not of 256; and addresses within a larger picture.
    const PLACES: [(u32, u32, usize, usize); 8] = [
        (320, 192, 512, 0),
        (852, 480, 852, 0),
        (854, 480, 854, 0),
        (860, 480, 860, 0),
        (848, 480, 848, 0),
        (856, 480, 864, 0),
        (320, 192, 1024, 4),
        (320, 192, 1024, 272),
    ];

    pub(in crate::check) fn device(subject: &Subject) -> Proof {
        let device = open(subject)?;
        let count = compare(subject, &device, (usual()?, 512, 0), 4)?;
        device.wait()?;
        Ok(format!("{count} frames of NV12 and BGRA"))
    }

    pub(in crate::check) fn pitches(subject: &Subject) -> Proof {
        let device = open(subject)?;
        for (width, height, pitch, offset) in PLACES {
            compare(subject, &device, (size(width, height)?, pitch, offset), 2)?;
            device.wait()?;
        }
        Ok(format!("{} places, pitches 848 to 1024, offsets 0 to 272", PLACES.len()))
    }

    fn open(subject: &Subject) -> Result<Device, Unproven> {
        let none = || Unproven::NotApplicable("there is no GPU with device memory here".to_owned());
        Device::open(subject.memory_of.ok_or_else(none)?)
    }

    /// Encodes frames in device memory and the same frames in host memory, which has to give the same bytes.
    fn compare(
        subject: &Subject,
        device: &Device,
        (size, pitch, offset): (FrameSize, usize, usize),
        frames: u32,
    ) -> Result<u32, Unproven> {
        let (width, height) = (size.width() as usize, size.height() as usize);
        for format in [PixelFormat::Nv12, PixelFormat::Rgb(RgbOrder::Bgra)] {
            let (row, pitch, rows) = match format {
                PixelFormat::Nv12 => (width, pitch, height + height / 2),
                _ => (4 * width, pitch.max(4 * width), height),
            };
            // NVENC takes RGB as it is for BT.601 at limited range alone.
            let config = subject.config(size)?.colour(BT601_LIMITED);
            let bytes = offset + pitch * rows;
            let mut of_gpu = GpuEncoder::new(device, open_encoder(subject, &config)?, bytes)?;
            let mut of_host = open_encoder(subject, &config)?;
            for number in 0..frames {
                let pixels = pixels(format, size, number);
                let in_host = ours(Frame::contiguous(size, format, &pixels, Timestamp(number.into())))?;
                let place = Place { offset, pitch };
                let with_pitch = with_pitch(&pixels, row, pitch);
                let bytes = of_gpu.encode((format, size), place, &with_pitch, number.into())?;
                let unit = encode(&mut of_host, &in_host, Picture::Auto)?;
                let expected = format!("the {} bytes of the frame in host memory", unit.bytes.len());
                let place = format!("{size} {format:?}, pitch {pitch}, offset {offset}");
                let got = format!("{} bytes that differ for {place}", bytes.len());
                expect(bytes == unit.bytes, expected, got, CALL)?;
            }
            of_gpu.end()?;
        }
        Ok(2 * frames)
    }

    fn pixels(format: PixelFormat, size: FrameSize, number: u32) -> Vec<u8> {
        let i420 = scene(size).picture(number);
        match format {
            PixelFormat::Nv12 => nv12(size, &i420),
            // Any pixels serve: the luma as shades of three channels.
            _ => i420[..size.width() as usize * size.height() as usize]
                .iter()
                .flat_map(|&y| [y, 255 - y, y / 2, 0xa5])
                .collect(),
        }
    }

    fn with_pitch(pixels: &[u8], row: usize, pitch: usize) -> Vec<u8> {
        let padding = vec![0xee; pitch - row];
        pixels.chunks_exact(row).flat_map(|pixels| pixels.iter().chain(&padding).copied()).collect()
    }
}
