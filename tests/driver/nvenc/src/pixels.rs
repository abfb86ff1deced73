//! Pixels as the client lays them out, and as the H.264 encoder wants them.

use d264_double_common::pointer::Bytes;

/// `NV_ENC_BUFFER_FORMAT_*`.
pub(crate) const NV12: u32 = 0x1;
pub(crate) const YV12: u32 = 0x10;
pub(crate) const IYUV: u32 = 0x100;
pub(crate) const ARGB: u32 = 0x0100_0000;
pub(crate) const ABGR: u32 = 0x1000_0000;

/// The formats that go in.
pub(crate) const FORMATS: [u32; 5] = [NV12, YV12, IYUV, ARGB, ABGR];

/// How wide a row of the first plane is.
pub(crate) fn row_bytes(format: u32, width: usize) -> usize {
    if matches!(format, ARGB | ABGR) { width * 4 } else { width }
}

/// How many bytes a picture spans, at a pitch.
pub(crate) fn span(format: u32, pitch: usize, height: usize) -> usize {
    if matches!(format, ARGB | ABGR) { pitch * height } else { pitch * height + pitch * height.div_ceil(2) }
}

/// A picture as the client laid it out.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    pub(crate) bytes: Vec<u8>,
    pub(crate) format: u32,
    pub(crate) pitch: usize,
    /// Rows of the surface, which may be more than those of the picture.
    pub(crate) rows: usize,
}

impl Raw {
    /// Makes room for a picture, reusing the memory of an earlier one.
    pub(crate) fn prepare(&mut self, format: u32, pitch: usize, rows: usize) {
        self.bytes.resize(span(format, pitch, rows), 0);
        (self.format, self.pitch, self.rows) = (format, pitch, rows);
    }

    pub(crate) fn take(&mut self, from: Bytes) {
        from.read(&mut self.bytes);
    }
}

/// A planar 4:2:0 picture.
#[derive(Debug, Default, Clone)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    bytes: Vec<u8>,
}

impl Picture {
    /// A mid-grey picture.
    pub(crate) fn grey(width: usize, height: usize) -> Self {
        let mut picture = Self { width, height, bytes: Vec::new() };
        picture.resize(width, height);
        picture.bytes.fill(128);
        picture
    }

    fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.bytes.resize(width * height + 2 * width.div_ceil(2) * height.div_ceil(2), 0);
    }

    pub(crate) fn planes(&self) -> (&[u8], &[u8], &[u8]) {
        let (y, chroma) = self.bytes.split_at(self.width * self.height);
        let (u, v) = chroma.split_at(self.width.div_ceil(2) * self.height.div_ceil(2));
        (y, u, v)
    }

    /// Takes the pixels of a client's picture of at least this size; RGB becomes this colour.
    pub(crate) fn convert(&mut self, raw: &Raw, width: usize, height: usize, colour: Colour) {
        self.resize(width, height);
        match raw.format {
            ARGB => self.take_packed(raw, [2, 1, 0], colour),
            ABGR => self.take_packed(raw, [0, 1, 2], colour),
            _ => self.take_planes(raw),
        }
    }

    /// Exchanges Cb and Cr.
    pub(crate) fn swap_chroma(&mut self) {
        let (u, v) = self
            .bytes
            .split_at_mut(self.width * self.height)
            .1
            .split_at_mut(self.width.div_ceil(2) * self.height.div_ceil(2));
        u.swap_with_slice(v);
    }

    fn take_planes(&mut self, raw: &Raw) {
        let (width, height) = (self.width, self.height);
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let (luma, chroma) = self.bytes.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(half_width * half_height);
        for (row, line) in luma.chunks_mut(width).enumerate() {
            line.copy_from_slice(&raw.bytes[row * raw.pitch..][..width]);
        }
        let base = raw.pitch * raw.rows;
        if raw.format == NV12 {
            for row in 0..half_height {
                let line = &raw.bytes[base + row * raw.pitch..][..half_width * 2];
                let (u_line, v_line) = (&mut u[row * half_width..], &mut v[row * half_width..]);
                for (column, pair) in line.chunks_exact(2).enumerate() {
                    u_line[column] = pair[0];
                    v_line[column] = pair[1];
                }
            }
            return;
        }
        let pitch = raw.pitch / 2;
        let second = base + pitch * raw.rows.div_ceil(2);
        let (first, second) =
            if raw.format == IYUV { ((u, base), (v, second)) } else { ((v, base), (u, second)) };
        for (plane, start) in [first, second] {
            for (row, line) in plane.chunks_mut(half_width).enumerate() {
                line.copy_from_slice(&raw.bytes[start + row * pitch..][..half_width]);
            }
        }
    }

    /// Converts RGB to a colour, as the hardware does.
    fn take_packed(&mut self, raw: &Raw, [red, green, blue]: [usize; 3], colour: Colour) {
        let (width, height) = (self.width, self.height);
        let pixel = |x: usize, y: usize| {
            let at = y.min(height - 1) * raw.pitch + x.min(width - 1) * 4;
            let channel = |place: usize| i32::from(raw.bytes[at + place]);
            [channel(red), channel(green), channel(blue)]
        };
        let (rows, black) = colour.rows();
        let sample = |row: &[i32; 3], of: [i32; 3], zero: i32| {
            let sum: i32 = row.iter().zip(of).map(|(factor, channel)| factor * channel).sum();
            u8::try_from((((sum + (1 << 15)) >> 16) + zero).clamp(0, 255)).unwrap_or(0)
        };
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let (luma, chroma) = self.bytes.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(half_width * half_height);
        for y in 0..height {
            for x in 0..width {
                luma[y * width + x] = sample(&rows[0], pixel(x, y), black);
            }
        }
        for y in 0..half_height {
            for x in 0..half_width {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| pixel(2 * x + dx, 2 * y + dy));
                let mean: [i32; 3] = std::array::from_fn(|channel| {
                    (four.iter().map(|pixel| pixel[channel]).sum::<i32>() + 2) / 4
                });
                u[y * half_width + x] = sample(&rows[1], mean, 128);
                v[y * half_width + x] = sample(&rows[2], mean, 128);
            }
        }
    }
}

