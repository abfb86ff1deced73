//! Collects the changes of backend in mid-stream for the summary.

use direct264::{Event, EventKind};

/// The most changes that the summary lists one by one.
const MOST_TOLD: usize = 8;

/// The changes so far.
#[derive(Debug, Default)]
pub(super) struct Switches {
    told: Vec<String>,
    more: u64,
}

impl Switches {
    /// Adds an event if it is a change of backend.
    pub(super) fn add(&mut self, event: &Event) {
        let (frame, backend) = (event.frame_id.0, event.backend);
        let words = match &event.kind {
            EventKind::FellBack { to, reason, detail, .. } => {
                format!("from frame {frame} on {to} encoded: {} ({detail})", reason.sentence())
            }
            EventKind::Restored { .. } => format!("from frame {frame} on {backend} encoded again"),
            _ => return,
        };
        if self.told.len() < MOST_TOLD { self.told.push(words) } else { self.more += 1 }
    }

    /// Returns one line for each change, and one for the changes beyond the limit.
    pub(super) fn lines(self) -> impl Iterator<Item = String> {
        let more = (self.more > 0).then(|| format!("the backend changed {} times more", self.more));
        self.told.into_iter().chain(more)
    }
}
