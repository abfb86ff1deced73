//! Paints textured objects that cross the picture.

use super::noise::value;
use super::texture::Texture;

/// An ellipse that crosses the picture repeatedly, and enters and leaves beyond the edges.
#[derive(Debug)]
pub(super) struct Object {
    /// Centre at frame 0 and movement a frame, in shares of the picture's width and height.
    start: (f32, f32),
    speed: (f32, f32),
    /// Half the width, half the height, in shares of the picture's height.
    radius: (f32, f32),
    shade: f32,
    chroma: (u8, u8),
    seed: u32,
}

impl Object {
    pub(super) fn new(seed: u32) -> Self {
        let pick = |which, low: f32, high: f32| low + (high - low) * (0.5 + 0.5 * value(seed, which, 7));
        Self {
            start: (pick(0, 0.1, 0.9), pick(1, 0.2, 0.8)),
            speed: (pick(2, -0.006, 0.006), pick(3, -0.002, 0.002)),
            radius: (pick(4, 0.07, 0.18), pick(5, 0.07, 0.18)),
            shade: pick(6, -50.0, 50.0),
            chroma: (pick(7, 90.0, 165.0) as u8, pick(8, 90.0, 165.0) as u8),
            seed,
        }
    }

    /// Paints the object of frame `index` over the planes of a picture; the luma is `width` by `height`.
    pub(super) fn paint(
        &self,
        texture: &Texture,
        planes: [&mut [u8]; 3],
        width: usize,
        height: usize,
        index: u32,
    ) {
        let [y, u, v] = planes;
        let (w, h, t) = (width as f32, height as f32, index as f32);
        let radius = (self.radius.0 * h, self.radius.1 * h);
        let (margin_x, margin_y) = (radius.0 / w, radius.1 / h);
        let wrap = |at: f32, margin: f32| (at + margin).rem_euclid(1.0 + 2.0 * margin) - margin;
        let centre = (
            wrap(self.start.0 + self.speed.0 * t, margin_x) * w,
            wrap(self.start.1 + self.speed.1 * t, margin_y) * h,
        );
        let luma = &texture.luma;
        let offset = (self.seed as usize % luma.side, self.seed as usize / 7 % luma.side);
        let pattern = |x: f32, y: f32| {
            let column = ((x - centre.0).floor() as i64 + offset.0 as i64).rem_euclid(luma.side as i64);
            let row = ((y - centre.1).floor() as i64 + offset.1 as i64).rem_euclid(luma.side as i64);
            let pixel = luma.pixels[row as usize * luma.side + column as usize];
            (128.0 + self.shade + (f32::from(pixel) - 128.0) * 0.8).clamp(16.0, 235.0)
        };
        ellipse(y, width, centre, radius, pattern);
        let (centre, radius) = ((centre.0 / 2.0, centre.1 / 2.0), (radius.0 / 2.0, radius.1 / 2.0));
        ellipse(u, width.div_ceil(2), centre, radius, |_, _| f32::from(self.chroma.0));
        ellipse(v, width.div_ceil(2), centre, radius, |_, _| f32::from(self.chroma.1));
    }
}

/// Paints an ellipse with an edge of about two pixels.
fn ellipse(
    plane: &mut [u8],
    width: usize,
    centre: (f32, f32),
    radius: (f32, f32),
    colour: impl Fn(f32, f32) -> f32,
) {
    let sharpness = radius.0.min(radius.1) / 4.0;
    let top = (centre.1 - radius.1).max(0.0) as usize;
    let bottom = (centre.1 + radius.1).max(0.0).ceil() as usize;
    let left = (centre.0 - radius.0).max(0.0) as usize;
    let right = ((centre.0 + radius.0).max(0.0).ceil() as usize).min(width);
    let rows = plane.chunks_exact_mut(width).enumerate().take(bottom).skip(top);
    for (row, pixels) in rows {
        let dy = (row as f32 - centre.1) / radius.1;
        for (column, pixel) in pixels.iter_mut().enumerate().take(right).skip(left) {
            let dx = (column as f32 - centre.0) / radius.0;
            let cover = ((1.0 - dx * dx - dy * dy) * sharpness).clamp(0.0, 1.0);
            if cover > 0.0 {
                let under = f32::from(*pixel);
                *pixel = (under + (colour(column as f32, row as f32) - under) * cover) as u8;
            }
        }
    }
}
