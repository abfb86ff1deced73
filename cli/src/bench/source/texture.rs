//! Makes the large texture, periodic at its edges, over which the camera moves.

use super::noise::add_octave;

/// One square plane whose side is a power of two.
#[derive(Debug)]
pub(super) struct TexturePlane {
    pub(super) side: usize,
    pub(super) pixels: Vec<u8>,
}

/// A landscape of two materials, one smooth as a sky and one as busy as leaves, with sharp borders between them.
#[derive(Debug)]
pub(super) struct Texture {
    pub(super) luma: TexturePlane,
    /// Half the side of `luma`.
    pub(super) cb: TexturePlane,
    /// Half the side of `luma`.
    pub(super) cr: TexturePlane,
}

/// Each octave has this much of the one before: near the 1/f of natural pictures, less what a lens takes away.
const FALL: f32 = 0.72;

impl Texture {
    /// Creates a texture whose luma side is `side`.
    pub(super) fn new(side: usize, seed: u32) -> Self {
        let shade = octaves(side, side / 4, 32, 1.0, seed);
        let detail = octaves(side, 32, 2, 1.0, seed ^ 0x0d_e7a1);
        let material = octaves(side, side / 8, 8, 0.55, seed ^ 0x3a7e_41a1);
        let pixels = shade.iter().zip(&detail).zip(&material).map(|((shade, detail), material)| {
            // Steep, so that the border between the materials is two or three pixels wide.
            let busy = (material * 24.0 + 0.5).clamp(0.0, 1.0);
            let luma = 128.0 + 42.0 * shade - 34.0 * (busy - 0.5) + detail * (3.0 + 25.0 * busy);
            luma.clamp(16.0, 235.0) as u8
        });
        let luma = TexturePlane { side, pixels: pixels.collect() };
        Self { luma, cb: chroma(side / 2, seed ^ 0xcb), cr: chroma(side / 2, seed ^ 0xc4) }
    }
}

fn chroma(side: usize, seed: u32) -> TexturePlane {
    let field = octaves(side, side / 4, 8, 0.6, seed);
    TexturePlane { side, pixels: field.iter().map(|v| (128.0 + 26.0 * v).clamp(16.0, 240.0) as u8).collect() }
}

/// Octaves with cells of `coarsest` down to `finest` pixels.
fn octaves(side: usize, coarsest: usize, finest: usize, first: f32, seed: u32) -> Vec<f32> {
    let mut field = vec![0.0; side * side];
    let (mut cell, mut amplitude, mut octave) = (coarsest, first, 0);
    while cell >= finest {
        add_octave(&mut field, side, cell, amplitude, seed.wrapping_add(octave));
        (cell, amplitude, octave) = (cell / 2, amplitude * FALL, octave + 1);
    }
    field
}
