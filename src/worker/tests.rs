//! Tests the worker with an encoder that a test holds up, lets fail, and watches.

use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::{BitReader, decode_nal};
use pollster::block_on;

use super::watched::{Asked, Turn, Watch, Watched};
use super::{
    Closed, FramePool, FrameSender, HostFrame, StillRunning, ToFrame, Unit, UnitReceiver, WorkerConfig, spawn,
};
use crate::annexb::{NalKind, nals};
use crate::config::EncoderConfig;
use crate::encoder::Encoder;
use crate::format::PixelFormat;
use crate::openh264::OpenH264Encoder;
use crate::picture::Picture;
use crate::units::{Bitrate, FrameRate, FrameSize, QpRange, Timestamp};

/// The limit for events that must happen; no healthy run comes near it.
const PATIENCE: Duration = Duration::from_secs(120);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn size(width: u32, height: u32) -> FrameSize {
    FrameSize::new(width, height).unwrap()
}

fn small() -> FrameSize {
    size(160, 96)
}

/// A source of grey pictures as frames of a pool.
struct Source {
    pool: FramePool,
    size: FrameSize,
}

impl Source {
    fn new(size: FrameSize) -> Self {
        Self { pool: FramePool::new(8), size }
    }

    /// The picture with this number, which is its timestamp too.
    fn frame(&self, number: u32) -> HostFrame {
        let mut frame = self.pool.frame(self.size, PixelFormat::I420, Timestamp(i64::from(number)));
        frame.bytes_mut().fill(100 + (number % 100) as u8);
        frame
    }
}

fn plain() -> EncoderConfig {
    let (rate, bitrate) = (FrameRate::hz(30).unwrap(), Bitrate::from_kbps(300).unwrap());
    EncoderConfig::new(small(), rate, bitrate)
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

/// Receives all remaining units.
fn rest<F, E>(units: &mut UnitReceiver<F, E>) -> Vec<Unit> {
    std::iter::from_fn(|| units.blocking_recv()).map(Result::unwrap).collect()
}

/// The size in the first SPS of an access unit.
fn sps_size(unit: &[u8]) -> (u32, u32) {
    let nal = nals(unit).find(|nal| nal.kind() == NalKind::Sps).unwrap();
    let rbsp = decode_nal(nal.bytes()).unwrap();
    SeqParameterSet::from_bits(BitReader::new(&*rbsp)).unwrap().pixel_dimensions().unwrap()
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
    // No frame before the change is affected by it.
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
fn a_request_for_an_intra_refresh_passes_to_the_next_frame_too_and_only_there() {
    let ((frames, mut units), watch) = held();
    let source = Source::new(small());
    frames.submit(source.frame(0), Picture::Auto).unwrap();
    assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(0));
    let refresh = Picture::IntraRefresh { frames: NonZeroU32::new(5).unwrap() };
    frames.submit(source.frame(1), refresh).unwrap();
    frames.submit(source.frame(2), Picture::Auto).unwrap();
    watch.go();
    watch.go();
    assert_eq!(watch.entered.recv_timeout(PATIENCE), Ok(2));
    frames.submit(source.frame(3), Picture::Auto).unwrap();
    let asked = watch.asked();
    assert_eq!(asked, [Asked::Frame(0, Picture::Auto), Asked::Frame(2, refresh)]);
    drop((watch.turns, frames));
    rest(&mut units);
    assert_eq!(watch.asked.lock().unwrap().last(), Some(&Asked::Frame(3, Picture::Auto)));
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
    assert_eq!(sps_size(&first.bytes), (160, 96));
    assert_eq!(sps_size(&second.bytes), (320, 240));
    assert!(second.qp.is_some_and(|qp| (20..=40).contains(&qp)));
    let asked = watch.asked();
    assert_eq!(asked.first(), Some(&Asked::Frame(0, Picture::Auto)));
    // Changes that come one by one before a frame may be made as they come; the test only requires that they are made.
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
