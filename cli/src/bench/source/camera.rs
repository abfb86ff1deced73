//! Moves a hand-held camera over a texture and paints its view.

use super::noise::path;
use super::texture::TexturePlane;

/// The camera's view in one frame, in luma pixels of the texture.
#[derive(Clone, Copy)]
pub(super) struct View {
    centre: (f32, f32),
    /// Texture pixels per picture pixel.
    step: f32,
}

impl View {
    /// Returns the view of frame `index` of a picture `width` wide.
    pub(super) fn at(seed: u32, index: u32, width: usize) -> Self {
        let t = index as f32;
        // The speeds are those of a picture 1920 wide: about 3 pixels per frame on average, up to 9.
        let scale = width as f32 / 1920.0;
        let along = |axis: u32, pan: f32| {
            let sweep = 130.0 * path(seed ^ axis, t / 31.0);
            let hand = 1.2 * path(seed ^ axis ^ 0x55, t / 4.0);
            (pan * t + sweep + hand) * scale
        };
        let zoom = 1.0 + 0.1 * path(seed ^ 0x2003, t / 80.0);
        Self { centre: (along(0x11, 1.6), along(0x22, 0.4)), step: 1.0 / zoom }
    }

    /// Returns the same view for a plane of half the width and height.
    pub(super) fn halved(self) -> Self {
        Self { centre: (self.centre.0 / 2.0, self.centre.1 / 2.0), ..self }
    }

    /// Paints the view of `texture`, interpolated between its pixels.
    pub(super) fn paint(self, texture: &TexturePlane, into: &mut [u8], width: usize) {
        let side = texture.side;
        let rows = into.len() / width;
        let columns: Vec<(usize, u32)> =
            (0..width).map(|x| self.sample(self.centre.0, x, width, side)).collect();
        // One interpolated row of the texture, with its first pixel again behind the last.
        let mut between = vec![0_u32; side + 1];
        for (y, row) in into.chunks_exact_mut(width).enumerate() {
            let (above, weight) = self.sample(self.centre.1, y, rows, side);
            let below = (above + 1) % side;
            let (above, below) = (&texture.pixels[above * side..], &texture.pixels[below * side..]);
            for ((mix, &above), &below) in between.iter_mut().zip(above).zip(below).take(side) {
                *mix = u32::from(above) * (256 - weight) + u32::from(below) * weight;
            }
            between[side] = between[0];
            for (pixel, &(left, weight)) in row.iter_mut().zip(&columns) {
                *pixel = ((between[left] * (256 - weight) + between[left + 1] * weight) >> 16) as u8;
            }
        }
    }

    /// Returns the texture pixel before position `at` of `length`, and the position's distance from it in 1/256.
    fn sample(self, centre: f32, at: usize, length: usize, side: usize) -> (usize, u32) {
        let position = centre + (at as f32 - length as f32 / 2.0) * self.step;
        let fixed = (position * 256.0).floor() as i64;
        ((fixed >> 8).rem_euclid(side as i64) as usize, (fixed & 255) as u32)
    }
}
