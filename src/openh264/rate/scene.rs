//! A model of the scene that predicts the cost of a picture, learned from picture to picture.
//!
//! The model works in log2 of bits. A P picture costs `pixels * scene * motion^0.59`, and its cost halves every 3.8
//! quantisers. An intra picture costs `pixels * texture / 5` at quantiser 24, and its cost halves every 8. On top, a
//! picture finer than its reference pays for the detail that the reference left out. The constants were fitted on
//! natural clips from 176x144 to 1920x1080 at quantisers 12 to 40.

use crate::units::FrameSize;

/// The quantiser at which the costs below hold.
const MODEL_QP: f32 = 24.0;
/// Doublings of the cost of a P picture with each doubling of motion, and with each step of the quantiser down.
const MOTION_EXPONENT: f32 = 0.59;
pub(super) const INTER_SLOPE: f32 = 0.26;
/// Doublings of the cost of an intra picture with each step of the quantiser down, and log2 of its bits a pixel at a
/// texture of 1.
const INTRA_SLOPE: f32 = 0.125;
const INTRA_LOG_COST: f32 = -2.32;
/// The cost of a picture one step finer than its reference, as a share of an intra picture, before it is learned.
const FIRST_REFINEMENT: f32 = 0.065;
/// The limits of the learned cost. On a still picture it looks smaller than it is.
const LEAST_REFINEMENT: f32 = 0.035;
const MOST_REFINEMENT: f32 = 0.2;
/// The halvings of a picture's cost for each step that its reference is finer.
const FINER_REFERENCE: f32 = 0.17;
/// Motion below this many levels is noise to the model.
const MOTION_FLOOR: f32 = 0.05;
/// Motion that differs by this many doublings from recent motion is a cut or a repeated picture.
const ODD_MOTION: f32 = 1.5;
/// A cut has at least this motion: log2 of 4 levels.
const CUT_LOG_MOTION: f32 = 2.0;
/// Below this motion a picture is still: log2 of a seventh of a level.
const STILL_LOG_MOTION: f32 = -2.7;

/// The longest run of still pictures that counts as repeated pictures, as of film on a faster display. Repeated
/// pictures tell nothing of the moving ones. After a longer run the scene stands still.
const MOST_REPEATS: u32 = 8;

/// The motion of a picture, as log2 of levels a pixel.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) struct LogMotion(f32);

impl LogMotion {
    pub(super) fn new(motion: f32) -> Self {
        Self(log2(motion + MOTION_FLOOR))
    }

    /// Whether the picture brings nothing new.
    pub(super) fn is_still(self) -> bool {
        self.0 < STILL_LOG_MOTION
    }
}

/// The layers of P pictures. Pictures of a layer resemble each other, because their references lie equally far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// Pictures from which others are predicted.
    Base,
    /// Pictures from which no other is predicted, with two temporal layers.
    Leaf,
}

/// The knowledge of the P pictures of a layer.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// log2 of the cost of a P picture in bits a pixel, at a motion of 1 and `MODEL_QP`; `None` before the first one.
    cost: Option<f32>,
    /// The recent motion.
    motion: LogMotion,
    /// The number of P pictures since the last intra picture, without repeated pictures.
    learned: u32,
    /// The number of still pictures since the last moving one.
    stills: u32,
}

#[derive(Debug)]
pub(super) struct Scene {
    log_pixels: f32,
    /// The knowledge of each layer.
    seen: [Seen; 2],
    /// The layer of the picture looked at last.
    layer: Layer,
    /// log2 of the cost of the picture looked at last as an intra picture, in bits, at `MODEL_QP`.
    intra_cost: f32,
    /// The cost of intra pictures beyond the model, in doublings.
    intra_bias: f32,
    /// The quantiser whose detail the reference has. After a step down it lags behind the last picture's quantiser.
    reference_qp: f32,
    /// The cost of a picture one step finer than its reference, as a share of an intra picture.
    refinement: f32,
}

impl Scene {
    pub(super) fn new(size: FrameSize) -> Self {
        Self {
            log_pixels: log2((size.width() * size.height()) as f32),
            seen: [Seen { cost: None, motion: LogMotion(0.0), learned: 0, stills: 0 }; 2],
            layer: Layer::Base,
            intra_cost: 0.0,
            intra_bias: 0.0,
            reference_qp: 0.0,
            refinement: FIRST_REFINEMENT,
        }
    }

    /// Sets the layer of the next picture.
    pub(super) fn enter(&mut self, layer: Layer) {
        self.layer = layer;
    }

    fn seen(&self) -> &Seen {
        &self.seen[self.layer as usize]
    }

    /// Whether the picture is a cut: it differs from the one before by so much more than recent pictures did that intra
    /// coding is best.
    pub(super) fn is_cut(&self, motion: LogMotion) -> bool {
        let seen = self.seen();
        seen.learned > 0 && motion.0 > seen.motion.0 + ODD_MOTION && motion.0 > CUT_LOG_MOTION
    }

