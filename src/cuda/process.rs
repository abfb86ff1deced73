//! Tells this process from a forked child, for each frame. A system call would cost as much as three driver calls.
#![cfg_attr(
    all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
    expect(unsafe_code, reason = "a page is mapped that a forked process finds empty")
)]

/// A mark that tells a process from every process forked from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u64);

impl Process {
    /// The mark of the calling process.
    pub(crate) fn current() -> Self {
        Self(mark::current().unwrap_or_else(|| u64::from(std::process::id())))
    }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod mark {
    use std::ffi::{c_int, c_void};
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

    const BYTES: usize = 4096;
    const PROT_READ_WRITE: c_int = 3;
    const MAP_PRIVATE_ANONYMOUS: c_int = 0x22;
    /// Since Linux 4.14.
    const MADV_WIPEONFORK: c_int = 18;

    unsafe extern "C" {
        fn mmap(
            at: *mut c_void,
            bytes: usize,
            protection: c_int,
            flags: c_int,
            file: c_int,
            from: i64,
        ) -> *mut c_void;
        fn madvise(at: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    }

    /// A number in a page that the kernel empties in a forked process; null until the page is made.
    static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(null_mut());
    static IS_REFUSED: AtomicBool = AtomicBool::new(false);
    /// The last mark that this process, or a process that it was forked from, has given itself.
    static LAST: AtomicU64 = AtomicU64::new(0);

    /// The mark of this process, which differs from the marks of the processes that it was forked from; `None` where
    /// the kernel empties no pages.
    pub(super) fn current() -> Option<u64> {
        let mark = page()?;
        match mark.load(Ordering::Relaxed) {
            0 => {
                let own = LAST.fetch_add(1, Ordering::Relaxed) + 1;
                // Another thread may have been first.
                let set = mark.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed);
                Some(set.map_or_else(|other| other, |_| own))
            }
            known => Some(known),
        }
    }

    fn page() -> Option<&'static AtomicU64> {
        let mut page = PAGE.load(Ordering::Acquire);
        if page.is_null() {
            if IS_REFUSED.load(Ordering::Relaxed) {
                return None;
            }
            let Some(made) = make() else {
                IS_REFUSED.store(true, Ordering::Relaxed);
                return None;
            };
            // The thread that comes second leaves its page unused.
            let set = PAGE.compare_exchange(null_mut(), made, Ordering::AcqRel, Ordering::Acquire);
            page = set.map_or_else(|other| other, |_| made);
        }
        // SAFETY: what is in `PAGE` and not null came from `make`, is as long as a number, zero or written as one, and
        // never unmapped.
        Some(unsafe { &*page })
    }

    fn make() -> Option<*mut AtomicU64> {
        // SAFETY: a new mapping wherever the kernel likes takes nothing away from anybody.
        let page = unsafe { mmap(null_mut(), BYTES, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0) };
        if page.addr() == usize::MAX || page.is_null() {
            return None;
        }
        let advise = |advice| {
            // SAFETY: the page is this function's own.
            unsafe { madvise(page, BYTES, advice) }
        };
        // Emulators accept any advice, so a wrong one must be refused.
        let is_done = advise(-1) != 0 && advise(MADV_WIPEONFORK) == 0;
        is_done.then_some(page.cast())
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod mark {
    pub(super) const fn current() -> Option<u64> {
        None
    }
}
