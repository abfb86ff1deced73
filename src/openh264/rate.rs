//! Rate control: one quantiser for each picture, no picture skipped.
//!
//! The library's own control brakes by dropping frames, and with two slices it lets sizes swing by a factor of
//! eight. Ours predicts what a picture will cost, from how much it differs from the one before and from what the
//! last ones cost, and chooses the quantiser that makes it fit. What a picture took too much or too little is a debt
//! that the next ones pay off within about a third of a second.
//!
//! The model, in log2 of bits: a P picture costs `pixels * scene * motion^0.65` and halves every 5.5 quantisers; a
//! picture predicted from itself costs `pixels * texture / 5` at quantiser 24 and halves every 8. The exponents were
//! fitted on natural clips from 176x144 to 1920x1080; `scene` is learned from picture to picture.

use crate::convert::Planes;
use crate::event::EventKind;
use crate::units::{Bitrate, FrameRate, FrameSize, QpRange};

use super::activity::{Activity, texture};

/// What the next picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureKind {
    Idr,
    P,
}

/// Doublings of the cost of a P picture a doubling of motion, and a step of the quantiser down.
const MOTION_EXPONENT: f32 = 0.65;
const INTER_SLOPE: f32 = 0.18;
/// Motion below this many levels is noise to the model.
const MOTION_FLOOR: f32 = 0.05;
/// Doublings of the cost of an intra picture a step of the quantiser down, and log2 of its bits a pixel for a
/// texture of 1 at quantiser 24.
const INTRA_SLOPE: f32 = 0.125;
const INTRA_LOG_COST: f32 = -2.32;
/// The quantiser that the costs above hold at.
const MODEL_QP: f32 = 24.0;
/// An IDR or a cut may take so many times the bits of a mean picture, but no more than this share of a second.
const INTRA_BUDGET_PICTURES: f32 = 4.0;
const INTRA_BUDGET_SECONDS: f32 = 0.2;
/// What one step finer than the reference adds to a picture, as a share of an intra picture, before it is learned.
const FIRST_REFINEMENT: f32 = 0.06;
/// Doublings that a picture is cheaper for each step that its reference is finer than itself.
const FINER_REFERENCE: f32 = 0.2;
/// Motion that differs by so many doublings from that of late is a cut or a repeated picture.
const ODD_MOTION: f32 = 1.5;
/// A cut has at least this motion: log2 of 4 levels.
const CUT_LOG_MOTION: f32 = 2.0;
/// Steps of the quantiser up from one picture to the next, but for a cut.
const MOST_STEPS_UP: f32 = 4.0;
/// Debt is paid off over this many seconds.
const PAYBACK_SECONDS: f32 = 0.4;

#[derive(Debug)]
pub(super) struct RateControl {
    size: FrameSize,
    frame_rate: FrameRate,
    bitrate: Bitrate,
    qp_range: QpRange,
    activity: Activity,
    qp: u8,
    scene: Scene,
    /// Bits spent beyond the target, or below it where negative.
    debt_bits: f32,
    /// How the picture at hand was predicted.
    plan: Plan,
    window: Window,
}

/// What is known of the pictures since the last cut.
#[derive(Debug)]
struct Scene {
    /// log2 of what a P picture costs in bits a pixel, at a motion of 1 and `MODEL_QP`, once one was seen.
    cost: Option<f32>,
    /// log2 of the motion, of late.
    log_motion: f32,
    /// log2 of what an intra picture costs in bits, at `MODEL_QP`.
    intra_cost: f32,
    /// What intra pictures took beyond the model, in doublings.
    intra_bias: f32,
    /// The quantiser whose detail the reference has: behind `qp` for a few pictures after a step down.
    reference_qp: f32,
    /// What one step finer than the reference adds to a picture, as a share of an intra picture.
    refinement: f32,
    /// How many P pictures this was learned from.
    learned: u32,
}

