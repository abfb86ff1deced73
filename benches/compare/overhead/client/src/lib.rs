//! What the clients have in common: the frames, the watch, the counting of allocations, and the orders that they take
//! on their standard input.
//!
//! An order is a line `FRAMES HZ`; at 0 Hz frames follow each other at once. The answer is a line: how often the
//! client allocated, then for each frame the nanoseconds it took and how many of them were spent in the driver.

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub const WIDTH: u32 = 1920;
pub const HEIGHT: u32 = 1080;
pub const BITS_PER_SECOND: u32 = 6_000_000;
/// Different pictures, so that no copy finds all of its source in the cache of a core.
pub const PICTURES: usize = 4;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// NV12 pictures in host memory, rows right behind each other.
pub fn host_pictures() -> [Vec<u8>; PICTURES] {
    std::array::from_fn(|number| vec![60 + number as u8; (WIDTH * HEIGHT * 3 / 2) as usize])
}

/// The time that the driver double has spent in calls of this process.
struct Inside(extern "C" fn() -> u64);

impl Inside {
    fn find() -> Result<Self> {
        // SAFETY: the double's initialisers do nothing, and a driver that is no double lacks the function.
        let library = unsafe { libloading::Library::new("libcuda.so.1") }?;
        // SAFETY: the double's function of that name has this type.
        let function = *unsafe { library.get::<extern "C" fn() -> u64>("d264_double_nanos_inside") }?;
        std::mem::forget(library);
        Ok(Self(function))
    }
}

/// Takes orders until there are no more. `encode` is given the number of the frame, and returns the length of its
/// access unit; `prepare` is what comes before it and is not timed.
pub fn serve(
    mut prepare: impl FnMut(usize) -> Result<()>,
    mut encode: impl FnMut(usize) -> Result<usize>,
) -> Result<()> {
    let inside = Inside::find()?;
    let mut number = 0;
    let mut frame = |number: usize| -> Result<(u64, u64)> {
        prepare(number)?;
        let (start, before) = (Instant::now(), (inside.0)());
        let bytes = encode(number)?;
        let took = start.elapsed();
        let in_driver = (inside.0)() - before;
        if bytes == 0 { Err("an empty access unit".into()) } else { Ok((took.as_nanos() as u64, in_driver)) }
    };
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (frames, hz) = line.split_once(' ').ok_or("FRAMES HZ")?;
        let (frames, hz): (usize, u32) = (frames.parse()?, hz.parse()?);
        let mut times = Vec::with_capacity(frames);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let mut due = Instant::now();
        for _ in 0..frames {
            if hz > 0 {
                due += Duration::from_secs(1) / hz;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            times.push(frame(number)?);
            number += 1;
        }
        let mut answer = (ALLOCATIONS.load(Ordering::Relaxed) - before).to_string();
        for (took, in_driver) in times {
            write!(answer, " {took}:{in_driver}")?;
        }
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Says in words why a client ends early.
pub fn run(client: impl FnOnce(&str) -> Result<()>) -> std::process::ExitCode {
    let source = std::env::args().nth(1).unwrap_or_default();
    match client(&source) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            std::process::ExitCode::FAILURE
        }
    }
}
