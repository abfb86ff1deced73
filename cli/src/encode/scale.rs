//! Scales frames for `--at FRAME:size=WxH`, plane by plane, in the input's pixel format.

use direct264::frame::RgbOrder;
use direct264::{FrameSize, PixelFormat};
use resize::{PixelFormat as ResizeFormat, Type};

/// Scales frames from the input's size to the current size.
#[derive(Debug)]
pub(super) struct Scaler {
    format: PixelFormat,
    input_size: FrameSize,
    size: FrameSize,
    /// The scaled frame, a buffer that every frame reuses.
    pixels: Vec<u8>,
}

impl Scaler {
    /// Creates a scaler whose current size is the input's.
    pub(super) fn new(format: PixelFormat, input_size: FrameSize) -> Self {
        Self { format, input_size, size: input_size, pixels: Vec::new() }
    }

    /// Returns the pixel format of input and output.
    pub(super) const fn format(&self) -> PixelFormat {
        self.format
    }

    /// Returns the current size.
    pub(super) const fn size(&self) -> FrameSize {
        self.size
    }

    /// Changes the current size.
    pub(super) fn set_size(&mut self, size: FrameSize) {
        self.size = size;
    }

    /// Returns the frame at the current size, unchanged where that is the input's.
    ///
    /// # Errors
    /// In words, when a plane's length does not match the input's size.
    pub(super) fn scale<'a>(&'a mut self, frame: &'a [u8]) -> Result<&'a [u8], String> {
        if self.size == self.input_size {
            return Ok(frame);
        }
        self.pixels.resize(self.format.frame_bytes(self.size), 0);
        let (mut from, mut to) = (frame, &mut self.pixels[..]);
        let planes = planes(self.format, self.input_size).into_iter().zip(planes(self.format, self.size));
        for (source, target) in planes {
            let (Some(source), Some(target)) = (source, target) else { continue };
            let short = || "a frame is shorter than its size".to_owned();
            let (plane, rest) = from.split_at_checked(source.bytes()).ok_or_else(short)?;
            let (scaled, room) = to.split_at_mut_checked(target.bytes()).ok_or_else(short)?;
            (from, to) = (rest, room);
            match source.channels {
                1 => scale_plane::<1>(source, plane, target, scaled)?,
                2 => scale_plane::<2>(source, plane, target, scaled)?,
                3 => scale_plane::<3>(source, plane, target, scaled)?,
                _ => scale_plane::<4>(source, plane, target, scaled)?,
            }
        }
        Ok(&self.pixels)
    }
}

fn scale_plane<const N: usize>(
    source: PlaneShape,
    plane: &[u8],
    target: PlaneShape,
    scaled: &mut [u8],
) -> Result<(), String>
where
    [u8; N]: Default,
{
    let sides = |shape: PlaneShape| (shape.columns as usize, shape.rows as usize);
    let ((from_width, from_height), (to_width, to_height)) = (sides(source), sides(target));
    // This filter weighs every dropped pixel and rings around no letters.
    resize::new(from_width, from_height, to_width, to_height, Channels::<N>, Type::Triangle)
        .and_then(|mut resizer| resizer.resize(plane.as_chunks().0, scaled.as_chunks_mut().0))
        .map_err(|error| error.to_string())
}

/// A pixel of `N` bytes whose channels are scaled independently: encoders ignore alpha.
struct Channels<const N: usize>;

impl<const N: usize> ResizeFormat for Channels<N>
where
    [u8; N]: Default,
{
    type InputPixel = [u8; N];
    type OutputPixel = [u8; N];
    type Accumulator = [f32; N];

    fn new() -> [f32; N] {
        [0.0; N]
    }

    #[inline(always)]
    fn add(&self, sums: &mut [f32; N], pixel: [u8; N], weight: f32) {
        for (sum, channel) in sums.iter_mut().zip(pixel) {
            *sum += f32::from(channel) * weight;
        }
    }

    #[inline(always)]
    fn add_acc(sums: &mut [f32; N], others: [f32; N], weight: f32) {
        for (sum, other) in sums.iter_mut().zip(others) {
            *sum += other * weight;
        }
    }

    #[inline(always)]
    fn into_pixel(&self, sums: [f32; N]) -> [u8; N] {
        // A cast of a float to an integer saturates.
        sums.map(|sum| sum.round() as u8)
    }
}

/// One plane of a frame without padding.
#[derive(Debug, Clone, Copy)]
struct PlaneShape {
    columns: u32,
    rows: u32,
    /// The bytes of a pixel.
    channels: usize,
}

impl PlaneShape {
    fn bytes(self) -> usize {
        self.columns as usize * self.rows as usize * self.channels
    }
}

/// Returns the planes of a frame in memory order.
fn planes(format: PixelFormat, size: FrameSize) -> [Option<PlaneShape>; 3] {
    let (chroma_columns, chroma_rows) = size.chroma();
    let whole = |channels| PlaneShape { columns: size.width(), rows: size.height(), channels };
    let half = |channels| PlaneShape { columns: chroma_columns, rows: chroma_rows, channels };
    match format {
        PixelFormat::I420 => [Some(whole(1)), Some(half(1)), Some(half(1))],
        PixelFormat::Nv12 => [Some(whole(1)), Some(half(2)), None],
        PixelFormat::Rgb(RgbOrder::Rgb24 | RgbOrder::Bgr24) => [Some(whole(3)), None, None],
        PixelFormat::Rgb(_) => [Some(whole(4)), None, None],
        // A pixel format without a case here has no planes, and the check of the length refuses it.
        _ => [None; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> FrameSize {
        FrameSize::new(width, height).unwrap()
    }

    #[test]
    fn the_input_size_is_passed_through() {
        let mut scaler = Scaler::new(PixelFormat::I420, size(4, 2));
        assert_eq!(scaler.scale(&[7; 12]).unwrap(), [7; 12]);
    }

    #[test]
    fn every_format_keeps_its_colours_at_any_size() {
        for (name, format) in PixelFormat::NAMED {
            let from = size(6, 4);
            let (luma, period) = match format {
                PixelFormat::Rgb(order) => (0, order.bytes_per_pixel()),
                PixelFormat::Nv12 => (24, 2),
                _ => (24, 1),
            };
            // Luma 100; chroma or channels 10, 20, 30, 0 in turn: alpha 0 must not blacken the others.
            let value = |at: usize, luma: usize| {
                if at < luma { 100 } else { [10u8, 20, 30, 0][(at - luma) % period] }
            };
            let frame: Vec<u8> = (0..format.frame_bytes(from)).map(|at| value(at, luma)).collect();
            let mut scaler = Scaler::new(format, from);
            scaler.set_size(size(9, 3));
            let luma = if luma == 0 { 0 } else { 27 };
            let wanted: Vec<u8> = (0..format.frame_bytes(size(9, 3))).map(|at| value(at, luma)).collect();
            assert_eq!(scaler.scale(&frame).unwrap(), wanted, "{name}");
        }
    }

    #[test]
    fn a_short_frame_is_refused() {
        let mut scaler = Scaler::new(PixelFormat::I420, size(4, 2));
        scaler.set_size(size(2, 2));
        assert!(scaler.scale(&[7; 11]).is_err());
    }
}
