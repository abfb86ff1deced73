//! Pictures like a camera's: a texture of many scales that pans by parts of a pixel, an object that crosses it, and
//! grain.

use std::sync::LazyLock;

use direct264::FrameSize;

const TEXTURE: usize = 512;

pub struct Camera {
    size: FrameSize,
    texture: &'static [u8],
}

impl Camera {
    pub fn new(size: FrameSize) -> Self {
        // Made once, since the texture takes most of the time.
        static TEXTURE_SEEN: LazyLock<Vec<u8>> = LazyLock::new(texture);
        Self { size, texture: &TEXTURE_SEEN }
    }

    /// Picture `number` as contiguous I420.
    pub fn i420(&self, number: u32) -> Vec<u8> {
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        let (chroma_width, chroma_height) = self.size.chroma();
        let (chroma_width, chroma_height) = (chroma_width as usize, chroma_height as usize);
        let time = number as usize;
        let mut pixels = Vec::with_capacity(width * height + 2 * chroma_width * chroma_height);
        let mut grain = Grain(number.wrapping_mul(2_654_435_761) | 1);
        let (ball_x, ball_y) = (time * 7 % (width + 1), height / 2);
        let radius = (height / 6).max(2) as isize;
        for row in 0..height {
            for column in 0..width {
                let (dx, dy) = (column as isize - ball_x as isize, row as isize - ball_y as isize);
                let inside = dx * dx + dy * dy < radius * radius;
                let level =
                    if inside { 200 } else { self.at(column * 64 + 149 * time, row * 67 + 43 * time) };
                pixels.push(level.saturating_add(grain.next() % 3 + grain.next() % 3));
            }
        }
        for offset in [0, TEXTURE * 64 / 3] {
            for row in 0..chroma_height {
                for column in 0..chroma_width {
                    let level = self.at(column * 32 + 75 * time + offset, row * 33 + 21 * time);
                    pixels.push(96 + level / 4);
                }
            }
        }
        pixels
    }

    /// Returns the texture at a place in 64ths of a texel, so that the camera pans by parts of a pixel.
    fn at(&self, x: usize, y: usize) -> u8 {
        let texel = |dx: usize, dy: usize| {
            usize::from(self.texture[(y / 64 + dy) % TEXTURE * TEXTURE + (x / 64 + dx) % TEXTURE])
        };
        let (fx, fy) = (x % 64, y % 64);
        let upper = texel(0, 0) * (64 - fx) + texel(1, 0) * fx;
        let lower = texel(0, 1) * (64 - fx) + texel(1, 1) * fx;
        ((upper * (64 - fy) + lower * fy) / 4096) as u8
    }
}

/// Independent noise in every sample, which no encoder can compress well.
pub fn noise(size: FrameSize, number: u32) -> Vec<u8> {
    let mut grain = Grain(number.wrapping_mul(747_796_405) | 1);
    let bytes = direct264::PixelFormat::I420.frame_bytes(size);
    (0..bytes).map(|_| grain.next()).collect()
}

/// Returns the PSNR in dB of two pictures; 100 for equal ones.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    if sum == 0 { 100.0 } else { 10.0 * (255.0 * 255.0 * a.len() as f64 / sum as f64).log10() }
}

/// Makes a periodic texture: smoothed noise at six scales, the finer the weaker.
fn texture() -> Vec<u8> {
    let mut sum = vec![0f32; TEXTURE * TEXTURE];
    let mut grain = Grain(12_345);
    for (cell, strength) in [(64, 48.0), (32, 32.0), (16, 20.0), (8, 14.0), (4, 10.0), (2, 8.0)] {
        let cells = TEXTURE / cell;
        let lattice: Vec<f32> = (0..cells * cells).map(|_| f32::from(grain.next()) / 127.5 - 1.0).collect();
        for (index, value) in sum.iter_mut().enumerate() {
            let (x, y) = (index % TEXTURE, index / TEXTURE);
            let (left, top) = (x / cell, y / cell);
            let (fx, fy) = ((x % cell) as f32 / cell as f32, (y % cell) as f32 / cell as f32);
            let corner = |dx: usize, dy: usize| lattice[(top + dy) % cells * cells + (left + dx) % cells];
            let upper = corner(0, 0) * (1.0 - fx) + corner(1, 0) * fx;
            let lower = corner(0, 1) * (1.0 - fx) + corner(1, 1) * fx;
            *value += strength * (upper * (1.0 - fy) + lower * fy);
        }
    }
    sum.iter().map(|value| (value + 120.0).clamp(16.0, 232.0) as u8).collect()
}

struct Grain(u32);

impl Grain {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 11) as u8
    }
}
