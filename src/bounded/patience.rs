//! Measures a caller's wait for a call, in time in which the call could have run.

use std::time::{Duration, Instant};

/// A wait for one call, in slices.
///
/// A process that was stopped (signal, CPU quota, pause, migration, debugger) wakes up late from a slice. A thread
/// without a core has not begun the call at the end of a slice. Neither says anything about the driver, so after such
/// a slice the limit starts again, within twice the limit in all. The time between the end of a slice and a late
/// wake-up does not count.
///
/// The first slice is half the limit, so that a call of ordinary length costs one sleep. The others are an eighth. A
/// stop shorter than that takes little of the limit, and counts.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    counted: Duration,
    /// The counted time at which the limit has passed.
    until: Duration,
    /// The start and the length of the slice under way.
    slice: Option<(Instant, Duration)>,
}

impl Patience {
    /// The shortest slice after the first, since a timer alone may be late by as much.
    const SHORTEST: Duration = Duration::from_millis(1);

    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, counted: Duration::ZERO, until: limit, slice: None }
    }

    /// Returns how long the caller sleeps next; `None` once the limit has passed. `has_begun` says whether the thread
    /// has begun the call.
    pub(super) fn slice(&mut self, now: Instant, has_begun: bool) -> Option<Duration> {
        match self.slice {
            None if self.limit.is_zero() => None,
            None => {
                let half = self.limit / 2;
                self.slice = Some((now, half));
                Some(half)
            }
            Some((began, length)) => self.next(began, length, now, has_begun),
        }
    }

    #[cold]
    fn next(&mut self, began: Instant, length: Duration, now: Instant, has_begun: bool) -> Option<Duration> {
        let took = now.saturating_duration_since(began);
        if took < length {
            // A spurious wake-up.
            return Some(length - took);
        }
        let step = (self.limit / 8).max(Self::SHORTEST);
        let is_late = took > length.saturating_add(step);
        self.counted = self.counted.saturating_add(if is_late { length } else { took });
        if is_late || !has_begun {
            self.until = self.counted.saturating_add(self.limit).min(self.limit.saturating_mul(2));
        }
        let left = self.until.saturating_sub(self.counted);
        if left.is_zero() {
            return None;
        }
        let length = step.min(left);
        self.slice = Some((now, length));
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A caller whose clock is set by the test.
    struct Caller {
        now: Instant,
        patience: Patience,
        wakes: usize,
    }

    impl Caller {
        fn waits(limit: Duration) -> Self {
            Self { now: Instant::now(), patience: Patience::new(limit), wakes: 0 }
        }

        /// Sleeps one slice and `late` more; false once the limit has passed.
        fn sleeps(&mut self, late: Duration, has_begun: bool) -> bool {
            match self.patience.slice(self.now, has_begun) {
                Some(slice) => {
                    self.now += slice + late;
                    self.wakes += 1;
                    true
                }
                None => false,
            }
        }

        /// Sleeps on time until the limit has passed, and returns the total.
        fn gives_up_after(&mut self) -> Duration {
            let start = self.now;
            while self.sleeps(Duration::ZERO, true) {}
            self.now - start
        }
    }

    #[test]
    fn a_call_that_hangs_is_given_up_at_the_limit_and_half_of_it_is_slept_at_once() {
        for limit in [1, 2, 40, 100, 500, 10_000].map(ms) {
            let mut caller = Caller::waits(limit);
            assert!(caller.sleeps(Duration::ZERO, true));
            let half = limit / 2;
            assert_eq!(caller.patience.slice(caller.now - half / 2, true), Some(half / 2), "woken early");
            assert_eq!(caller.gives_up_after(), limit - half, "{limit:?}");
        }
        let mut caller = Caller::waits(ms(100));
        caller.gives_up_after();
        assert_eq!(caller.wakes, 5);
    }

    #[test]
    fn wake_ups_that_are_a_little_late_count() {
        let mut caller = Caller::waits(ms(100));
        let start = caller.now;
        while caller.sleeps(ms(12), true) {}
        assert!((ms(100)..=ms(112)).contains(&(caller.now - start)), "{:?}", caller.now - start);
    }

    #[test]
    fn a_stop_is_not_counted_and_starts_the_limit_again() {
        let mut caller = Caller::waits(ms(100));
        assert!(caller.sleeps(ms(150), true));
        assert_eq!(caller.gives_up_after(), ms(100));
        // A stop just before the end counts in the same way.
        let mut caller = Caller::waits(ms(100));
        for late in [0, 0, 0, 0, 150].map(ms) {
            assert!(caller.sleeps(late, true));
        }
        assert_eq!(caller.gives_up_after(), ms(100));
    }

    #[test]
    fn stops_without_an_end_do_not_hide_a_driver_that_hangs() {
        let mut caller = Caller::waits(ms(100));
        let mut slept = 0;
        while caller.sleeps(ms(1_000), true) {
            slept += 1;
        }
        // 50 ms and 12 slices of 12.5 ms: twice the limit.
        assert_eq!(slept, 13);
    }

    #[test]
    fn the_limit_starts_when_the_call_begins_and_within_twice_the_limit() {
        let mut caller = Caller::waits(ms(100));
        let start = caller.now;
        while caller.now - start < ms(75) {
            assert!(caller.sleeps(Duration::ZERO, false));
        }
        assert!(caller.sleeps(Duration::ZERO, false));
        let begins = caller.now;
        assert!(caller.patience.slice(caller.now, false).is_some());
        assert_eq!(caller.gives_up_after(), ms(100), "from {:?}", begins - start);

        let mut caller = Caller::waits(ms(100));
        let start = caller.now;
        while caller.sleeps(Duration::ZERO, false) {}
        assert_eq!(caller.now - start, ms(200));
    }

    #[test]
    fn limits_of_nothing_and_of_all_time_are_limits() {
        assert_eq!(Patience::new(Duration::ZERO).slice(Instant::now(), false), None);
        let mut caller = Patience::new(Duration::MAX);
        assert!(caller.slice(Instant::now(), false).is_some());
        assert!(caller.slice(Instant::now() + ms(5), false).is_some());
    }
}
