//! How many sessions this process has on each GPU, so that encoders can spread over them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The GPUs of the sessions that there are, or that are about to be opened: each by its place in CUDA's order, once for
/// each session.
static TAKEN: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// What a session has on a GPU, from before it is opened until it has ended; one that hangs has it for good.
#[derive(Debug)]
pub(super) struct Seat {
    gpu: i32,
}

impl Seat {
    /// Takes one on the first of `gpus`, or on the one with the fewest of them, and tells which of them that is. Two
    /// threads that open at the same time see each other's.
    pub(super) fn take(gpus: &[i32], spread: bool) -> Option<(usize, Self)> {
        let mut taken = taken();
        let on = |gpu: i32| taken.iter().filter(|&&other| other == gpu).count();
        let at = if spread { (0..gpus.len()).min_by_key(|&at| on(gpus[at]))? } else { 0 };
        let gpu = *gpus.get(at)?;
        taken.push(gpu);
        Some((at, Self { gpu }))
    }

    /// How many others there are on its GPU.
    pub(super) fn others(&self) -> usize {
        taken().iter().filter(|&&gpu| gpu == self.gpu).count().saturating_sub(1)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = taken();
        if let Some(at) = taken.iter().position(|&gpu| gpu == self.gpu) {
            taken.swap_remove(at);
        }
    }
}

fn taken() -> MutexGuard<'static, Vec<i32>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(gpus: [i32; 3], spread: bool) -> (i32, Seat) {
        let (at, seat) = Seat::take(&gpus, spread).unwrap();
        (gpus[at], seat)
    }

    // GPUs that no other test has sessions on.

    #[test]
    fn the_emptiest_gpu_is_next_and_of_several_the_first() {
        let gpus = [901, 902, 903];
        let mut seats: Vec<_> = (0..5).map(|_| take(gpus, true)).collect();
        let order: Vec<i32> = seats.iter().map(|(gpu, _)| *gpu).collect();
        assert_eq!(order, [901, 902, 903, 901, 902]);
        assert_eq!(seats[0].1.others(), 1);
        // The second session ends.
        drop(seats.remove(1));
        for next in [902, 903, 901] {
            seats.push(take(gpus, true));
            assert_eq!(seats.last().unwrap().0, next);
        }
    }

    #[test]
    fn without_spreading_the_first_is_taken_and_counts_all_the_same() {
        let gpus = [911, 912, 913];
        let seats = [take(gpus, false), take(gpus, false)];
        assert!(seats.iter().all(|(gpu, _)| *gpu == 911));
        assert_eq!(take(gpus, true).0, 912);
        assert!(Seat::take(&[], true).is_none() && Seat::take(&[], false).is_none());
    }
}
