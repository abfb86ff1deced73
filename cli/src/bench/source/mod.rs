//! Makes the built-in pictures, which resemble natural video and are the same on every machine.

mod camera;
mod grain;
mod noise;
mod object;
mod texture;

use direct264::{FrameSize, PixelFormat};

use camera::View;
use grain::Grain;
use object::Object;
use texture::Texture;

/// The description of the pictures in `--help`.
pub(crate) const DESCRIPTION: &str = "Without --input the pictures are made here, before anything is timed, and are \
the same on every machine: a hand-held camera pans and zooms over a landscape of smooth and busy areas (value noise of \
up to ten octaves, near the 1/f spectrum of natural pictures, with sharp borders), five textured objects cross it and \
cover one another, every frame has its own film-like grain (1.3 levels), and halfway through the scene changes.";

const OBJECTS: u32 = 5;
/// The largest side of a texture: a picture 1920 wide sees all of it.
const MAX_SIDE: usize = 2048;

/// A source of I420 pictures: two scenes with a cut between them.
#[derive(Debug)]
pub struct BuiltIn {
    size: FrameSize,
    frames: u32,
    scenes: [TextureScene; 2],
    grain: Grain,
}

#[derive(Debug)]
struct TextureScene {
    seed: u32,
    texture: Texture,
    objects: Vec<Object>,
}

impl TextureScene {
    fn new(side: usize, seed: u32) -> Self {
        let objects = (0..OBJECTS).map(|which| Object::new(noise::hash(seed, which, 1))).collect();
        Self { seed, texture: Texture::new(side, seed), objects }
    }
}

impl BuiltIn {
    /// Creates a source of `frames` pictures of `size`, whose scene changes in the middle.
    #[must_use]
    pub fn new(size: FrameSize, frames: u32, seed: u32) -> Self {
        let longer = size.width().max(size.height()) as usize;
        let side = longer.next_power_of_two().clamp(64, MAX_SIDE);
        let scenes = [0, 1].map(|which| TextureScene::new(side, noise::hash(seed, which, 0)));
        Self { size, frames, scenes, grain: Grain::new(seed) }
    }

    /// Returns picture `index`: three planes back to back, without padding.
    #[must_use]
    pub fn picture(&self, index: u32) -> Vec<u8> {
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        let mut picture = vec![0; PixelFormat::I420.frame_bytes(self.size)];
        let (y, chroma) = picture.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(chroma_width * chroma_height);

        let scene = &self.scenes[usize::from(index >= self.frames.div_ceil(2))];
        let view = View::at(scene.seed, index, width);
        view.paint(&scene.texture.luma, y, width);
        view.halved().paint(&scene.texture.cb, u, chroma_width);
        view.halved().paint(&scene.texture.cr, v, chroma_width);
        for object in &scene.objects {
            object.paint(&scene.texture, [&mut *y, &mut *u, &mut *v], width, height, index);
        }
        self.grain.add(y, width, index);
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean difference between two pictures, in levels.
    fn distance(a: &[u8], b: &[u8]) -> f64 {
        let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / a.len() as f64
    }

    #[test]
    fn a_seed_always_gives_the_same_pictures_and_another_gives_others() {
        let size = FrameSize::new(99, 55).unwrap();
        let (one, same, other) =
            (BuiltIn::new(size, 20, 5), BuiltIn::new(size, 20, 5), BuiltIn::new(size, 20, 6));
        for index in [0, 7, 19] {
            assert_eq!(one.picture(index), same.picture(index));
            assert!(distance(&one.picture(index), &other.picture(index)) > 5.0);
        }
    }

    /// The pictures are part of what a figure means: this sum changes only together with a note in the changelog.
    #[test]
    fn the_pictures_are_the_ones_that_earlier_figures_were_taken_with() {
        let source = BuiltIn::new(FrameSize::new(160, 90).unwrap(), 4, 1);
        let sum = (0..4)
            .flat_map(|index| source.picture(index))
            .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        assert_eq!(sum, 3_086_182_753);
    }

    #[test]
    fn every_frame_differs_a_little_and_the_cut_much() {
        let size = FrameSize::new(320, 180).unwrap();
        let source = BuiltIn::new(size, 40, 1);
        let pictures: Vec<_> = (0..40).map(|index| source.picture(index)).collect();
        for (index, pair) in pictures.windows(2).enumerate() {
            let distance = distance(&pair[0], &pair[1]);
            let is_cut = index == 19;
            assert!(
                if is_cut { distance > 15.0 } else { (0.5..12.0).contains(&distance) },
                "{index}: {distance}"
            );
        }
    }

    #[test]
    fn any_size_can_be_painted() {
        for (width, height) in [(1, 1), (2, 2), (17, 1), (1, 33), (641, 359)] {
            let size = FrameSize::new(width, height).unwrap();
            let picture = BuiltIn::new(size, 3, 9).picture(2);
            assert_eq!(picture.len(), PixelFormat::I420.frame_bytes(size));
        }
    }
}
