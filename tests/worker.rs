//! An encoder on a thread of its own: what is kept, what gives way, what is told, and how it ends.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use common::live::{PATIENCE, hasty, ms, small, words};
use common::picture::{Camera, psnr};
use common::watched::{Asked, Turn, Watch, Watched};
use common::{config, decode, size, sps};
use d264_double::Double;
use direct264::openh264::OpenH264Encoder;
use direct264::worker::{
    Closed, FailedStep, FramePool, FrameSender, HostFrame, StillRunning, ToFrame, Unit, UnitReceiver,
    WorkerConfig, WorkerError, spawn,
};
use direct264::{
    Backend, Bitrate, Encoder, EncoderConfig, Error, EventKind, Frame, FrameError, FrameRate, FrameSize,
    Order, Picture, PixelFormat, QpRange, Timestamp, open,
};

/// Pictures of a camera as frames of a pool.
struct Source {
    pool: FramePool,
    size: FrameSize,
    camera: Camera,
}

impl Source {
    fn new(size: FrameSize) -> Self {
        Self { pool: FramePool::new(8), size, camera: Camera::new(size) }
    }

    /// The picture with this number, which is its timestamp too.
    fn frame(&self, number: u32) -> HostFrame {
        let mut frame = self.pool.frame(self.size, PixelFormat::I420, Timestamp(i64::from(number)));
        frame.bytes_mut().copy_from_slice(&self.camera.i420(number));
        frame
    }
}

fn plain() -> EncoderConfig {
    config(small(), 30, 300)
}

fn one_each() -> WorkerConfig {
    WorkerConfig::new().units(NonZeroUsize::MIN)
}

type Ends<E> = (FrameSender<HostFrame, E>, UnitReceiver<HostFrame, E>);

fn held() -> (Ends<Watched>, Watch) {
    let (encoder, watch) = Watched::held(&plain());
    (spawn(encoder, WorkerConfig::new()).unwrap(), watch)
}

fn timestamps(units: &[Unit]) -> Vec<i64> {
    units.iter().map(|unit| unit.timestamp.0).collect()
}

/// All that still comes out.
fn rest<F, E>(units: &mut UnitReceiver<F, E>) -> Vec<Unit> {
    std::iter::from_fn(|| units.blocking_recv()).map(Result::unwrap).collect()
}

fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(ms(1));
    }
}

#[test]
fn the_newest_frame_wins_before_it_is_encoded() {
    for depth in 1..=3 {
        let (encoder, watch) = Watched::held(&plain());
        let depth = NonZeroUsize::new(depth).unwrap();
        let most = NonZeroUsize::new(8).unwrap();
        let (frames, mut units) = spawn(encoder, WorkerConfig::new().frames(depth).units(most)).unwrap();
        let source = Source::new(small());
        assert!(frames.submit(source.frame(0), Picture::Auto).unwrap().is_none());
        assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(0));
        let replaced: Vec<i64> = (1..=5)
            .filter_map(|number| frames.submit(source.frame(number), Picture::Auto).unwrap())
            .map(|frame| frame.to_frame().unwrap().timestamp().0)
            .collect();
        let kept = depth.get() as i64;
        assert_eq!(replaced, (1..=5 - kept).collect::<Vec<_>>());
        drop((watch.turns, frames));
        let expected: Vec<i64> = std::iter::once(0).chain(6 - kept..=5).collect();
        assert_eq!(timestamps(&rest(&mut units)), expected);
        let counters = units.counters();
        assert_eq!((counters.submitted, counters.failed), (6, 0));
        assert_eq!((counters.replaced, counters.encoded), (5 - kept as u64, 1 + kept as u64));
    }
}

#[test]
fn what_belongs_to_a_frame_that_is_replaced_passes_to_the_next() {
    let ((frames, mut units), watch) = held();
    let source = Source::new(small());
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(0));
    let [low, high] = [200, 400].map(|kbps| Bitrate::from_kbps(kbps).unwrap());
    frames.set_bitrate(low).unwrap();
    frames.submit(source.frame(1), Picture::Idr).unwrap();
    frames.submit(source.frame(2), Picture::Auto).unwrap();
    frames.set_bitrate(high).unwrap();
    watch.go();
    watch.go();
    assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(2));
    // The change that came after the frame holds for none before it.
    let asked = watch.asked();
    let expected = [Asked::Frame(0, Picture::Auto), Asked::Bitrate(low), Asked::Frame(2, Picture::Idr)];
    assert_eq!(asked, expected);
    drop((watch.turns, frames));
    let units = rest(&mut units);
    assert_eq!(
        units.iter().map(|unit| (unit.timestamp.0, unit.is_idr)).collect::<Vec<_>>(),
        [(0, true), (2, true)]
    );
    assert_eq!(watch.asked.lock().unwrap().last(), Some(&Asked::Bitrate(high)));
}

