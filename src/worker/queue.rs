//! The queue of frames, of which the newest win, and of changes, of which none is lost.

use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroU32;
use std::time::Instant;

use crate::config::SettingsChange;
use crate::picture::Picture;

/// The changes to make before a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Changes {
    pub(super) settings: SettingsChange,
    /// Whether the next frame is to be an IDR.
    pub(super) wants_idr: bool,
    /// The length of the intra refresh that is to begin with the next frame.
    pub(super) wants_refresh: Option<NonZeroU32>,
}

impl Changes {
    /// Returns these changes made after earlier ones.
    fn after(self, earlier: Self) -> Self {
        Self {
            settings: self.settings.after(earlier.settings),
            wants_idr: self.wants_idr || earlier.wants_idr,
            wants_refresh: self.wants_refresh.or(earlier.wants_refresh),
        }
    }
}

#[derive(Debug)]
pub(super) struct Waiting<F> {
    pub(super) frame: F,
    pub(super) submitted: Instant,
    before: Changes,
}

#[derive(Debug)]
pub(super) struct FrameQueue<F> {
    waiting: VecDeque<Waiting<F>>,
    depth: usize,
    /// The changes since the newest frame.
    since: Changes,
}

impl<F> FrameQueue<F> {
    pub(super) fn new(depth: usize) -> Self {
        Self { waiting: VecDeque::with_capacity(depth), depth, since: Changes::default() }
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Changes)) {
        change(&mut self.since);
    }

    /// Adds a frame and returns the one that it replaces, whose changes pass to the next frame.
    pub(super) fn push(&mut self, frame: F, picture: Picture, submitted: Instant) -> Option<F> {
        let mut before = mem::take(&mut self.since);
        match picture {
            Picture::Auto => {}
            Picture::Idr => before.wants_idr = true,
            Picture::IntraRefresh { frames } => before.wants_refresh = Some(frames),
        }
        let replaced = if self.waiting.len() < self.depth { None } else { self.waiting.pop_front() };
        let replaced = replaced.map(|oldest| {
            let heir = self.waiting.front_mut().map_or(&mut before, |next| &mut next.before);
            *heir = heir.after(oldest.before);
            oldest.frame
        });
        self.waiting.push_back(Waiting { frame, submitted, before });
        replaced
    }

    /// Takes the oldest frame and the changes before it, or the changes that no frame follows yet.
    pub(super) fn pop(&mut self) -> Option<(Changes, Option<Waiting<F>>)> {
        match self.waiting.pop_front() {
            Some(oldest) => Some((oldest.before, Some(oldest))),
            None if self.since != Changes::default() => Some((mem::take(&mut self.since), None)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bitrate, FrameSize, QpRange};
    use proptest::prelude::*;

    fn kbps(kbps: u32) -> Bitrate {
        Bitrate::from_kbps(u64::from(kbps)).unwrap()
    }

    fn pop(queue: &mut FrameQueue<u32>) -> Option<(Changes, Option<u32>)> {
        queue.pop().map(|(changes, waiting)| (changes, waiting.map(|waiting| waiting.frame)))
    }

    #[test]
    fn a_frame_that_is_replaced_leaves_its_changes_to_the_next() {
        let now = Instant::now();
        let mut queue = FrameQueue::new(1);
        queue.change(|changes| {
            (changes.settings.bitrate, changes.settings.size) = (Some(kbps(100)), FrameSize::new(64, 64).ok())
        });
        assert_eq!(queue.push(0, Picture::Idr, now), None);
        queue.change(|changes| changes.settings.bitrate = Some(kbps(200)));
        assert_eq!(queue.push(1, Picture::Auto, now), Some(0));
        queue.change(|changes| changes.settings.bitrate = Some(kbps(300)));
        let size = FrameSize::new(64, 64).ok();
        let expected = Changes {
            settings: SettingsChange { bitrate: Some(kbps(200)), size, ..SettingsChange::new() },
            wants_idr: true,
            wants_refresh: None,
        };
        assert_eq!(pop(&mut queue), Some((expected, Some(1))));
        let rest = Changes { settings: SettingsChange::new().bitrate(kbps(300)), ..Changes::default() };
        assert_eq!(pop(&mut queue), Some((rest, None)));
        assert_eq!(pop(&mut queue), None);
    }

    #[derive(Debug, Clone)]
    enum Act {
        Bitrate(u32),
        Qp(u8),
        Idr,
        Push(bool),
        Pop,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (1_u32..1_000).prop_map(Act::Bitrate),
            (0_u8..52).prop_map(Act::Qp),
            Just(Act::Idr),
            any::<bool>().prop_map(Act::Push),
            any::<bool>().prop_map(Act::Push),
            Just(Act::Pop),
        ]
    }

    proptest! {
        /// Compares the queue with a list of all submissions and the wishes at each moment.
        #[test]
        fn each_frame_has_what_was_set_before_it_and_no_idr_is_lost(
            depth in 1_usize..4,
            acts in prop::collection::vec(act(), 1..200),
        ) {
            let mut queue = FrameQueue::new(depth);
            let (mut wanted, mut in_force) = ((None, None), (None, None));
            let mut submitted = Vec::new();
            let (mut idrs_wanted, mut replaced, mut popped) = (Vec::new(), Vec::new(), Vec::new());
            let (mut owed, mut made) = (false, Vec::new());
            for act in acts.into_iter().chain(vec![Act::Push(false); 2 * depth]).chain(vec![Act::Pop; 4 * depth]) {
                match act {
                    Act::Bitrate(rate) => {
                        wanted.0 = Some(kbps(rate));
                        queue.change(|changes| changes.settings.bitrate = wanted.0);
                    }
                    Act::Qp(qp) => {
                        wanted.1 = QpRange::new(0, qp).ok();
                        queue.change(|changes| changes.settings.qp_range = wanted.1);
                    }
                    Act::Idr => {
                        idrs_wanted.push(submitted.len());
                        queue.change(|changes| changes.wants_idr = true);
                    }
                    Act::Push(is_idr) => {
                        if is_idr {
                            idrs_wanted.push(submitted.len());
                        }
                        let picture = if is_idr { Picture::Idr } else { Picture::Auto };
                        replaced.extend(queue.push(submitted.len(), picture, Instant::now()));
                        submitted.push(wanted);
                    }
                    Act::Pop => if let Some((changes, waiting)) = queue.pop() {
                        in_force = (changes.settings.bitrate.or(in_force.0), changes.settings.qp_range.or(in_force.1));
                        owed |= changes.wants_idr;
                        if let Some(Waiting { frame, .. }) = waiting {
                            prop_assert_eq!(in_force, submitted[frame]);
                            popped.push(frame);
                            if mem::take(&mut owed) {
                                made.push(frame);
                            }
                        }
                    },
                }
            }
            // Each frame came out or was replaced, none twice, both in order.
            prop_assert!(popped.is_sorted() && replaced.is_sorted());
            let mut all = [popped.clone(), replaced].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..submitted.len()).collect::<Vec<_>>());
            // Each request for an IDR made the first frame that was encoded afterwards an IDR.
            for wanted in idrs_wanted {
                let first = popped.iter().copied().find(|&frame| frame >= wanted);
                prop_assert!(first.is_none_or(|first| made.contains(&first)), "{wanted}: {made:?}");
            }
        }
    }
}