/// The colour that RGB becomes: the matrix by its code point (H.273), and the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour {
    pub(crate) matrix: u32,
    pub(crate) full_range: bool,
}

impl Colour {
    /// BT.601, limited range: the hardware's choice for a stream that tells none.
    pub(crate) const UNTOLD: Self = Self { matrix: 6, full_range: false };

    /// The factors of red, green and blue in luma, U and V, in 65536ths; and the luma of black.
    fn rows(self) -> ([[i32; 3]; 3], i32) {
        let (red, blue) = match self.matrix {
            1 => (0.2126, 0.0722),
            9 => (0.2627, 0.0593),
            _ => (0.299, 0.114),
        };
        let luma = [red, 1.0 - red - blue, blue];
        let (luma_scale, chroma_scale, black) =
            if self.full_range { (1.0, 1.0, 0) } else { (219.0 / 255.0, 224.0 / 255.0, 16) };
        // The difference of a channel from luma, half as large as it can become.
        let difference = |channel: usize| -> [f64; 3] {
            std::array::from_fn(|other| {
                (f64::from(u8::from(other == channel)) - luma[other]) / (2.0 * (1.0 - luma[channel]))
            })
        };
        let fixed = |row: [f64; 3], scale: f64| row.map(|factor| (factor * scale * 65536.0).round() as i32);
        let rows =
            [fixed(luma, luma_scale), fixed(difference(2), chroma_scale), fixed(difference(0), chroma_scale)];
        (rows, black)
    }
}

#[cfg(test)]
mod tests {
    use super::{ABGR, ARGB, Colour, IYUV, NV12, Picture, Raw, YV12, span};

    fn raw(format: u32, pitch: usize, rows: usize, bytes: &[u8]) -> Raw {
        let mut raw = Raw::default();
        raw.prepare(format, pitch, rows);
        raw.bytes[..bytes.len()].copy_from_slice(bytes);
        raw
    }

    #[test]
    fn every_planar_layout_gives_the_same_picture() {
        // 4x2, pitch 4, luma 1..8, U 9 10, V 11 12.
        let y = [1, 2, 3, 4, 5, 6, 7, 8];
        let layouts = [
            raw(NV12, 4, 2, &[&y[..], &[9, 11, 10, 12]].concat()),
            raw(IYUV, 4, 2, &[&y[..], &[9, 10, 11, 12]].concat()),
            raw(YV12, 4, 2, &[&y[..], &[11, 12, 9, 10]].concat()),
        ];
        for layout in layouts {
            let mut picture = Picture::default();
            picture.convert(&layout, 4, 2, Colour::UNTOLD);
            assert_eq!(picture.planes(), (&y[..], &[9, 10][..], &[11, 12][..]));
        }
    }

    #[test]
    fn packed_colours_become_the_colour_of_the_stream() {
        // Word-ordered: ARGB is B G R A in memory.
        let red_argb = raw(ARGB, 8, 2, &[0, 0, 255, 0].repeat(4));
        let red_abgr = raw(ABGR, 8, 2, &[255, 0, 0, 0].repeat(4));
        // The definitions of BT.601, BT.709 and BT.2020.
        for (matrix, full_range, [y, u, v]) in [
            (6, false, [81, 90, 240]),
            (6, true, [76, 85, 255]),
            (1, false, [63, 102, 240]),
            (9, true, [67, 92, 255]),
        ] {
            for layout in [&red_argb, &red_abgr] {
                let mut picture = Picture::default();
                picture.convert(layout, 2, 2, Colour { matrix, full_range });
                assert_eq!(picture.planes(), (&[y; 4][..], &[u][..], &[v][..]), "{matrix} {full_range}");
            }
        }
    }

    #[test]
    fn chroma_follows_the_rows_of_the_surface() {
        assert_eq!(span(NV12, 16, 4), 96);
        assert_eq!(span(ARGB, 16, 4), 64);
    }
}