    /// Takes in the texture of the next picture, intra or not.
    pub(super) fn look(&mut self, texture: f32) {
        self.intra_cost = self.log_pixels + log2(texture.max(0.1)) + INTRA_LOG_COST + self.intra_bias;
    }

    /// The bits of the picture looked at last as an intra picture.
    pub(super) fn intra_bits(&self, qp: f32) -> f32 {
        (self.intra_cost - INTRA_SLOPE * (qp - MODEL_QP)).exp2()
    }

    /// The quantiser at which the picture looked at last, as an intra picture, has this many bits.
    pub(super) fn intra_qp(&self, bits: f32) -> f32 {
        MODEL_QP + (self.intra_cost - log2(bits)) / INTRA_SLOPE
    }

    /// The bits of a P picture among pictures of the same quantiser; `None` before the first P picture.
    pub(super) fn steady_bits(&self, motion: LogMotion, qp: f32) -> Option<f32> {
        // A layer without a picture of its own starts from the cost of the base.
        let cost = self.seen().cost.or(self.seen[0].cost)? + MOTION_EXPONENT * motion.0 + self.log_pixels
            - INTER_SLOPE * (qp - MODEL_QP);
        // At worst every macroblock is intra coded.
        Some(cost.exp2().min(self.intra_bits(qp)))
    }

    /// The steps of the quantiser by which a picture of `bits` must be coarser to have `wanted` bits.
    pub(super) fn steps(bits: f32, wanted: f32) -> f32 {
        (log2(bits) - log2(wanted)) / INTER_SLOPE
    }

    /// The bits of a P picture after the last pictures, which may have been coarser or finer.
    pub(super) fn bits(&self, steady_bits: f32, qp: f32) -> f32 {
        steady_bits * self.relief(qp) + self.refinement_bits(qp)
    }

    /// Learns from the size of a P picture.
    pub(super) fn learn(&mut self, bits: f32, motion: LogMotion, qp: f32) {
        let refinement = self.refinement_bits(qp);
        let relief = self.relief(qp);
        let steady = (bits - refinement).max(0.3 * bits) / relief;
        let seen =
            log2(steady) - self.log_pixels - MOTION_EXPONENT * motion.0 + INTER_SLOPE * (qp - MODEL_QP);
        let Seen { cost, motion: motion_before, learned, stills } = *self.seen();
        let is_odd = (motion.0 - motion_before.0).abs() > ODD_MOTION;
        let stills = if motion.is_still() { stills.saturating_add(1) } else { 0 };
        let is_repeated = (1..=MOST_REPEATS).contains(&stills);
        let gain = match learned {
            _ if is_repeated => 0.0,
            0 => 1.0,
            _ if is_odd => 0.1,
            // A picture that was mostly refinement tells little of its motion.
            _ => 0.3 * (1.0 - (refinement / bits).min(0.8)) * relief,
        };
        // The picture took more than the intra model allows. That model is a ceiling, and was too low.
        self.intra_bias = (self.intra_bias + (log2(bits) - log2(self.intra_bits(qp))).max(0.0)).min(1.5);
        if let Some(expected) = self.steady_bits(motion, qp)
            && refinement > 0.3 * bits
            && (is_repeated || !is_odd)
        {
            let ratio = ((bits - expected) / refinement).clamp(0.5, 2.0);
            self.refinement =
                (self.refinement * (0.75 + 0.25 * ratio)).clamp(LEAST_REFINEMENT, MOST_REFINEMENT);
        }
        let cost = cost.unwrap_or(seen);
        let motion_gain = if is_repeated { 0.0 } else { gain.max(0.2) };
        self.seen[self.layer as usize] = Seen {
            cost: Some(cost + gain * (seen - cost)),
            motion: LogMotion(motion_before.0 + motion_gain * (motion.0 - motion_before.0)),
            learned: learned.saturating_add(u32::from(!is_repeated)),
            stills,
        };
        if self.layer == Layer::Leaf {
            return;
        }
        let lag = self.reference_qp - qp;
        self.reference_qp = qp + lag * if lag > 1.0 { 0.54 } else { 0.56 };
    }

    /// Learns from the size of an intra picture.
    pub(super) fn learn_intra(&mut self, bits: f32, qp: f32) {
        let missed = log2(bits) - log2(self.intra_bits(qp));
        self.intra_bias = (self.intra_bias + 0.5 * missed).clamp(-1.5, 1.5);
        self.intra_cost += missed;
        self.seen[Layer::Leaf as usize].learned = 0;
        if self.layer == Layer::Base {
            self.reference_qp = qp;
            self.seen[Layer::Base as usize].learned = 0;
        }
    }

    /// The bits that a picture at `qp` takes beyond its own changes, for the detail that its coarser reference left
    /// out. A first step is mostly lost in the rounding, and the second pays for both.
    fn refinement_bits(&self, qp: f32) -> f32 {
        let lag = (self.reference_qp - qp).max(0.0);
        let steps = if lag > 1.0 { 0.7 + 1.1 * (lag - 1.0) } else { 0.7 * lag };
        (self.refinement * steps).min(1.0) * self.intra_bits(qp)
    }

