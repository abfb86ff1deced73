//! Rate control of the software backend: chooses one quantiser for each picture, and skips no picture.
//!
//! openh264's own rate control brakes by dropping frames, and with two slices it lets sizes swing by a factor of
//! eight. This one predicts the cost of a picture from its difference to the picture before ([`activity`]) and from
//! the cost of the last pictures ([`scene`]), and chooses the quantiser that makes the picture fit. Bits above or
//! below a picture's share are a debt that the next pictures pay off within about half a second. The last second
//! ([`Window`]) has the last word.

mod activity;
mod kind;
mod layers;
mod scene;

use crate::event::EventKind;
use crate::openh264::planar::Planes;
use crate::units::{Bitrate, FrameRate, FrameSize, QpRange};
use crate::window::Window;

use activity::Activity;
pub(super) use kind::PictureKind;
use layers::Shares;
use scene::{Layer, LogMotion, Scene};

/// An IDR or a cut may take this many times the bits of a mean picture, but no more than a mean picture and this share
/// of a second; and at least this share of a mean picture.
const INTRA_BUDGET_PICTURES: f32 = 4.0;
const INTRA_BUDGET_SECONDS: f32 = 0.2;
const INTRA_BUDGET_LEAST: f32 = 0.8;
/// A picture is held back when the last second is more than this many times the target: first for a P picture, then
/// for an IDR or a cut.
const HELD_BACK_AT: f32 = 1.08;
const HELD_BACK_WITH_INTRA_AT: f32 = 1.2;
/// The excess of the last second from which the brake overrules the model. The brake also acts after a picture of
/// this many times its share, by at most this many steps.
const BRAKE_AT: f32 = 0.12;
const BRAKE_AT_PICTURES: f32 = 2.0;
const MOST_STEPS_BRAKED: f32 = 8.0;
/// The seconds' worth of an IDR or a cut that is forgiven when the one before is a second away.
const FORGIVEN_SECONDS: f32 = 0.08;
/// The share below the target from which the last second counts as still, so that a picture that is sharpened may be
/// large.
const QUIET_AT: f32 = -0.25;
/// A debt or credit of less than the first, in seconds' worth, is left alone, or the quantiser would never rest. The
/// rest is paid off over the second, in seconds. No more credit or debt than the last two is kept, so that a still
/// picture saves up for no burst and a starved stream recovers.
const LEFT_ALONE_SECONDS: f32 = 0.035;
const PAYBACK_SECONDS: f32 = 0.55;
const MOST_CREDIT_SECONDS: f32 = 0.06;
const MOST_DEBT_SECONDS: f32 = 0.5;
/// The quantiser goes up when the picture wants it coarser by more than the first, and down when finer by more than the
/// second, in steps. A step is a fifth of the bits or more, and is not taken for less.
const STEP_UP_AT: f32 = 0.8;
const STEP_DOWN_AT: f32 = 1.1;
/// When the last second is off the target by more than the first, as a share, the quantiser moves this many steps
/// sooner for each share more, up to as much again.
const PATIENT_WITHIN: f32 = 0.04;
const IMPATIENCE: f32 = 15.0;
/// The shares more that the next pictures may have for each share that the last second is below.
const CATCH_UP: f32 = 2.0;
/// The most steps of the quantiser from one picture to the next, up and down, except for a cut and a new target.
const MOST_STEPS_UP: f32 = 4.0;
const MOST_STEPS_DOWN: f32 = 4.0;
/// Steps of the quantiser up for a picture that was too large to be held: a quarter of its bits.
const COARSER_BY: u8 = 16;
/// A picture after a step down may have the first share of its budget, and the second more with full credit.
const STEP_DOWN_BUDGET: f32 = 1.1;
const STEP_DOWN_CREDIT: f32 = 0.2;

#[derive(Debug)]
pub(super) struct RateControl {
    size: FrameSize,
    frame_rate: FrameRate,
    bitrate: Bitrate,
    qp_range: QpRange,
    activity: Activity,
    scene: Scene,
    window: Window,
    /// The quantiser of the picture planned last.
    qp: u8,
    /// The motion of the picture planned last; `None` for an intra picture.
    motion: Option<LogMotion>,
    shares: Shares,
    /// The share of the picture planned last, relative to a mean picture, in the long run.
    share: f32,
    /// The bits spent beyond the target; negative below it.
    debt_bits: f32,
    /// Whether the next picture is the first one of a new target, and the first one of all.
    is_new_target: bool,
    is_first: bool,
    /// The bits of the last picture, scaled to the share of a mean picture; 0 unless it was a P picture.
    last_bits: f32,
    /// The number of pictures since the last intra picture.
    since_intra: u32,
}

