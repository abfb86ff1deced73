//! Adds film-like grain to the luma: another sample of one noise tile in every frame.

use super::noise::hash;

const SIDE: usize = 256;
/// Rows that share one sample of the tile; with more rows the repetition is visible.
const BAND: usize = 16;

/// A tile of noise. Each row is stored twice, so that a whole row follows any start.
#[derive(Debug)]
pub(super) struct Grain {
    rows: Vec<[i8; 2 * SIDE]>,
    seed: u32,
}

impl Grain {
    /// Creates grain with a standard deviation of about 1.3 levels.
    pub(super) fn new(seed: u32) -> Self {
        // The sum of four bytes is near enough to a normal distribution: deviation 148.
        let white = |x: usize, y: usize| {
            let bytes = hash(seed, (x % SIDE) as u32, (y % SIDE) as u32).to_le_bytes();
            bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>() - 510
        };
        // 1-2-1 both ways makes grains of about two pixels; it leaves 3/8 of the deviation, times 16: 888.
        let clotted = |x: usize, y: usize| {
            let row = |y| white(x + SIDE - 1, y) + 2 * white(x, y) + white(x + 1, y);
            row(y + SIDE - 1) + 2 * row(y) + row(y + 1)
        };
        let row = |y| std::array::from_fn(|x| (clotted(x, y) as f32 / 683.0).round() as i8);
        Self { rows: (0..SIDE).map(row).collect(), seed }
    }

    /// Adds the grain of frame `index` to a plane.
    pub(super) fn add(&self, luma: &mut [u8], width: usize, index: u32) {
        for (y, row) in luma.chunks_exact_mut(width).enumerate() {
            let at = hash(self.seed, index, (y / BAND) as u32);
            let tile = &self.rows[(y + (at >> 8) as usize) % SIDE][at as usize % SIDE..][..SIDE];
            for pixels in row.chunks_mut(SIDE) {
                for (pixel, grain) in pixels.iter_mut().zip(tile) {
                    *pixel = pixel.saturating_add_signed(*grain);
                }
            }
        }
    }
}