#[test]
fn a_receiver_that_is_slow_costs_frames_and_no_access_unit() {
    let (frames, mut units) = spawn(OpenH264Encoder::new(&plain()).unwrap(), WorkerConfig::new()).unwrap();
    let source = Source::new(small());
    let mut number = 0;
    let mut submit = |count: u32| {
        for _ in 0..count {
            frames.submit(source.frame(number), Picture::Auto).unwrap();
            number += 1;
            thread::sleep(ms(1));
        }
    };
    // Nobody receives: two wait, and nothing more is encoded.
    submit(30);
    soon("two are encoded", || frames.counters().encoded == 2);
    submit(10);
    assert_eq!(frames.counters().encoded, 2);
    let mut received = Vec::new();
    for _ in 0..10 {
        received.push(units.blocking_recv().unwrap().unwrap());
        submit(7);
    }
    drop(frames);
    received.extend(rest(&mut units));

    let counters = units.counters();
    assert_eq!(received.len() as u64, counters.encoded);
    assert_eq!(counters.submitted, counters.encoded + counters.replaced);
    // Those received one by one, those that had room, and the one that waited.
    assert!(counters.encoded <= 10 + 2 + 1, "{counters:?}");
    let numbers = timestamps(&received);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert_eq!(numbers.last(), Some(&(i64::from(number) - 1)), "the newest comes last");
    // Every picture is the one of its frame: none refers to what was not handed over.
    let stream: Vec<u8> = received.iter().flat_map(|unit| unit.bytes.clone()).collect();
    let Some(pictures) = decode::ffmpeg(&stream, small()) else { return };
    assert_eq!(pictures.len(), received.len());
    for (picture, number) in pictures.iter().zip(numbers) {
        let db = psnr(picture, &source.camera.i420(number as u32));
        assert!(db > 25.0, "frame {number} has {db:.1} dB");
    }
}

#[test]
fn changes_come_in_order_with_frames() {
    let (encoder, watch) = Watched::free(&plain().max_size(size(320, 240)));
    let (frames, mut units) = spawn(encoder, one_each()).unwrap();
    let [narrow, wide] = [small(), size(320, 240)].map(Source::new);
    let (rate, bitrate) = (FrameRate::hz(15).unwrap(), Bitrate::from_kbps(500).unwrap());
    let qp_range = QpRange::new(20, 40).unwrap();

    frames.submit(narrow.frame(0), Picture::Auto).unwrap();
    let first = units.blocking_recv().unwrap().unwrap();
    frames.set_size(wide.size).unwrap();
    frames.set_qp_range(qp_range).unwrap();
    frames.set_bitrate(bitrate).unwrap();
    frames.set_frame_rate(rate).unwrap();
    frames.submit(wide.frame(1), Picture::Auto).unwrap();
    let second = units.blocking_recv().unwrap().unwrap();
    frames.request_idr().unwrap();
    frames.submit(wide.frame(2), Picture::Auto).unwrap();
    let third = units.blocking_recv().unwrap().unwrap();
    frames.submit(wide.frame(3), Picture::Auto).unwrap();
    let fourth = units.blocking_recv().unwrap().unwrap();

    assert_eq!([&first, &second, &third, &fourth].map(|unit| unit.is_idr), [true, true, true, false]);
    assert_eq!(sps::first(&first.bytes).pixel_dimensions().unwrap(), (160, 96));
    assert_eq!(sps::first(&second.bytes).pixel_dimensions().unwrap(), (320, 240));
    assert!(second.qp.is_some_and(|qp| (20..=40).contains(&qp)));
    let asked = watch.asked();
    assert_eq!(asked.first(), Some(&Asked::Frame(0, Picture::Auto)));
    // Those that come one by one before a frame may be made as they come; what counts is that they are made.
    let mut between = asked[1..asked.len() - 3].to_vec();
    between.sort_by_key(|asked| format!("{asked:?}"));
    let expected =
        [Asked::Bitrate(bitrate), Asked::FrameRate(rate), Asked::Qp(qp_range), Asked::Size(wide.size)];
    assert_eq!(between, expected);
    let frames_asked =
        [Asked::Frame(1, Picture::Auto), Asked::Frame(2, Picture::Idr), Asked::Frame(3, Picture::Auto)];
    assert_eq!(asked[asked.len() - 3..], frames_asked);
}

