//! Shares the bits out between two temporal layers, so that both come to the same quantiser.

use super::kind::PictureKind;
use super::scene::{INTER_SLOPE, LogMotion};

/// The share of a pair's bits that a base picture has before it is learned. Its reference is twice as far away.
const FIRST_SHARE: f32 = 0.6;
/// The limits of that share, so that neither layer starves in a still or a wild scene.
const LEAST_SHARE: f32 = 0.5;
const MOST_SHARE: f32 = 0.75;
/// The weight of each new pair.
const GAIN: f32 = 0.1;

/// The shares of the layers, learned from pair to pair.
#[derive(Debug)]
pub(super) struct Shares {
    /// The base picture's share of the bits of a pair.
    base: f32,
    has_leaves: bool,
    planned: PictureKind,
    /// The bits of the last base picture, scaled to a quantiser of 0.
    of_base: Option<f32>,
}

impl Default for Shares {
    fn default() -> Self {
        Self { base: FIRST_SHARE, has_leaves: false, planned: PictureKind::Idr, of_base: None }
    }
}

impl Shares {
    /// Returns the share of the next picture, relative to a mean picture.
    pub(super) fn of(&mut self, next: PictureKind) -> f32 {
        self.planned = next;
        self.has_leaves |= next == PictureKind::Leaf;
        match next {
            PictureKind::Leaf => 2.0 * (1.0 - self.base),
            PictureKind::P if self.has_leaves => 2.0 * self.base,
            PictureKind::P | PictureKind::Idr => 1.0,
        }
    }

    /// Takes in the bits of that picture; `motion` is `None` for an intra picture.
    pub(super) fn coded(&mut self, bits: f32, qp: f32, motion: Option<LogMotion>) {
        let is_plain = motion.is_some_and(|motion| !motion.is_still());
        let bits = is_plain.then(|| bits * (INTER_SLOPE * qp).exp2());
        if self.planned != PictureKind::Leaf {
            self.of_base = bits;
        } else if let (Some(base), Some(leaf)) = (self.of_base, bits) {
            let seen = (base / (base + leaf)).clamp(LEAST_SHARE, MOST_SHARE);
            self.base += GAIN * (seen - self.base);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(shares: &mut Shares, base: (f32, f32), leaf: (f32, f32)) -> [f32; 2] {
        [(PictureKind::P, base), (PictureKind::Leaf, leaf)].map(|(kind, (bits, qp))| {
            let share = shares.of(kind);
            shares.coded(bits, qp, Some(LogMotion::new(3.0)));
            share
        })
    }

    #[test]
    fn one_layer_is_all_there_is() {
        let mut shares = Shares::default();
        for _ in 0..5 {
            assert_eq!(shares.of(PictureKind::P), 1.0);
            shares.coded(1_000.0, 30.0, Some(LogMotion::new(3.0)));
        }
    }

    #[test]
    fn what_a_layer_takes_is_what_it_gets_and_both_make_two() {
        let mut shares = Shares::default();
        let mut last = [0.0; 2];
        for _ in 0..60 {
            last = pair(&mut shares, (7_000.0, 30.0), (3_000.0, 30.0));
        }
        assert!((last[0] - 1.4).abs() < 0.01 && (last[0] + last[1] - 2.0).abs() < 0.03, "{last:?}");
        // The leaf took less only because it was coarser, so its share grows.
        for _ in 0..60 {
            last = pair(&mut shares, (6_000.0, 30.0), (3_000.0, 30.0 + 1.0 / INTER_SLOPE));
        }
        assert!((last[0] - 1.0).abs() < 0.02, "{last:?}");
    }
}