impl RateControl {
    pub(super) fn new(size: FrameSize, frame_rate: FrameRate, bitrate: Bitrate, qp_range: QpRange) -> Self {
        Self {
            size,
            frame_rate,
            bitrate,
            qp_range,
            activity: Activity::default(),
            scene: Scene::new(size),
            window: Window::new(frame_rate, bitrate),
            qp: 26u8.clamp(qp_range.min(), qp_range.max()),
            motion: None,
            shares: Shares::default(),
            share: 1.0,
            debt_bits: 0.0,
            is_new_target: false,
            is_first: true,
            last_bits: 0.0,
            since_intra: 0,
        }
    }

    /// The quantiser of the picture planned last.
    pub(super) const fn qp(&self) -> u8 {
        self.qp
    }

    /// Changes the target from the next picture on.
    pub(super) fn set_target(&mut self, frame_rate: FrameRate, bitrate: Bitrate) {
        // A debt keeps its worth in seconds when the rate falls, and its bits when the rate rises.
        let scaled = self.debt_bits / self.bps() * bitrate.bps() as f32;
        self.debt_bits = scaled.min(self.debt_bits.max(0.0));
        if frame_rate == self.frame_rate {
            self.window.retarget(bitrate);
        } else {
            self.window = Window::new(frame_rate, bitrate);
        }
        (self.frame_rate, self.bitrate) = (frame_rate, bitrate);
        self.is_new_target = true;
    }

    pub(super) fn set_qp_range(&mut self, qp_range: QpRange) {
        self.qp_range = qp_range;
    }

    /// The time at which frame `frames` is shown at the declared rate, in milliseconds.
    pub(super) fn milliseconds(&self, frames: u64) -> i64 {
        (frames as f64 * 1_000.0 / self.frame_rate.as_f64()) as i64
    }

    /// Plans the next picture and returns its quantiser.
    pub(super) fn plan(&mut self, kind: PictureKind, planes: &Planes<'_>) -> u8 {
        let layer = kind.layer();
        self.scene.enter(layer);
        self.share = self.shares.of(kind);
        let motion = self.activity.motion(self.size, planes, layer == Layer::Base).map(LogMotion::new);
        self.motion = motion.filter(|&motion| kind != PictureKind::Idr && !self.scene.is_cut(motion));
        self.scene.look(self.activity.texture(self.size, planes));
        let wanted = match self.motion {
            Some(motion) => self.inter_qp(motion).max(self.brake()),
            None => {
                let qp = self.scene.intra_qp(self.intra_budget()).round();
                // A cut in a busy second is no reason to be finer than before it.
                if kind == PictureKind::Idr { qp } else { qp.max(f32::from(self.qp)) }
            }
        };
        self.qp = (wanted.clamp(0.0, 51.0) as u8).clamp(self.qp_range.min(), self.qp_range.max());
        self.qp
    }

    /// Returns a quantiser at which the picture planned last has a quarter of the bits, for a picture that is too
    /// large for any buffer; `None` when the picture is at the coarsest already.
    pub(super) fn coarser(&mut self) -> Option<u8> {
        let coarser = (self.qp + COARSER_BY).min(QpRange::MAX_QP);
        self.motion = None;
        (coarser > std::mem::replace(&mut self.qp, coarser)).then_some(coarser)
    }

    /// Takes in the size of the picture planned last. Returns an event when the target turns out not to be met.
    pub(super) fn coded(&mut self, bytes: usize) -> Option<EventKind> {
        let (bits, qp) = (bytes as f32 * 8.0, f32::from(self.qp));
        self.debt_bits += bits - self.share_bits();
        self.shares.coded(bits, qp, self.motion);
        match self.motion {
            Some(motion) => self.scene.learn(bits, motion, qp),
            None => {
                self.scene.learn_intra(bits, qp);
                if self.since_intra >= self.frame_rate.as_f64() as u32 {
                    self.debt_bits -= (bits - self.picture_bits()).clamp(0.0, FORGIVEN_SECONDS * self.bps());
                }
                self.since_intra = 0;
            }
        }
        self.since_intra = self.since_intra.saturating_add(1);
        // The first picture of a stream leaves no debt: there is no rate yet to keep.
        if std::mem::replace(&mut self.is_first, false) {
            self.debt_bits = 0.0;
        }
        self.is_new_target = false;
        // An IDR or a cut is large on purpose.
        self.last_bits = if self.motion.is_some() { bits / self.share } else { 0.0 };
        self.debt_bits =
            self.debt_bits.clamp(-MOST_CREDIT_SECONDS * self.bps(), MOST_DEBT_SECONDS * self.bps());
        self.window.push(bytes);
        self.window.newly_unmet(self.qp >= self.qp_range.max())
    }

