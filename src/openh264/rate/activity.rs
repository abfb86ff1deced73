//! Measures the motion and the texture of a picture, on a few of its rows and before it is encoded.

use crate::openh264::planar::Planes;
use crate::units::FrameSize;

/// One row in this many is read: at 1080p a quarter of a megabyte, some 25 us (machine and command not recorded).
const ROW_STEP: usize = 8;

/// Keeps the rows of the last reference picture.
#[derive(Debug, Default)]
pub(super) struct Activity {
    rows: Vec<u8>,
    /// Whether `rows` holds a picture.
    is_primed: bool,
    /// A copy of one row of memory that may change while it is read.
    scratch: Vec<u8>,
}

impl Activity {
    /// Returns the mean absolute difference of luma to the last reference picture, in levels a pixel; `None` for the
    /// first picture. If `is_kept`, this picture becomes the last reference.
    pub(super) fn motion(&mut self, size: FrameSize, planes: &Planes<'_>, is_kept: bool) -> Option<f32> {
        let width = size.width() as usize;
        self.rows.resize(sampled_rows(size) * width, 0);
        let mut difference = 0u64;
        let mut kept = self.rows.chunks_exact_mut(width);
        planes.y.each(row_starts(size, planes), width, &mut self.scratch, |row| {
            let Some(last) = kept.next() else { return };
            difference += absolute_difference(last, row);
            if is_kept {
                last.copy_from_slice(row);
            }
        });
        let was_primed = self.is_primed;
        self.is_primed |= is_kept;
        was_primed.then(|| mean(difference, self.rows.len()))
    }

    /// Returns the mean absolute difference of horizontally neighbouring luma pixels, in levels a pixel: a measure of the
    /// cost of an intra picture.
    pub(super) fn texture(&mut self, size: FrameSize, planes: &Planes<'_>) -> f32 {
        let mut difference = 0u64;
        let mut pixels = 0;
        planes.y.each(row_starts(size, planes), size.width() as usize, &mut self.scratch, |row| {
            let Some((_, shifted)) = row.split_first() else { return };
            difference += absolute_difference(row, shifted);
            pixels += shifted.len();
        });
        mean(difference, pixels)
    }
}

/// Sums the differences of both rows, as far as the shorter row goes.
// Not in line: as arguments the compiler knows that the two do not overlap.
#[inline(never)]
fn absolute_difference(a: &[u8], b: &[u8]) -> u64 {
    /// Sums of 16 bits, as many as a vector has bytes. Sums of 32 bits took more than twice the instructions.
    const LANES: usize = 16;
    /// The differences that a sum of 16 bits holds.
    const MOST: usize = u16::MAX as usize / u8::MAX as usize;
    let len = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..len].as_chunks::<LANES>(), b[..len].as_chunks::<LANES>());
    let mut sum = 0;
    for (a, b) in a.chunks(MOST).zip(b.chunks(MOST)) {
        let mut lanes = [0_u16; LANES];
        for (a, b) in a.iter().zip(b) {
            for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
                *lane += u16::from(a.abs_diff(b));
            }
        }
        sum += lanes.into_iter().map(u64::from).sum::<u64>();
    }
    sum + a_rest.iter().zip(b_rest).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum::<u64>()
}

fn sampled_rows(size: FrameSize) -> usize {
    (size.height() as usize).div_ceil(ROW_STEP)
}

/// The starts of the rows that are read: the middle row of each step.
fn row_starts(size: FrameSize, planes: &Planes<'_>) -> impl Iterator<Item = usize> + use<> {
    let (height, stride) = (size.height() as usize, planes.y_stride);
    (0..sampled_rows(size)).map(move |row| (row * ROW_STEP + ROW_STEP / 2).min(height - 1) * stride)
}

fn mean(sum: u64, count: usize) -> f32 {
    if count == 0 { 0.0 } else { (sum as f64 / count as f64) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PlaneBytes;

    fn planes(y: &[u8], stride: usize) -> Planes<'_> {
        let [y, none] = [y, &[]].map(PlaneBytes::Borrowed);
        Planes { y, u: none, v: none, y_stride: stride, chroma_stride: 0 }
    }

    #[test]
    fn motion_is_the_mean_difference_and_unknown_at_first() {
        let size = FrameSize::new(2048, 24).unwrap();
        let (dark, bright) = (vec![10; 2048 * 24], vec![250; 2048 * 24]);
        let mut activity = Activity::default();
        assert_eq!(activity.motion(size, &planes(&dark, 2048), true), None);
        assert_eq!(activity.motion(size, &planes(&dark, 2048), true), Some(0.0));
        // A picture that is not kept is no reference for the next comparison.
        for _ in 0..2 {
            assert_eq!(activity.motion(size, &planes(&bright, 2048), false), Some(240.0));
        }
        assert_eq!(activity.motion(size, &planes(&dark, 2048), true), Some(0.0));
    }

    #[test]
    fn the_largest_differences_of_a_long_row_are_summed() {
        let (dark, light) = (vec![0; 70_001], vec![255; 70_000]);
        assert_eq!(absolute_difference(&dark, &light), 255 * 70_000);
        let ramp: Vec<u8> = (0..=40).collect();
        assert_eq!(absolute_difference(&ramp, &[0; 41]), 820);
    }

    #[test]
    fn texture_is_the_mean_step_between_neighbours() {
        let size = FrameSize::new(64, 16).unwrap();
        let stripes: Vec<u8> = (0..64 * 16).map(|i| if i % 2 == 0 { 0 } else { 255 }).collect();
        let mut activity = Activity::default();
        assert_eq!(activity.texture(size, &planes(&stripes, 64)), 255.0);
        assert_eq!(activity.texture(size, &planes(&vec![7; 64 * 16], 64)), 0.0);
    }
}
