//! At a steady state a worker allocates nothing for a frame, on either side.
//!
//! A program with one test, so that no other test allocates meanwhile.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use common::counting::{ALLOCATIONS, Counting, leave_out_the_main_thread};
use common::{config, encoders, picture, size};
use direct264::worker::{FramePool, FrameSender, HostFrame, Unit, UnitReceiver, WorkerConfig, spawn};
use direct264::{BackendOrder, Bitrate, Encoder, FailoverEncoder, Picture, PixelFormat, Timestamp, open};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A stream through a worker, and a task that is polled by hand.
struct Stream {
    frames: FrameSender<HostFrame, FailoverEncoder>,
    units: UnitReceiver<HostFrame, FailoverEncoder>,
    pool: FramePool,
    pictures: Vec<Vec<u8>>,
    waker: Waker,
    is_async: bool,
    number: i64,
}

impl Stream {
    /// Submits a frame and, before it can be done, another one, which may replace it; hands on all that comes of them.
    fn two(&mut self, picture: Picture, mut take: impl FnMut(Unit)) {
        for _ in 0..2 {
            let mut frame = self.pool.frame(size(640, 360), PixelFormat::I420, Timestamp(self.number));
            frame.bytes_mut().copy_from_slice(&self.pictures[self.number as usize % self.pictures.len()]);
            drop(self.frames.submit(frame, picture).unwrap());
            self.number += 1;
        }
        loop {
            let unit = self.receive();
            let is_last = unit.timestamp.0 == self.number - 1;
            take(unit);
            if is_last {
                return;
            }
        }
    }

    fn receive(&mut self) -> Unit {
        let unit = if self.is_async {
            loop {
                match self.units.poll_recv(&mut Context::from_waker(&self.waker)) {
                    Poll::Ready(unit) => break unit,
                    Poll::Pending => thread::park(),
                }
            }
        } else {
            self.units.blocking_recv()
        };
        unit.unwrap().unwrap()
    }
}

#[test]
fn a_frame_through_a_worker_allocates_nothing_at_a_steady_state() {
    leave_out_the_main_thread();
    let config = config(size(640, 360), 30, 1_000);
    // The double is loaded by the first of these.
    drop(encoders(&config));
    for order in ["auto", "openh264"] {
        for is_async in [false, true] {
            let encoder = open(&config, &order.parse::<BackendOrder>().unwrap()).unwrap().encoder;
            let who = format!("{}, async {is_async}", encoder.backend());
            let (frames, units) = spawn(encoder, WorkerConfig::new()).unwrap();
            let camera = picture::Camera::new(size(640, 360));
            let pictures = (0..8).map(|number| camera.i420(number)).collect();
            let waker = Waker::from(Arc::new(Unpark(thread::current())));
            let mut stream =
                Stream { frames, units, pool: FramePool::new(8), pictures, waker, is_async, number: 0 };
            // As many as can be outside at once: written, waiting, encoded, replaced.
            let warm = [(); 5].map(|()| stream.pool.frame(size(640, 360), PixelFormat::I420, Timestamp(0)));
            drop(warm);
            // Memory for access units: more pieces at once than can be outside later, each larger than any then.
            stream.frames.set_bitrate(Bitrate::from_mbps(12).unwrap()).unwrap();
            let mut held = Vec::new();
            for _ in 0..10 {
                stream.two(Picture::Idr, |unit| held.push(unit));
            }
            drop(held);
            stream.frames.set_bitrate(Bitrate::from_mbps(1).unwrap()).unwrap();
            for _ in 0..30 {
                stream.two(Picture::Auto, drop);
            }
            stream.frames.take_events();
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..30 {
                stream.two(Picture::Auto, drop);
            }
            let after = ALLOCATIONS.load(Ordering::Relaxed);
            assert!(stream.frames.take_events().is_empty(), "{who}");
            assert_eq!(after - before, 0, "{who}");
        }
    }
}
