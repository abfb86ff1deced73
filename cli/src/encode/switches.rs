//! Changes of backend in mid-stream, in words for the end.

use direct264::{Event, EventKind};

/// Changes that are told one by one; a stream with more has a problem that these show.
const MOST_TOLD: usize = 8;

/// The changes so far.
#[derive(Debug, Default)]
pub(super) struct Switches {
    told: Vec<String>,
    more: u64,
}

impl Switches {
    /// Notes an event, if it is a change of backend.
    pub(super) fn add(&mut self, event: &Event) {
        let (frame, backend) = (event.frame, event.backend);
        let words = match &event.kind {
            EventKind::FellBack { to, reason, detail, .. } => {
                format!("from frame {frame} on {to} encoded: {} ({detail})", reason.sentence())
            }
            EventKind::Restored { .. } => format!("from frame {frame} on {backend} encoded again"),
            _ => return,
        };
        if self.told.len() < MOST_TOLD { self.told.push(words) } else { self.more += 1 }
    }

    /// One line for each, and one for those beyond.
    pub(super) fn lines(self) -> impl Iterator<Item = String> {
        let more = (self.more > 0).then(|| format!("the backend changed {} times more", self.more));
        self.told.into_iter().chain(more)
    }
}