    fn inter_qp(&self, motion: LogMotion) -> f32 {
        let last = f32::from(self.qp);
        let Some(steady) = self.scene.steady_bits(motion, last) else { return last };
        let bits_at = |qp: f32| {
            let steady = self.scene.steady_bits(motion, qp).unwrap_or(steady);
            self.scene.bits(steady, qp)
        };
        let budget = self.budget();
        let steps = Scene::steps(steady, budget);
        let room = self.window.room_bits(HELD_BACK_AT);
        let off_target = self.window.excess();
        let impatience = IMPATIENCE * (off_target.abs() - PATIENT_WITHIN).clamp(0.0, PATIENT_WITHIN);
        let (too_much, too_little) = if off_target > 0.0 { (impatience, 0.0) } else { (0.0, impatience) };
        if steps < too_little - STEP_DOWN_AT {
            // A finer picture also pays for the detail that its coarser reference left out: no further than there is
            // room.
            let room = self.step_down_budget(budget, room);
            let most = if self.is_new_target { -steps } else { (-steps).min(MOST_STEPS_DOWN) };
            let most = most.floor().max(1.0);
            let mut qp = last;
            while qp > last - most && bits_at(qp - 1.0) < room {
                qp -= 1.0;
            }
            return qp;
        }
        if motion.is_still() && bits_at(last) < room {
            // Nothing new to code, so a coarser quantiser would save nothing.
            return last;
        }
        if steps > STEP_UP_AT - too_much {
            let most = if self.is_new_target { 51.0 } else { last + MOST_STEPS_UP };
            let mut qp = last + 1.0;
            while qp < most && bits_at(qp) > budget {
                qp += 1.0;
            }
            return qp;
        }
        // The picture still pays for the last step down, and too much.
        if bits_at(last) > 1.1 * self.step_down_budget(budget, room) { last + 1.0 } else { last }
    }

    /// The least quantiser of a P picture, whatever the model says. It rises when the last second is far over the
    /// target and the last picture was no help, or when the last picture was far too large.
    fn brake(&self) -> f32 {
        let (last, picture) = (self.last_bits, self.picture_bits());
        if (self.window.excess() > BRAKE_AT && last > picture) || last > BRAKE_AT_PICTURES * picture {
            f32::from(self.qp) + (0.5 * Scene::steps(last, picture)).clamp(1.0, MOST_STEPS_BRAKED).round()
        } else {
            0.0
        }
    }

    /// The bits for the next P picture: its share of the target, less its part of the debt.
    fn budget(&self) -> f32 {
        let picture = self.share_bits();
        let little = LEFT_ALONE_SECONDS * self.bps();
        let debt = self.debt_bits - self.debt_bits.clamp(-little, little);
        let payback_pictures = (PAYBACK_SECONDS * self.frame_rate.as_f64() as f32).max(3.0);
        let behind = (-self.window.excess() - PATIENT_WITHIN).max(0.0);
        (picture * (1.0 + CATCH_UP * behind) - debt / payback_pictures)
            .clamp(0.75 * picture, 1.2 * picture)
            .min(self.window.room_bits(HELD_BACK_AT))
            .max(0.3 * picture)
    }

    /// The bits that a picture may have when it is finer than its reference. The last second leaves `room`.
    fn step_down_budget(&self, budget: f32, room: f32) -> f32 {
        let credit = (-self.debt_bits / (MOST_CREDIT_SECONDS * self.bps())).max(0.0);
        let budget = budget * (STEP_DOWN_BUDGET + STEP_DOWN_CREDIT * credit);
        // After a still second there is room for a burst, and a picture to sharpen.
        let is_quiet = self.window.excess() < QUIET_AT;
        if is_quiet { budget.max(self.intra_budget()).min(room) } else { budget.min(room) }
    }

    /// The bits for an IDR or a cut, fewer after another one a moment before.
    fn intra_budget(&self) -> f32 {
        let picture = self.picture_bits();
        let most = (picture * INTRA_BUDGET_PICTURES).min(picture + INTRA_BUDGET_SECONDS * self.bps());
        (most - self.debt_bits.max(0.0))
            .min(self.window.room_bits(HELD_BACK_WITH_INTRA_AT))
            .max(INTRA_BUDGET_LEAST * picture)
    }

    /// The bits of the target that belong to the picture planned last.
    fn share_bits(&self) -> f32 {
        self.share * self.picture_bits()
    }

    fn picture_bits(&self) -> f32 {
        self.bps() / self.frame_rate.as_f64() as f32
    }

    fn bps(&self) -> f32 {
        self.bitrate.bps() as f32
    }
}