#[test]
fn changes_are_made_while_no_frame_comes_and_the_encoder_is_at_hand() {
    let (frames, units) = spawn::<HostFrame, _>(OpenH264Encoder::new(&plain()).unwrap(), one_each()).unwrap();
    frames.set_size(size(320, 240)).unwrap();
    let mut events = Vec::new();
    soon("the size is changed", || {
        events.extend(units.take_events());
        events.iter().any(|event| matches!(event.kind, EventKind::Recreated { .. }))
    });
    let asked = frames.with_encoder(|encoder| (encoder.size(), encoder.parameter_sets().unwrap())).unwrap();
    assert_eq!(asked.0, size(320, 240));
    assert_eq!(sps::first(&asked.1).pixel_dimensions().unwrap(), (320, 240));
}

/// A frame of the caller's own kind.
struct Broken;

impl ToFrame for Broken {
    fn to_frame(&self) -> Result<Frame<'_>, FrameError> {
        Frame::contiguous(small(), PixelFormat::Nv12, &[0; 5], Timestamp(0))
    }
}

#[test]
fn errors_come_out_in_the_place_of_what_failed_and_the_worker_goes_on() {
    let (frames, mut units) = spawn(OpenH264Encoder::new(&plain()).unwrap(), one_each()).unwrap();
    let [narrow, wide] = [small(), size(320, 240)].map(Source::new);
    frames.submit(narrow.frame(0), Picture::Auto).unwrap();
    assert!(units.blocking_recv().unwrap().unwrap().is_idr);

    frames.submit(wide.frame(1), Picture::Idr).unwrap();
    let WorkerError { step, error, .. } = units.blocking_recv().unwrap().unwrap_err();
    assert_eq!(step, FailedStep::Frame(Some(Timestamp(1))));
    assert!(matches!(error, Error::Frame(FrameError::Size { .. })), "{error:?}");

    frames.set_size(size(8, 8)).unwrap();
    let refused = units.blocking_recv().unwrap().unwrap_err();
    assert_eq!((refused.step, refused.to_string().as_str()), (FailedStep::Size, "the size was not set"));
    assert!(
        std::error::Error::source(&refused).is_some_and(|why| why.to_string() == "the settings cannot work")
    );

    // The IDR is owed still.
    frames.submit(narrow.frame(2), Picture::Auto).unwrap();
    let unit = units.blocking_recv().unwrap().unwrap();
    assert_eq!((unit.timestamp, unit.is_idr), (Timestamp(2), true));
    let counters = units.counters();
    assert_eq!((counters.submitted, counters.encoded, counters.failed), (3, 2, 1));

    let (frames, mut units) = spawn(OpenH264Encoder::new(&plain()).unwrap(), one_each()).unwrap();
    frames.submit(Broken, Picture::Auto).unwrap();
    let refused = units.blocking_recv().unwrap().unwrap_err();
    assert_eq!(
        (refused.step, refused.to_string().as_str()),
        (FailedStep::Frame(None), "the frame was not encoded")
    );
}

#[test]
fn when_the_senders_are_gone_what_was_submitted_still_comes() {
    let ((frames, mut units), watch) = held();
    let source = Source::new(small());
    let other = frames.clone();
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    drop(frames);
    assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(0));
    other.submit(source.frame(1), Picture::Auto).unwrap();
    drop(other);
    assert!(matches!(units.try_recv(), Poll::Pending));
    drop(watch.turns);
    assert_eq!(timestamps(&rest(&mut units)), [0, 1]);
    assert!(units.blocking_recv().is_none());
    assert!(matches!(units.try_recv(), Poll::Ready(None)));
    assert_eq!(units.stop(PATIENCE), Ok(()));
    assert!(watch.alive.upgrade().is_none(), "the encoder is dropped");
}

#[test]
fn when_the_receiver_is_gone_frames_come_back_and_the_encoder_goes() {
    let ((frames, units), watch) = held();
    let source = Source::new(small());
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(0));
    frames.submit(source.frame(1), Picture::Auto).unwrap();
    drop(units);
    // The frame under way is done first, with the thread by itself.
    assert!(frames.submit(source.frame(2), Picture::Auto).is_ok());
    drop(watch.turns);
    soon("the encoder is dropped", || watch.alive.upgrade().is_none());
    let Err(Closed(frame)) = frames.submit(source.frame(3), Picture::Auto) else { panic!("it was taken") };
    assert_eq!(frame.to_frame().unwrap().timestamp(), Timestamp(3));
    assert_eq!(frames.set_bitrate(Bitrate::MIN), Err(Closed(())));
    assert_eq!(frames.request_idr(), Err(Closed(())));
    assert_eq!(frames.with_encoder(|encoder| encoder.backend()), Err(Closed(())));
    assert_eq!(watch.asked.lock().unwrap().len(), 1, "what waited is not encoded");
}