impl Scene {
    /// What a picture at `qp` takes beyond its own changes: the detail that its coarser reference left out. A first
    /// step is mostly lost in the rounding, and the second pays for both.
    fn refinement_bits(&self, qp: f32) -> f32 {
        let lag = (self.reference_qp - qp).max(0.0);
        let steps = if lag > 1.0 { 0.7 + 1.3 * (lag - 1.0) } else { 0.7 * lag };
        self.refinement * steps * (self.intra_cost - INTRA_SLOPE * (qp - MODEL_QP)).exp2()
    }
}

/// How a picture's cost was predicted, to learn from when it is known.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// From the picture before; log2 of its motion.
    Inter { log_motion: f32 },
    /// From itself; log2 of the bits predicted.
    Intra { log_bits: f32 },
}

impl RateControl {
    pub(super) fn new(size: FrameSize, frame_rate: FrameRate, bitrate: Bitrate, qp_range: QpRange) -> Self {
        let qp = 26u8.clamp(qp_range.min(), qp_range.max());
        Self {
            size,
            frame_rate,
            bitrate,
            qp_range,
            activity: Activity::default(),
            qp,
            scene: Scene {
                cost: None,
                log_motion: 0.0,
                intra_cost: 0.0,
                intra_bias: 0.0,
                reference_qp: 0.0,
                refinement: FIRST_REFINEMENT,
                learned: 0,
            },
            debt_bits: 0.0,
            plan: Plan::Intra { log_bits: 0.0 },
            window: Window::new(frame_rate, bitrate),
        }
    }

    /// The quantiser of the last picture planned.
    pub(super) const fn qp(&self) -> u8 {
        self.qp
    }

    /// Changes the target from the next picture on.
    pub(super) fn set_target(&mut self, frame_rate: FrameRate, bitrate: Bitrate) {
        // A debt is so many pictures' worth, whatever a picture is worth.
        let pictures = self.debt_bits / self.picture_bits();
        (self.frame_rate, self.bitrate) = (frame_rate, bitrate);
        self.debt_bits = pictures * self.picture_bits();
        self.window = Window::new(frame_rate, bitrate);
    }

    pub(super) fn set_qp_range(&mut self, qp_range: QpRange) {
        self.qp_range = qp_range;
    }

    /// The quantiser for the next picture.
    pub(super) fn plan(&mut self, kind: PictureKind, planes: &Planes<'_>) -> u8 {
        let motion = self.activity.motion(self.size, planes);
        let last = self.qp;
        let (wanted, plan) = match (kind, motion) {
            (PictureKind::P, Some(motion)) => {
                let log_motion = log2(motion + MOTION_FLOOR);
                if self.is_cut(log_motion) {
                    let (qp, plan) = self.plan_intra(planes);
                    (qp.max(last), plan)
                } else {
                    (self.inter_qp(log_motion), Plan::Inter { log_motion })
                }
            }
            _ => self.plan_intra(planes),
        };
        self.qp = wanted.clamp(self.qp_range.min(), self.qp_range.max());
        self.plan = plan;
        self.qp
    }

    /// Takes in what the picture planned last came to.
    pub(super) fn coded(&mut self, bytes: usize) -> Option<EventKind> {
        let bits = bytes as f32 * 8.0;
        let picture = self.picture_bits();
        // A still picture needs few bits. What it leaves is not saved up for a burst.
        self.debt_bits = (self.debt_bits + bits - picture).max(-1.5 * picture);
        match self.plan {
            Plan::Inter { log_motion } => self.learn(bits, log_motion),
            Plan::Intra { log_bits } => {
                let missed = log2(bits) - log_bits;
                self.scene.intra_bias = (self.scene.intra_bias + 0.5 * missed).clamp(-1.5, 1.5);
                self.scene.intra_cost += missed;
                if self.scene.cost.is_none() {
                    // What the first picture of a stream takes is nobody's debt: there is no rate yet to keep.
                    self.debt_bits = 0.0;
                }
                self.scene.learned = 0;
                self.scene.reference_qp = f32::from(self.qp);
            }
        }
        self.window.push(bytes);
        let is_starved = self.qp == self.qp_range.max();
        self.window
            .unmet(self.bitrate, self.frame_rate, is_starved)
            .map(|reached_bps| EventKind::RateUnmet { target: self.bitrate, reached_bps })
    }

