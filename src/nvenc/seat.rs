//! Counts this process's sessions on each GPU, so that encoders spread over the GPUs, and records which ones hang.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The GPU of each session that exists or is about to open, by its place in CUDA's order, and whether it is open.
static TAKEN: Mutex<Vec<(i32, bool)>> = Mutex::new(Vec::new());

/// The GPU of each abandoned thread that hangs in a call, if the thread had come to one.
static HANGING: Mutex<Vec<Option<i32>>> = Mutex::new(Vec::new());

/// Returns the number of this process's hanging sessions. Each holds a thread, so a caller that retries asks first.
pub(crate) fn hanging() -> usize {
    lock(&HANGING).len()
}

/// Returns the number of this process's sessions, from before their opening until after their end.
pub(super) fn sessions() -> usize {
    lock(&TAKEN).len()
}

/// Records that a session hangs on its GPU, or on the way to one.
pub(super) fn hangs_on(gpu: Option<i32>) {
    lock(&HANGING).push(gpu);
}

/// Records that a session hangs no more.
pub(super) fn came_back_from(gpu: Option<i32>) {
    remove(&HANGING, gpu);
}

/// A session's place on a GPU, from before its opening until its end. A hanging session keeps it for good.
#[derive(Debug)]
pub(super) struct Seat {
    gpu: i32,
    is_open: bool,
}

impl Seat {
    /// Takes a seat on the first of `gpus`, or on the one with the fewest seats taken, and returns its index. A GPU
    /// with a hanging session comes after those without. Two threads that open at the same time see each other's
    /// seats.
    pub(super) fn take(gpus: &[i32], spread: bool) -> Option<(usize, Self)> {
        let hanging = lock(&HANGING).clone();
        let mut taken = lock(&TAKEN);
        let on = |gpu: i32| taken.iter().filter(|&&(other, _)| other == gpu).count();
        let rank = |gpu: i32| (hanging.contains(&Some(gpu)), if spread { on(gpu) } else { 0 });
        let (at, &gpu) = gpus.iter().enumerate().min_by_key(|&(_, &gpu)| rank(gpu))?;
        taken.push((gpu, false));
        Some((at, Self { gpu, is_open: false }))
    }

    /// Records that the session is open.
    pub(super) fn open(&mut self) {
        let mine = (self.gpu, std::mem::replace(&mut self.is_open, true));
        if let Some(taken) = lock(&TAKEN).iter_mut().find(|taken| **taken == mine) {
            taken.1 = true;
        }
    }

    /// The number of sessions that are open on this GPU.
    pub(super) fn open_sessions(&self) -> usize {
        lock(&TAKEN).iter().filter(|&&taken| taken == (self.gpu, true)).count()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        remove(&TAKEN, (self.gpu, self.is_open));
    }
}

/// Removes one entry from a list.
fn remove<T: PartialEq>(list: &'static Mutex<Vec<T>>, entry: T) {
    let mut list = lock(list);
    if let Some(at) = list.iter().position(|other| *other == entry) {
        list.swap_remove(at);
    }
}

fn lock<T>(list: &'static Mutex<T>) -> MutexGuard<'static, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(gpus: [i32; 3], spread: bool) -> (i32, Seat) {
        let (at, seat) = Seat::take(&gpus, spread).unwrap();
        (gpus[at], seat)
    }

    // GPUs on which no other test has sessions.

    #[test]
    fn the_emptiest_gpu_is_next_and_of_several_the_first() {
        let gpus = [901, 902, 903];
        let mut seats: Vec<_> = (0..5).map(|_| take(gpus, true)).collect();
        let order: Vec<i32> = seats.iter().map(|(gpu, _)| *gpu).collect();
        assert_eq!(order, [901, 902, 903, 901, 902]);
        // A session that is about to open counts for the next one, and is not open yet.
        assert_eq!(seats[0].1.open_sessions(), 0);
        seats[3].1.open();
        assert_eq!((seats[0].1.open_sessions(), seats[1].1.open_sessions()), (1, 0));
        let other = seats.remove(3);
        drop(other);
        assert_eq!(seats[0].1.open_sessions(), 0);
        seats.insert(3, take(gpus, true));
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

    #[test]
    fn where_a_session_hangs_another_one_is_tried_last() {
        let gpus = [921, 922, 923];
        hangs_on(Some(921));
        hangs_on(Some(921));
        for spread in [false, true] {
            assert_eq!(take(gpus, spread).0, 922);
            assert_eq!(Seat::take(&[921], spread).map(|(at, _)| at), Some(0));
        }
        came_back_from(Some(921));
        assert_eq!(take(gpus, false).0, 922);
        came_back_from(Some(921));
        assert_eq!(take(gpus, false).0, 921);
    }
}