#[test]
fn a_receiver_that_goes_while_the_queue_is_full_wakes_the_worker() {
    let (encoder, watch) = Watched::free(&plain());
    let (frames, units) = spawn(encoder, one_each()).unwrap();
    let source = Source::new(small());
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    soon("one is encoded", || frames.counters().encoded == 1);
    frames.submit(source.frame(1), Picture::Auto).unwrap();
    drop(units);
    soon("the encoder is dropped", || watch.alive.upgrade().is_none());
}

#[test]
fn stopping_waits_for_the_end_within_a_limit() {
    let ((frames, units), watch) = held();
    let source = Source::new(small());
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(0));
    let limit = ms(20);
    assert_eq!(units.stop(limit), Err(StillRunning { limit }));
    assert!(watch.alive.upgrade().is_some());
    drop(watch.turns);
    soon("the encoder is dropped", || watch.alive.upgrade().is_none());

    let (frames, units) = spawn(OpenH264Encoder::new(&plain()).unwrap(), one_each()).unwrap();
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    assert_eq!(units.stop(PATIENCE), Ok(()));
    assert!(frames.submit(source.frame(1), Picture::Auto).is_err());
}

#[test]
fn an_encoder_that_panics_ends_the_worker_and_nobody_waits() {
    let ((frames, mut units), watch) = held();
    let source = Source::new(small());
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    watch.turns.send(Turn::Panic).unwrap();
    assert!(units.blocking_recv().is_none());
    assert!(frames.submit(source.frame(1), Picture::Auto).is_err());
    assert_eq!(units.stop(PATIENCE), Ok(()));
    assert!(watch.alive.upgrade().is_none());

    let (encoder, _watch) = Watched::free(&plain());
    let (frames, mut units) = spawn::<HostFrame, _>(encoder, one_each()).unwrap();
    assert_eq!(frames.with_encoder(|_| panic!("as the test wants it")), Err::<(), _>(Closed(())));
    assert!(units.blocking_recv().is_none());
}

/// Wakes the thread that blocks on a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = waker();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn async_code_of_no_runtime_receives() {
    let (frames, mut units) = spawn(OpenH264Encoder::new(&plain()).unwrap(), WorkerConfig::new()).unwrap();
    let capture = thread::spawn(move || {
        let source = Source::new(small());
        for number in 0..20 {
            frames.submit(source.frame(number), Picture::Auto).unwrap();
            thread::sleep(ms(2));
        }
    });
    let received = block_on(async {
        let mut received = Vec::new();
        while let Some(unit) = units.recv().await {
            received.push(unit.unwrap());
        }
        received
    });
    capture.join().unwrap();
    assert_eq!(received.len() as u64, units.counters().encoded);
    assert_eq!(received.last().map(|unit| unit.timestamp), Some(Timestamp(19)));
}