    /// When frame `frames` would be shown at the declared rate.
    pub(super) fn milliseconds(&self, frames: u64) -> i64 {
        (frames as f64 * 1_000.0 / self.frame_rate.as_f64()) as i64
    }

    fn learn(&mut self, bits: f32, log_motion: f32) {
        let qp = f32::from(self.qp);
        let lag = self.scene.reference_qp - qp;
        let refinement = self.scene.refinement_bits(qp);
        let finer = (FINER_REFERENCE * lag.min(0.0)).max(-1.0).exp2();
        let steady = (bits - refinement).max(0.3 * bits) / finer;
        let seen =
            log2(steady / self.pixels()) - MOTION_EXPONENT * log_motion + INTER_SLOPE * (qp - MODEL_QP);
        let is_odd = (log_motion - self.scene.log_motion).abs() > ODD_MOTION;
        let gain = match self.scene.learned {
            0 => 1.0,
            _ if is_odd => 0.1,
            // The more of the picture was refinement, the less it tells of the rest.
            _ => 0.35 * (1.0 - (refinement / bits).min(0.8)) * finer,
        };
        let cost = self.scene.cost.unwrap_or(seen);
        if refinement > 0.3 * bits && self.scene.cost.is_some() && !is_odd {
            let expected = (cost + MOTION_EXPONENT * log_motion + log2(self.pixels())
                - INTER_SLOPE * (qp - MODEL_QP))
                .exp2();
            let ratio = ((bits - expected) / refinement).clamp(0.5, 2.0);
            self.scene.refinement = (self.scene.refinement * (1.0 + 0.25 * (ratio - 1.0))).clamp(0.02, 0.2);
        }
        self.scene.cost = Some(cost + gain * (seen - cost));
        self.scene.log_motion += gain.max(0.2) * (log_motion - self.scene.log_motion);
        self.scene.learned = self.scene.learned.saturating_add(1);
        self.scene.reference_qp = qp + lag * if lag > 1.0 { 0.45 } else { 0.6 };
    }

    /// Whether the picture differs from the one before by far more than of late, so that it is best predicted from
    /// itself.
    fn is_cut(&self, log_motion: f32) -> bool {
        self.scene.learned > 0
            && log_motion > self.scene.log_motion + ODD_MOTION
            && log_motion > CUT_LOG_MOTION
    }

    /// Bits for the next P picture: its share of the target, less its part of the debt.
    fn budget(&self) -> f32 {
        let picture = self.picture_bits();
        let payback_pictures = (PAYBACK_SECONDS * self.frame_rate.as_f64() as f32).max(3.0);
        // One picture's worth is let be, or the quantiser would never rest.
        let debt = self.debt_bits - self.debt_bits.clamp(-picture, picture);
        (picture - debt / payback_pictures)
            .clamp(0.75 * picture, 1.2 * picture)
            .min(self.window.room_bits())
            .max(0.3 * picture)
    }

    fn inter_qp(&self, log_motion: f32) -> u8 {
        let Some(scene_cost) = self.scene.cost else { return self.qp };
        let log_cost =
            (scene_cost + MOTION_EXPONENT * log_motion + log2(self.pixels())).min(self.scene.intra_cost);
        let steady_at = |qp: f32| (log_cost - INTER_SLOPE * (qp - MODEL_QP)).exp2();
        let whole_at = |qp: f32| {
            let finer = (FINER_REFERENCE * (self.scene.reference_qp - qp).min(0.0)).max(-1.0).exp2();
            steady_at(qp) * finer + self.scene.refinement_bits(qp)
        };
        let picture = self.picture_bits();
        let budget = self.budget();
        let last = f32::from(self.qp);
        let wanted = MODEL_QP + (log_cost - log2(budget)) / INTER_SLOPE;
        let credit = (-self.debt_bits / picture).clamp(0.0, 1.5);
        let mut limit = budget * (1.05 + 0.25 * credit);
        let room = self.window.room_bits();
        if room > 5.0 * picture {
            limit = limit.max(self.intra_budget());
        }
        let qp = if wanted > last + 0.6 {
            let mut qp = last + 1.0;
            while qp < last + MOST_STEPS_UP && whole_at(qp) > 1.06 * budget {
                qp += 1.0;
            }
            qp
        } else if wanted < last - 0.9 && whole_at(last - 1.0) < limit.min(room) {
            last - 1.0
        } else if whole_at(last) > limit * 1.1 {
            last + 1.0
        } else {
            last
        };
        qp.clamp(0.0, 51.0) as u8
    }

