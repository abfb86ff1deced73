//! Process-wide queue of streams that wait for a session; the head retries.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::backend::Backend;
use crate::backends::row;
use crate::config::GpuChoice;

/// A bell that wakes its one listening thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    is_rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.is_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.rings.notify_one();
    }

    /// Waits until the bell rings or until a point in time. Returns whether the bell rang.
    pub(super) fn wait(&self, until: Option<Instant>) -> bool {
        let mut is_rung = self.is_rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_rung {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            is_rung = match left {
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    self.rings.wait_timeout(is_rung, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.rings.wait(is_rung).unwrap_or_else(PoisonError::into_inner),
            };
        }
        std::mem::take(&mut is_rung)
    }
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { waiters: Vec::new(), next: 0 });

/// The kind of session that is waited for: the backend and the GPU.
type Kind = (Backend, GpuChoice);

/// The waiters in the order of their arrival.
#[derive(Debug)]
struct Queue {
    waiters: Vec<Waiter>,
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    kind: Kind,
    bell: Arc<Bell>,
}

impl Queue {
    fn first(&self, kind: Kind) -> Option<&Waiter> {
        self.waiters.iter().find(|waiter| waiter.kind == kind)
    }
}

/// A place in the queue, which passes to the next waiter when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    number: u64,
    kind: Kind,
}

impl Ticket {
    /// Takes the last place for a session of `backend` on `gpu`. `bell` rings when that place becomes the first, and
    /// from then on whenever a session of this process has ended.
    pub(super) fn take(backend: Backend, gpu: GpuChoice, bell: Arc<Bell>) -> Self {
        (row(backend).when_a_session_ends)(a_session_has_ended);
        let kind = (backend, gpu);
        let mut queue = queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiters.push(Waiter { number, kind, bell });
        Self { number, kind }
    }

    /// Whether this place is the first of its kind.
    pub(super) fn is_first(&self) -> bool {
        queue().first(self.kind).is_some_and(|waiter| waiter.number == self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut queue = queue();
        let was_first = queue.first(self.kind).is_some_and(|waiter| waiter.number == self.number);
        queue.waiters.retain(|waiter| waiter.number != self.number);
        if was_first && let Some(next) = queue.first(self.kind) {
            next.bell.ring();
        }
    }
}

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rings the first waiter of each GPU, since the GPU of the free session is not known.
fn a_session_has_ended() {
    let queue = queue();
    for (index, waiter) in queue.waiters.iter().enumerate() {
        if !queue.waiters.iter().take(index).any(|earlier| earlier.kind == waiter.kind) {
            waiter.bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A GPU that no other test waits for.
    const HERE: GpuChoice = GpuChoice::Index(901);
    const ELSEWHERE: GpuChoice = GpuChoice::Index(902);

    fn rings(bell: &Bell) -> bool {
        bell.wait(Some(Instant::now() + Duration::from_millis(1)))
    }

    #[test]
    fn turns_are_taken_in_the_order_of_coming_and_for_each_gpu_apart() {
        let bells: [Arc<Bell>; 3] = Default::default();
        let [first, second] = [0, 1].map(|at| Ticket::take(Backend::Nvenc, HERE, Arc::clone(&bells[at])));
        let other = Ticket::take(Backend::Nvenc, ELSEWHERE, Arc::clone(&bells[2]));
        assert_eq!([&first, &second, &other].map(Ticket::is_first), [true, false, true]);
        drop(first);
        assert_eq!([&bells[0], &bells[1], &bells[2]].map(|bell| rings(bell)), [false, true, false]);
        assert!(second.is_first());
    }

    #[test]
    fn who_leaves_from_the_middle_wakes_nobody() {
        let gpu = GpuChoice::Index(903);
        let bells: [Arc<Bell>; 3] = Default::default();
        let [_first, second, third] =
            [0, 1, 2].map(|at| Ticket::take(Backend::Nvenc, gpu, Arc::clone(&bells[at])));
        drop(second);
        assert!(!bells.iter().any(|bell| rings(bell)));
        assert!(!third.is_first());
    }

    #[test]
    fn a_ring_is_heard_once_also_by_who_comes_later() {
        let bell = Bell::default();
        bell.ring();
        assert!(bell.wait(None));
        assert!(!rings(&bell));
    }
}