    /// The share of its bits that a picture at `qp` still takes when its reference is finer than the picture.
    fn relief(&self, qp: f32) -> f32 {
        (FINER_REFERENCE * (self.reference_qp - qp).min(0.0)).max(-1.0).exp2()
    }
}

fn log2(value: f32) -> f32 {
    value.max(1e-6).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        let mut scene = Scene::new(FrameSize::new(640, 360).unwrap());
        scene.look(3.0);
        scene.learn_intra(scene.intra_bits(28.0), 28.0);
        scene
    }

    #[test]
    fn an_intra_picture_costs_what_it_is_asked_to() {
        let scene = scene();
        for bits in [20_000.0, 200_000.0] {
            let there_and_back = scene.intra_bits(scene.intra_qp(bits));
            assert!((there_and_back / bits - 1.0).abs() < 1e-3, "{there_and_back} for {bits}");
        }
    }

    #[test]
    fn what_was_seen_is_expected_again() {
        let mut scene = scene();
        assert!(scene.steady_bits(LogMotion::new(2.0), 28.0).is_none());
        for _ in 0..20 {
            scene.learn(30_000.0, LogMotion::new(2.0), 28.0);
        }
        let expected = scene.steady_bits(LogMotion::new(2.0), 28.0).unwrap();
        assert!((expected / 30_000.0 - 1.0).abs() < 0.01, "{expected}");
        assert!(scene.steady_bits(LogMotion::new(4.0), 28.0).unwrap() > 1.4 * expected);
        assert!(scene.steady_bits(LogMotion::new(2.0), 32.0).unwrap() < 0.6 * expected);
    }

    #[test]
    fn a_step_down_costs_more_than_its_steady_state_and_a_step_up_less() {
        let mut scene = scene();
        for _ in 0..20 {
            scene.learn(30_000.0, LogMotion::new(2.0), 28.0);
        }
        for (qp, is_more) in [(26.0, true), (30.0, false)] {
            let steady = scene.steady_bits(LogMotion::new(2.0), qp).unwrap();
            assert_eq!(scene.bits(steady, qp) > steady, is_more, "{qp}");
        }
    }

    #[test]
    fn a_repeated_picture_teaches_little() {
        let mut scene = scene();
        for _ in 0..20 {
            scene.learn(30_000.0, LogMotion::new(2.0), 28.0);
        }
        let before = scene.steady_bits(LogMotion::new(2.0), 28.0).unwrap();
        scene.learn(800.0, LogMotion::new(0.0), 28.0);
        let after = scene.steady_bits(LogMotion::new(2.0), 28.0).unwrap();
        assert!((after / before - 1.0).abs() < 0.25, "{before} became {after}");
    }

    #[test]
    fn what_follows_a_repeated_picture_is_no_cut_until_the_scene_stands_still() {
        let mut scene = scene();
        for _ in 0..20 {
            scene.learn(30_000.0, LogMotion::new(2.0), 28.0);
        }
        for _ in 0..MOST_REPEATS {
            scene.learn(800.0, LogMotion::new(0.0), 28.0);
            assert!(!scene.is_cut(LogMotion::new(5.0)));
        }
        for _ in 0..MOST_REPEATS {
            scene.learn(800.0, LogMotion::new(0.0), 28.0);
        }
        assert!(scene.is_cut(LogMotion::new(5.0)));
    }

    #[test]
    fn each_layer_is_known_by_itself_and_the_leaf_leaves_no_trace_in_the_reference() {
        let mut scene = scene();
        for _ in 0..20 {
            for (layer, bits) in [(Layer::Base, 30_000.0), (Layer::Leaf, 15_000.0)] {
                scene.enter(layer);
                scene.learn(bits, LogMotion::new(2.0), 28.0);
            }
        }
        for (layer, bits) in [(Layer::Base, 30_000.0), (Layer::Leaf, 15_000.0)] {
            scene.enter(layer);
            let expected = scene.steady_bits(LogMotion::new(2.0), 28.0).unwrap();
            assert!((expected / bits - 1.0).abs() < 0.02, "{layer:?}: {expected}");
        }
        let before = scene.reference_qp;
        scene.learn(15_000.0, LogMotion::new(2.0), 20.0);
        scene.learn_intra(90_000.0, 20.0);
        assert_eq!(scene.reference_qp, before);
    }

    #[test]
    fn a_cut_is_a_jump_in_motion_and_not_the_start() {
        let mut scene = scene();
        assert!(!scene.is_cut(LogMotion::new(60.0)));
        for _ in 0..5 {
            scene.learn(30_000.0, LogMotion::new(3.0), 28.0);
        }
        assert!(scene.is_cut(LogMotion::new(60.0)) && !scene.is_cut(LogMotion::new(6.0)));
    }
}