    fn plan_intra(&mut self, planes: &Planes<'_>) -> (u8, Plan) {
        let texture = texture(self.size, planes).max(0.1);
        self.scene.intra_cost = log2(self.pixels() * texture) + INTRA_LOG_COST + self.scene.intra_bias;
        let wanted = MODEL_QP + (self.scene.intra_cost - log2(self.intra_budget())) / INTRA_SLOPE;
        let qp = wanted.round().clamp(f32::from(self.qp_range.min()), f32::from(self.qp_range.max()));
        let log_bits = self.scene.intra_cost - INTRA_SLOPE * (qp - MODEL_QP);
        (qp as u8, Plan::Intra { log_bits })
    }

    /// Bits for an IDR or a cut.
    fn intra_budget(&self) -> f32 {
        let picture = self.picture_bits();
        (picture * INTRA_BUDGET_PICTURES).min(picture + INTRA_BUDGET_SECONDS * self.bitrate.bps() as f32)
    }

    fn picture_bits(&self) -> f32 {
        self.bitrate.bps() as f32 / self.frame_rate.as_f64() as f32
    }

    fn pixels(&self) -> f32 {
        (self.size.width() * self.size.height()) as f32
    }
}

fn log2(value: f32) -> f32 {
    value.max(1e-6).log2()
}

/// The sizes of the pictures of the last second. Those before the first count as on target.
#[derive(Debug)]
struct Window {
    bytes: Vec<u32>,
    /// Where the next size goes, and with it the oldest one.
    next: usize,
    sum: u64,
    seen: usize,
    target_bytes: u64,
    /// Whether the target was missed when last looked at, so that it is told once.
    is_unmet: bool,
}

impl Window {
    fn new(frame_rate: FrameRate, bitrate: Bitrate) -> Self {
        let pictures = (frame_rate.as_f64().round() as usize).max(1);
        let picture = f64::from(bitrate.bps()) / 8.0 / frame_rate.as_f64();
        let bytes = vec![picture as u32; pictures];
        let sum = bytes.iter().map(|&bytes| u64::from(bytes)).sum();
        Self { bytes, next: 0, sum, seen: 0, target_bytes: sum, is_unmet: false }
    }

    /// Bits that the next picture may have before the last second is 8 % over the target.
    fn room_bits(&self) -> f32 {
        let without_oldest = self.sum - u64::from(self.bytes[self.next]);
        (self.target_bytes as f32 * 1.08 - without_oldest as f32).max(0.0) * 8.0
    }

    fn push(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let oldest = std::mem::replace(&mut self.bytes[self.next], bytes);
        self.sum = self.sum + u64::from(bytes) - u64::from(oldest);
        self.next = (self.next + 1) % self.bytes.len();
        self.seen = self.seen.saturating_add(1);
    }

    /// The rate of the last second, the first time that it is more than a tenth over the target although the
    /// quantiser is at its coarsest.
    fn unmet(&mut self, target: Bitrate, frame_rate: FrameRate, is_starved: bool) -> Option<u64> {
        if self.seen < self.bytes.len() {
            return None;
        }
        let bps = self.sum as f64 * 8.0 * frame_rate.as_f64() / self.bytes.len() as f64;
        let is_over = bps > f64::from(target.bps()) * 1.1;
        let was_unmet = self.is_unmet;
        self.is_unmet = is_over && (is_starved || was_unmet);
        (self.is_unmet && !was_unmet).then_some(bps as u64)
    }
}
