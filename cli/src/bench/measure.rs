//! Runs the contenders in turn, block by block, so that other load on the machine hits all alike.

use std::time::{Duration, Instant};

use direct264::FrameRate;

use super::clip::Clip;
use super::contender::Contender;
use super::interrupt;
use crate::failure::Failure;

/// Frames of one turn: enough to warm caches and clocks, and few enough that all contenders share a busy second.
pub(crate) const BLOCK_FRAMES: usize = 30;
/// Frames at the start outside the steady state: rate control settles, and memory is touched for the first time.
pub(crate) const WARM_UP_FRAMES: usize = 10;
/// Uncounted frames at the start of a turn, while the caches hold another contender's data.
pub(crate) const SETTLE_FRAMES: usize = 2;

/// The plan of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MeasurePlan {
    pub(crate) frames: usize,
    /// The pace of the frames; back to back when `None`.
    pub(crate) pace: Option<FrameRate>,
}

impl MeasurePlan {
    /// Whether frame `frame` belongs to the steady state of one of `contenders`.
    fn is_steady(self, frame: usize, contenders: usize) -> bool {
        // A short run counts every frame, since it has no time to warm up.
        let warm_up = WARM_UP_FRAMES.min(self.frames / 3).max(1);
        let is_settled = contenders == 1 || frame % BLOCK_FRAMES >= SETTLE_FRAMES;
        frame >= warm_up && is_settled
    }

    /// Returns the turns: contender and frames. The first contender changes from block to block.
    fn turns(self, contenders: usize) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
        let blocks = self.frames.div_ceil(BLOCK_FRAMES);
        (0..blocks).flat_map(move |block| {
            let frames = block * BLOCK_FRAMES..((block + 1) * BLOCK_FRAMES).min(self.frames);
            (0..contenders).map(move |turn| ((block + turn) % contenders, frames.clone()))
        })
    }
}

/// Encodes the clip with all contenders. Calls `after_turn` between turns, outside of the measurement, with the
/// contender and the number of new frames. Returns `Ok(false)` after Ctrl-C.
///
/// # Errors
/// The encoder's error, with backend and frame.
pub(crate) fn run(
    contenders: &mut [Contender],
    clip: &Clip,
    plan: MeasurePlan,
    after_turn: &mut dyn FnMut(&Contender, usize),
) -> Result<bool, Failure> {
    let count = contenders.len();
    let interval = plan.pace.map(|pace| Duration::from_secs_f64(1.0 / pace.as_f64()));
    for (who, frames) in plan.turns(count) {
        let contender = &mut contenders[who];
        let turn = frames.len();
        let start = Instant::now();
        for (place, frame) in frames.enumerate() {
            if interrupt::came() {
                return Ok(false);
            }
            let due = interval.map(|interval| start + interval * u32::try_from(place).unwrap_or(u32::MAX));
            if let Some(due) = due {
                // The thread sleeps: spinning would keep the CPU's clocks up, as no camera does.
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            contender.encode(clip, plan.is_steady(frame, count))?;
            if let (Some(due), Some(interval)) = (due, interval) {
                contender.late += usize::from(Instant::now() > due + interval);
            }
        }
        after_turn(contender, turn);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_encodes_every_frame_once_in_order_and_the_first_turn_goes_round() {
        let plan = MeasurePlan { frames: 70, pace: None };
        let turns: Vec<_> = plan.turns(2).collect();
        let order: Vec<_> = turns.iter().map(|(who, _)| *who).collect();
        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
        for who in 0..2 {
            let frames: Vec<_> =
                turns.iter().filter(|turn| turn.0 == who).flat_map(|turn| turn.1.clone()).collect();
            assert_eq!(frames, (0..70).collect::<Vec<_>>());
        }
    }

    #[test]
    fn steady_is_what_comes_after_warm_up_and_after_a_change_of_turn() {
        let plan = MeasurePlan { frames: 70, pace: None };
        assert!(!plan.is_steady(9, 1) && plan.is_steady(10, 1) && plan.is_steady(30, 1));
        assert!(!plan.is_steady(31, 2) && plan.is_steady(32, 2));
        let short = MeasurePlan { frames: 2, pace: None };
        assert!(!short.is_steady(0, 1) && short.is_steady(1, 1));
    }
}