#[test]
fn a_future_that_is_given_up_has_taken_nothing_and_the_last_waker_counts() {
    let ((frames, mut units), watch) = held();
    let source = Source::new(small());
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(0));
    {
        let abandoned = pin!(units.recv());
        assert!(abandoned.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    watch.go();
    assert_eq!(block_on(units.recv()).unwrap().unwrap().timestamp, Timestamp(0));
}

#[test]
fn one_task_serves_several_workers() {
    const WORKERS: usize = 4;
    const FRAMES: u32 = 12;
    let source = Source::new(small());
    let mut ends: Vec<Ends<OpenH264Encoder>> = (0..WORKERS)
        .map(|_| spawn(OpenH264Encoder::new(&plain()).unwrap(), WorkerConfig::new()).unwrap())
        .collect();
    for (frames, _) in &ends {
        frames.submit(source.frame(0), Picture::Auto).unwrap();
    }
    // Each gets its next frame when the one before has come out.
    let mut received = [const { Vec::new() }; WORKERS];
    block_on(std::future::poll_fn(|context| {
        for ((frames, units), received) in ends.iter_mut().zip(&mut received) {
            while received.len() < FRAMES as usize
                && let Poll::Ready(unit) = units.poll_recv(context)
            {
                received.push(unit.unwrap().unwrap());
                frames.submit(source.frame(received.len() as u32), Picture::Auto).unwrap();
            }
        }
        let all = received.iter().all(|received| received.len() == FRAMES as usize);
        if all { Poll::Ready(()) } else { Poll::Pending }
    }));
    for received in &received {
        assert_eq!(timestamps(received), (0..i64::from(FRAMES)).collect::<Vec<_>>());
    }
}

#[test]
fn a_failover_in_mid_stream_is_an_idr_and_no_loss() {
    let stage = Double::get().load();
    let opened = open(&hasty(), &Order::auto()).unwrap();
    let (frames, mut units) = spawn(opened.encoder, WorkerConfig::new()).unwrap();
    let source = Source::new(small());
    let mut received: Vec<Unit> = Vec::new();
    let mut one = |received: &mut Vec<Unit>| {
        frames.submit(source.frame(received.len() as u32), Picture::Auto).unwrap();
        received.push(block_on(units.recv()).unwrap().unwrap());
        received.last().unwrap().backend
    };
    for _ in 0..5 {
        assert_eq!(one(&mut received), Backend::Nvenc);
    }
    stage.set("FAULT=nvEncEncodePicture:1=20");
    assert_eq!(one(&mut received), Backend::OpenH264);
    let deadline = Instant::now() + PATIENCE;
    while one(&mut received) != Backend::Nvenc {
        assert!(Instant::now() < deadline, "never came back");
        thread::sleep(ms(2));
    }
    one(&mut received);

    assert_eq!(words(&frames.take_events()), ["selected", "fell_back", "restored"]);
    let counters = frames.with_encoder(|encoder| encoder.counters()).unwrap();
    assert_eq!((counters.fallbacks, counters.restorations), (1, 1));
    assert_eq!(counters.nvenc_frames + counters.openh264_frames, received.len() as u64);
    assert_eq!(units.stop(PATIENCE), Ok(()));
    stage.assert_clean_soon("a failover in a worker");

    assert_eq!(timestamps(&received), (0..received.len() as i64).collect::<Vec<_>>());
    for pair in received.windows(2) {
        assert!(pair[0].backend == pair[1].backend || pair[1].is_idr);
    }
    let stream: Vec<u8> = received.iter().flat_map(|unit| unit.bytes.clone()).collect();
    let Some(pictures) = decode::ffmpeg(&stream, small()) else { return };
    assert_eq!(pictures.len(), received.len());
    for (number, picture) in pictures.iter().enumerate() {
        let db = psnr(picture, &source.camera.i420(number as u32));
        assert!(db > 30.0, "frame {number} has {db:.1} dB");
    }
}

#[test]
fn an_encoder_that_can_do_no_more_says_so_last() {
    let stage = Double::get().load();
    let opened = open(&hasty(), &"nvenc".parse().unwrap()).unwrap();
    let (frames, mut units) = spawn(opened.encoder, WorkerConfig::new()).unwrap();
    let source = Source::new(small());
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    let unit = units.blocking_recv().unwrap().unwrap();
    // What is taken out of the worker keeps its memory.
    let (place, owned) = (unit.bytes.as_ptr(), unit.into_owned());
    assert_eq!((owned.bytes.as_ptr(), owned.is_idr), (place, true));
    assert_eq!(owned.nals().count(), owned.nal_ranges.len());

    stage.set("FAULT=nvEncEncodePicture:*=20");
    frames.submit(source.frame(1), Picture::Auto).unwrap();
    let WorkerError { step, error, .. } = units.blocking_recv().unwrap().unwrap_err();
    assert_eq!(step, FailedStep::Frame(Some(Timestamp(1))));
    assert!(matches!(error, Error::Driver(_)), "{error:?}");
    assert!(units.blocking_recv().is_none());
    assert!(frames.submit(source.frame(2), Picture::Auto).is_err());
    let counters = units.counters();
    assert_eq!((counters.submitted, counters.encoded, counters.failed), (2, 1, 1));
    stage.set("FAULT=");
    assert_eq!(units.stop(PATIENCE), Ok(()));
    stage.assert_clean_soon("an encoder that can do no more");
}

#[test]
fn what_is_told_of_the_time_is_within_what_was_measured_outside() {
    let ((frames, mut units), watch) = held();
    let source = Source::new(small());
    let before = Instant::now();
    for number in 0..2 {
        frames.submit(source.frame(number), Picture::Auto).unwrap();
        if number == 0 {
            assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(0));
        }
    }
    let held_for = ms(30);
    thread::sleep(held_for);
    drop(watch.turns);
    let [first, second] = [0, 1].map(|_| units.blocking_recv().unwrap().unwrap());
    assert!(first.coded_at() > before && second.coded_at() >= first.coded_at());
    assert!(second.waited() >= held_for && second.waited() < Instant::now() - before);
}
