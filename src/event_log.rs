//! Events kept for a caller who may never take them.

use crate::event::Event;

/// So many are kept; the oldest go first.
const MOST: usize = 256;

/// The last [`MOST`] events.
#[derive(Debug, Default)]
pub(crate) struct EventLog(Vec<Event>);

impl EventLog {
    pub(crate) fn push(&mut self, event: Event) {
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(event);
    }

    /// All of them, oldest first; they are not kept any longer.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Backend;
    use crate::event::EventKind;

    #[test]
    fn the_last_events_are_kept_and_taken_once() {
        let mut log = EventLog::default();
        (0..300).for_each(|frame| log.push(Event::new(frame, Backend::Nvenc, EventKind::IdrRequested)));
        let frames: Vec<u64> = log.take().iter().map(|event| event.frame).collect();
        assert_eq!(frames, (44..300).collect::<Vec<_>>());
        assert!(log.take().is_empty());
    }
}
