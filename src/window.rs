//! A window over the picture sizes of the last second, which tells whether the bitrate is met.

use crate::event::EventKind;
use crate::units::{Bitrate, FrameRate};

/// The target counts as unmet when the last second is more than this many times the target.
const UNMET_AT: f64 = 1.1;

/// A ring of picture sizes. Pictures before the first one count as on target.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: Vec<u32>,
    /// The place of the oldest size, which the next one replaces.
    next: usize,
    sum: u64,
    /// Pictures seen since the target was set.
    seen: usize,
    target: Bitrate,
    /// Bytes of one second on target.
    target_bytes: u64,
    frame_rate: FrameRate,
    /// Whether the target was unmet at the last picture, so that it is told once.
    is_unmet: bool,
}

impl Window {
    pub(crate) fn new(frame_rate: FrameRate, target: Bitrate) -> Self {
        let pictures = (frame_rate.as_f64().round() as usize).max(1);
        let picture = f64::from(target.bps()) / 8.0 / frame_rate.as_f64();
        let bytes = vec![picture.round() as u32; pictures];
        let sum = bytes.iter().map(|&bytes| u64::from(bytes)).sum();
        let target_bytes = (picture * pictures as f64).round() as u64;
        Self { bytes, next: 0, sum, seen: 0, target, target_bytes, frame_rate, is_unmet: false }
    }

    /// Changes the target. A lower target scales the sizes of the last second down, so that a second within the old
    /// target is within the new one. A higher target leaves the sizes as they are.
    pub(crate) fn retarget(&mut self, target: Bitrate) {
        let ratio = f64::from(target.bps()) / f64::from(self.target.bps());
        let target_bytes = (self.target_bytes as f64 * ratio).round() as u64;
        (self.target, self.target_bytes) = (target, target_bytes);
        if ratio >= 1.0 {
            return;
        }
        for bytes in &mut self.bytes {
            *bytes = (f64::from(*bytes) * ratio).round() as u32;
        }
        self.sum = self.bytes.iter().map(|&bytes| u64::from(bytes)).sum();
    }

    /// The bits that the next picture may have before the last second exceeds `times` the target.
    #[cfg(openh264)]
    pub(crate) fn room_bits(&self, times: f32) -> f32 {
        let without_oldest = self.sum - u64::from(self.bytes[self.next]);
        (self.target_bytes as f32 * times - without_oldest as f32).max(0.0) * 8.0
    }

    /// The excess of the last second over the target, as a share of the target; negative when below.
    #[cfg(openh264)]
    pub(crate) fn excess(&self) -> f32 {
        self.sum as f32 / self.target_bytes.max(1) as f32 - 1.0
    }

    pub(crate) fn push(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let oldest = std::mem::replace(&mut self.bytes[self.next], bytes);
        self.sum = self.sum + u64::from(bytes) - u64::from(oldest);
        self.next = (self.next + 1) % self.bytes.len();
        self.seen = self.seen.saturating_add(1);
    }

    /// Returns the event `rate_unmet` the first time that the last second is too far over the target although the
    /// quantiser is at its coarsest.
    pub(crate) fn newly_unmet(&mut self, is_coarsest: bool) -> Option<EventKind> {
        if self.seen < self.bytes.len() {
            return None;
        }
        let bps = self.sum as f64 * 8.0 * self.frame_rate.as_f64() / self.bytes.len() as f64;
        let is_over = bps > f64::from(self.target.bps()) * UNMET_AT;
        let was_unmet = self.is_unmet;
        self.is_unmet = is_over && (is_coarsest || was_unmet);
        let unmet = EventKind::RateUnmet { target: self.target, reached_bps: bps as u64 };
        (self.is_unmet && !was_unmet).then_some(unmet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        // 1000 bytes a picture.
        Window::new(FrameRate::hz(10).unwrap(), Bitrate::from_kbps(80).unwrap())
    }

    #[cfg(openh264)]
    #[test]
    fn room_is_what_the_last_second_leaves() {
        let mut window = window();
        assert_eq!(window.room_bits(1.08), 1_800.0 * 8.0);
        window.push(1_500);
        assert_eq!(window.room_bits(1.08), 1_300.0 * 8.0);
        (0..9).for_each(|_| window.push(1_200));
        assert_eq!(window.room_bits(1.08), 0.0);
    }

    #[test]
    fn an_unmet_target_is_told_once_and_again_after_it_was_met() {
        let mut window = window();
        let told: Vec<_> = (0..40)
            .filter(|number| {
                window.push(if (20..35).contains(number) { 900 } else { 1_500 });
                window.newly_unmet(true).is_some()
            })
            .collect();
        assert_eq!(told, [9, 38]);
    }

    #[test]
    fn a_target_missed_at_a_finer_quantiser_is_not_unmet() {
        let mut window = window();
        for _ in 0..30 {
            window.push(1_500);
            assert_eq!(window.newly_unmet(false), None);
        }
    }
}
