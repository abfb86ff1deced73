//! Computes the wait before the next attempt, from outcomes and times alone.

use std::time::{Duration, Instant};

use crate::config::BackOff;

/// The back-off of one backend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    limits: BackOff,
    next: Duration,
    /// The time since which the backend works again.
    works_since: Option<Instant>,
}

impl Waits {
    pub(super) const fn new(limits: BackOff) -> Self {
        Self { limits, next: limits.first, works_since: None }
    }

    /// Returns the wait after a failure now.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        let worked = self.works_since.take().map(|since| now.saturating_duration_since(since));
        if worked.is_some_and(|worked| worked >= self.limits.longest) {
            self.next = self.limits.first;
        }
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.limits.longest);
        wait
    }

    /// Records that the backend works again, which has to last before it counts.
    pub(super) fn works(&mut self, now: Instant) {
        self.works_since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn waits() -> (Waits, Instant) {
        (Waits::new(BackOff::DEFAULT), Instant::now())
    }

    #[test]
    fn each_failure_doubles_the_wait_up_to_the_longest() {
        let (mut waits, now) = waits();
        let seconds: Vec<u64> = (0..8).map(|_| waits.failed(now).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_success_that_does_not_last_resets_nothing() {
        let (mut waits, mut now) = waits();
        for seconds in [1, 2, 4, 8] {
            assert_eq!(waits.failed(now).as_secs(), seconds);
            waits.works(now);
            now += 59 * SECOND;
        }
    }

    #[test]
    fn a_success_that_lasts_resets_the_wait() {
        let (mut waits, now) = waits();
        waits.failed(now);
        waits.failed(now);
        waits.works(now);
        assert_eq!(waits.failed(now + 60 * SECOND), SECOND);
        // One success resets the back-off once.
        assert_eq!(waits.failed(now + 600 * SECOND), 2 * SECOND);
    }
}
