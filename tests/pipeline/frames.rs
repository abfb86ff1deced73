//! The pipelined form: the same access units as frame by frame, with the next frame on its way up while one is encoded.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::num::NonZeroU32;

use crate::common;
use crate::common::device::{self, Device, DevicePicture};
use crate::common::{config, picture, size};
use d264_double::{Double, Stage};
use direct264::config::{CallForm, NvencConfig};
use direct264::error::FrameError;
use direct264::frame::RgbOrder;
use direct264::nvenc::NvencEncoder;
use direct264::openh264::OpenH264Encoder;
use direct264::{
    AccessUnit, Backend, BackendOrder, Bitrate, Encoder, EncoderConfig, Error, Event, EventKind, Frame,
    FrameRate, FrameSize, OwnedAccessUnit, Picture, Pipeline, PixelFormat, QpRange, Timestamp, open,
};

/// One of the two ways to bring frames to an encoder.
trait Way {
    fn frame(&mut self, frame: &Frame<'_>, picture: Picture, units: &mut Vec<OwnedAccessUnit>);
    fn rest(&mut self, units: &mut Vec<OwnedAccessUnit>);
    fn set_bitrate(&mut self, bitrate: Bitrate);
    fn set_frame_rate(&mut self, frame_rate: FrameRate);
    fn set_qp_range(&mut self, qp_range: QpRange);
    fn set_size(&mut self, size: FrameSize);
    fn parameter_sets(&mut self) -> Vec<u8>;
    fn take_events(&mut self) -> Vec<Event>;
}

struct OneByOne<E>(E);

impl<E: Encoder> Way for OneByOne<E> {
    fn frame(&mut self, frame: &Frame<'_>, picture: Picture, units: &mut Vec<OwnedAccessUnit>) {
        units.push(self.0.encode(frame, picture).unwrap().to_owned());
    }
    fn rest(&mut self, _: &mut Vec<OwnedAccessUnit>) {}
    fn set_bitrate(&mut self, bitrate: Bitrate) {
        self.0.set_bitrate(bitrate).unwrap();
    }
    fn set_frame_rate(&mut self, frame_rate: FrameRate) {
        self.0.set_frame_rate(frame_rate).unwrap();
    }
    fn set_qp_range(&mut self, qp_range: QpRange) {
        self.0.set_qp_range(qp_range).unwrap();
    }
    fn set_size(&mut self, size: FrameSize) {
        self.0.set_size(size).unwrap();
    }
    fn parameter_sets(&mut self) -> Vec<u8> {
        self.0.parameter_sets().unwrap()
    }
    fn take_events(&mut self) -> Vec<Event> {
        self.0.take_events()
    }
}

impl<E: Encoder> Way for Pipeline<E> {
    fn frame(&mut self, frame: &Frame<'_>, picture: Picture, units: &mut Vec<OwnedAccessUnit>) {
        units.extend(self.submit(frame, picture).unwrap().map(|unit| unit.unwrap().to_owned()));
    }
    fn rest(&mut self, units: &mut Vec<OwnedAccessUnit>) {
        units.extend(self.flush().unwrap().map(|unit| unit.unwrap().to_owned()));
        assert_eq!(self.flush().unwrap().len(), 0);
    }
    fn set_bitrate(&mut self, bitrate: Bitrate) {
        self.encoder_mut().set_bitrate(bitrate).unwrap();
    }
    fn set_frame_rate(&mut self, frame_rate: FrameRate) {
        self.encoder_mut().set_frame_rate(frame_rate).unwrap();
    }
    fn set_qp_range(&mut self, qp_range: QpRange) {
        self.encoder_mut().set_qp_range(qp_range).unwrap();
    }
    fn set_size(&mut self, size: FrameSize) {
        self.encoder_mut().set_size(size).unwrap();
    }
    fn parameter_sets(&mut self) -> Vec<u8> {
        self.encoder_mut().parameter_sets().unwrap()
    }
    fn take_events(&mut self) -> Vec<Event> {
        self.encoder_mut().take_events()
    }
}

/// Who encodes, frame by frame and pipelined.
type BothWays = (String, Box<dyn Way>, Box<dyn Way>);

/// Every encoder that there is, in both ways.
fn both_ways(config: &EncoderConfig) -> Vec<BothWays> {
    fn pair<E: Encoder + 'static>(who: &str, make: impl Fn() -> E) -> BothWays {
        (who.to_owned(), Box::new(OneByOne(make())), Box::new(Pipeline::new(make())))
    }
    let direct = config.clone().nvenc(NvencConfig::new().form(CallForm::Direct));
    vec![
        pair("nvenc", || NvencEncoder::new(config).unwrap()),
        pair("nvenc, direct", || NvencEncoder::new(&direct).unwrap()),
        pair("openh264", || OpenH264Encoder::new(config).unwrap()),
        pair("failover", || open(config, &BackendOrder::auto()).unwrap().encoder),
        pair("failover, in software", || open(config, &"openh264".parse().unwrap()).unwrap().encoder),
    ]
}

fn stage() -> Stage {
    let stage = Double::get().load();
    stage.set("CAPS=WIDTH_MIN=16,HEIGHT_MIN=16");
    stage
}

fn host_pixels(format: PixelFormat, size: FrameSize, number: u32) -> Vec<u8> {
    let mut pixels = picture::Camera::new(size).i420(number);
    pixels.resize(format.frame_bytes(size), 77);
    pixels
}

fn assert_same(who: &str, one_by_one: &[OwnedAccessUnit], piped: &[OwnedAccessUnit]) {
    assert_eq!(one_by_one.len(), piped.len(), "{who}");
    for (number, (one, other)) in one_by_one.iter().zip(piped).enumerate() {
        assert_eq!((one.timestamp, one.is_idr), (other.timestamp, other.is_idr), "{who}: frame {number}");
        assert_eq!((one.qp, one.backend), (other.qp, other.backend), "{who}: frame {number}");
        assert_eq!(one.nal_ranges, other.nal_ranges, "{who}: frame {number}");
        assert!(one.bytes == other.bytes, "{who}: frame {number} has other bytes");
        let times = other.times;
        let stages = times.convert + times.upload + times.submit + times.wait + times.copy;
        assert!(stages <= times.total, "{who}: frame {number}: {times:?}");
    }
}

/// A stream with all that can be changed in it.
fn eventful(
    way: &mut dyn Way,
    format: PixelFormat,
    big: FrameSize,
    small: FrameSize,
) -> Vec<OwnedAccessUnit> {
    let mut units = Vec::new();
    let mut size = small;
    for number in 0..20 {
        match number {
            3 => way.set_bitrate(Bitrate::from_kbps(400).unwrap()),
            5 => way.set_frame_rate(FrameRate::hz(15).unwrap()),
            6 => way.set_qp_range(QpRange::new(20, 40).unwrap()),
            7 => assert!(way.parameter_sets().starts_with(&[0, 0, 0, 1])),
            // The level has to rise with it.
            9 => way.set_bitrate(Bitrate::from_mbps(20).unwrap()),
            13 | 17 => {
                size = if number == 13 { big } else { small };
                way.set_size(size);
            }
            14 => way.set_bitrate(Bitrate::from_kbps(700).unwrap()),
            _ => {}
        }
        let picture = if [4, 11, 18].contains(&number) { Picture::Idr } else { Picture::Auto };
        let pixels = host_pixels(format, size, number);
        let frame =
            Frame::contiguous(size, format, &pixels, Timestamp(i64::from(number) * 3_000 - 7)).unwrap();
        way.frame(&frame, picture, &mut units);
    }
    way.rest(&mut units);
    units
}

#[test]
fn access_units_and_events_are_those_of_one_frame_at_a_time() {
    let stage = stage();
    let (small, big) = (size(162, 98), size(241, 135));
    let config = config(small, 30, 500).max_size(size(640, 360)).idr_period_frames(NonZeroU32::new(7));
    for name in ["i420", "nv12", "bgr24", "rgba"] {
        let format = PixelFormat::NAMED.into_iter().find(|named| named.0 == name).unwrap().1;
        for (who, mut one_by_one, mut piped) in both_ways(&config) {
            let who = format!("{who}, {name}");
            let expected = eventful(&mut *one_by_one, format, big, small);
            assert_same(&who, &expected, &eventful(&mut *piped, format, big, small));
            assert_eq!(expected.len(), 20);
            assert_eq!(one_by_one.take_events(), piped.take_events(), "{who}");
        }
    }
    stage.report().assert_clean("both ways");
}

#[test]
fn a_gpu_that_needs_a_new_session_for_a_change_loses_no_frame_to_it() {
    let stage = stage();
    stage.set("CAPS=WIDTH_MIN=16,HEIGHT_MIN=16,SUPPORT_DYN_BITRATE_CHANGE=0,SUPPORT_DYN_RES_CHANGE=0");
    let (small, big) = (size(160, 96), size(320, 180));
    for (who, mut one_by_one, mut piped) in both_ways(&config(small, 30, 500)) {
        let expected = eventful(&mut *one_by_one, PixelFormat::Nv12, big, small);
        assert_same(&who, &expected, &eventful(&mut *piped, PixelFormat::Nv12, big, small));
        assert_eq!(one_by_one.take_events(), piped.take_events(), "{who}");
    }
    stage.report().assert_clean("sessions one after the other");
}

#[test]
fn a_driver_without_streams_of_its_own_gives_the_same() {
    let stage = stage();
    stage.set("WITHOUT=nvEncSetIOCudaStreams");
    let (small, big) = (size(160, 96), size(320, 180));
    for (who, mut one_by_one, mut piped) in both_ways(&config(small, 30, 500)) {
        let expected = eventful(&mut *one_by_one, PixelFormat::I420, big, small);
        assert_same(&who, &expected, &eventful(&mut *piped, PixelFormat::I420, big, small));
    }
    stage.report().assert_clean("uploads that the host waits for");
}

/// Frames in device memory: read in place, copied on the GPU, downloaded, and by turns with frames of the host.
#[test]
fn frames_in_device_memory_give_the_same() {
    let stage = stage();
    let size = size(320, 180);
    let device = Device::new();
    let formats = [PixelFormat::Nv12, PixelFormat::Rgb(RgbOrder::Bgra)];
    let pictures: Vec<DevicePicture> = (0..6)
        .map(|number| DevicePicture::new(&device, size, formats[usize::from(number % 3 == 2)], 1280))
        .collect();
    for (who, one_by_one, piped) in both_ways(&config(size, 30, 500)) {
        let run = |mut way: Box<dyn Way>| {
            let mut units = Vec::new();
            for number in 0..18_usize {
                let picture = if number == 7 { Picture::Idr } else { Picture::Auto };
                let at = &pictures[number % 6];
                let format = at.image.format();
                let pixels = match format {
                    PixelFormat::Nv12 => {
                        let i420 = picture::Camera::new(size).i420(number as u32);
                        device::nv12(size, &i420)
                    }
                    _ => host_pixels(format, size, number as u32),
                };
                // Written six frames after it was last read: that one has come out.
                at.write(&device, &pixels);
                let image = if number % 3 == 1 { at.image.freed_soon() } else { at.image };
                let of_host;
                let frame = if number % 5 == 4 {
                    of_host = Frame::contiguous(size, format, &pixels, Timestamp(number as i64)).unwrap();
                    of_host
                } else {
                    device::frame(size, image, number as i64)
                };
                way.frame(&frame, picture, &mut units);
                device.stream.synchronize().unwrap();
            }
            way.rest(&mut units);
            units
        };
        assert_same(&who, &run(one_by_one), &run(piped));
    }
    drop((pictures, device));
    stage.report().assert_clean("frames in device memory");
}

/// What is called for each frame at a steady state.
fn calls_for_a_frame(stage: &Stage, mut encode: impl FnMut(u32)) -> Vec<String> {
    (0..4).for_each(&mut encode);
    stage.set("TRACE=100000");
    encode(4);
    let one = stage.report().trace();
    encode(5);
    let two = stage.report().trace().split_off(one.len());
    assert_eq!(one, two, "a frame and the next");
    two.into_iter().map(|(name, _)| name).collect()
}

/// The one form: what a frame costs, call for call. The other: the next frame's upload and its submission come before
/// the wait for the frame in flight, and the upload is on a stream where nothing waits for that.
#[test]
fn the_next_frame_is_on_its_way_before_the_one_in_flight_is_waited_for() {
    let stage = stage();
    let size = size(320, 180);
    let pixels = host_pixels(PixelFormat::Nv12, size, 0);
    let frame = Frame::contiguous(size, PixelFormat::Nv12, &pixels, Timestamp(0)).unwrap();
    let bounded = config(size, 30, 500);
    let direct = bounded.clone().nvenc(NvencConfig::new().form(CallForm::Direct));
    for config in [bounded, direct] {
        stage.reset();
        let mut encoder = NvencEncoder::new(&config).unwrap();
        let calls = calls_for_a_frame(&stage, |_| {
            encoder.encode(&frame, Picture::Auto).unwrap();
        });
        let one_by_one = [
            "cuCtxPushCurrent",
            "cuMemcpyHtoDAsync",
            "nvEncEncodePicture",
            "nvEncLockBitstream",
            "nvEncUnlockBitstream",
            "cuCtxPopCurrent",
        ];
        assert_eq!(calls, one_by_one);
        drop(encoder);
        assert!(stage.report().json()["copies_behind_pictures"] == 0, "{}", stage.report().json());

        stage.reset();
        let mut pipeline = Pipeline::new(NvencEncoder::new(&config).unwrap());
        let mut handed_out = Vec::new();
        let calls = calls_for_a_frame(&stage, |number| {
            let frame =
                Frame::contiguous(size, PixelFormat::Nv12, &pixels, Timestamp(number.into())).unwrap();
            handed_out.extend(
                pipeline.submit(&frame, Picture::Auto).unwrap().map(|unit| unit.unwrap().timestamp.0),
            );
        });
        let piped = [
            "cuCtxPushCurrent",
            "cuMemcpyHtoDAsync",
            "cuEventRecord",
            "cuStreamWaitEvent",
            "nvEncEncodePicture",
            "nvEncLockBitstream",
            "nvEncUnlockBitstream",
            "cuCtxPopCurrent",
        ];
        assert_eq!(calls, piped);
        assert_eq!(handed_out, [0, 1, 2, 3, 4], "one behind");
        drop(pipeline);
        let report = stage.report();
        assert!(report.json()["copies_behind_pictures"] == 0, "{}", report.json());
        report.assert_clean("a pipeline");
    }
}

#[test]
fn what_is_in_flight_ends_with_the_pipeline() {
    let stage = stage();
    let size = size(320, 180);
    let device = Device::new();
    let place = DevicePicture::new(&device, size, PixelFormat::Nv12, 512);
    place.write(&device, &host_pixels(PixelFormat::Nv12, size, 1));
    let pixels = host_pixels(PixelFormat::I420, size, 0);
    let host = Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(0)).unwrap();
    let bounded = config(size, 30, 500);
    let direct = bounded.clone().nvenc(NvencConfig::new().form(CallForm::Direct));
    for config in [bounded, direct] {
        for frames in 1..4 {
            for image in [None, Some(place.image), Some(place.image.freed_soon())] {
                let frame = image.map_or(host, |image| device::frame(size, image, 0));
                let mut alone = Pipeline::new(NvencEncoder::new(&config).unwrap());
                let mut failover = Pipeline::new(open(&config, &BackendOrder::auto()).unwrap().encoder);
                for _ in 0..frames {
                    alone.submit(&frame, Picture::Auto).unwrap();
                    failover.submit(&frame, Picture::Auto).unwrap();
                }
                drop((alone, failover));
            }
        }
    }
    drop((place, device));
    stage.report().assert_clean("pipelines that were dropped");
}

fn timestamps<'u>(units: impl Iterator<Item = Result<AccessUnit<'u>, Error>>) -> Vec<i64> {
    units.map(|unit| unit.unwrap().timestamp.0).collect()
}

#[test]
fn a_frame_that_does_not_fit_is_refused_and_the_one_in_flight_still_comes() {
    let stage = stage();
    let size = size(320, 180);
    let pixels = host_pixels(PixelFormat::I420, size, 0);
    let frame = |number| Frame::contiguous(size, PixelFormat::I420, &pixels, Timestamp(number)).unwrap();
    let other = common::size(160, 96);
    let small = host_pixels(PixelFormat::I420, other, 0);
    let mut pipeline = Pipeline::new(NvencEncoder::new(&config(size, 30, 500)).unwrap());
    assert_eq!(timestamps(pipeline.submit(&frame(0), Picture::Auto).unwrap()), [0; 0]);
    let wrong_size = Frame::contiguous(other, PixelFormat::I420, &small, Timestamp(9)).unwrap();
    let nowhere = device::frame(size, direct264::frame::CudaImage::nv12(1 << 20, 512), 9);
    for wrong in [wrong_size, nowhere] {
        match pipeline.submit(&wrong, Picture::Idr).unwrap_err() {
            Error::Frame(FrameError::Size { .. } | FrameError::NoDeviceMemory { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(timestamps(pipeline.submit(&frame(1), Picture::Auto).unwrap()), [0]);
    // What a change had to wait for comes with the next call, once.
    pipeline.encoder_mut().set_size(other).unwrap();
    pipeline.encoder_mut().set_size(size).unwrap();
    assert_eq!(timestamps(pipeline.submit(&frame(2), Picture::Auto).unwrap()), [1]);
    pipeline.encoder_mut().forget_cuda(None).unwrap();
    assert_eq!(timestamps(pipeline.flush().unwrap()), [2]);
    assert_eq!(timestamps(pipeline.submit(&frame(3), Picture::Auto).unwrap()), [0; 0]);
    assert_eq!(timestamps(pipeline.flush().unwrap()), [3]);
    drop(pipeline);
    stage.report().assert_clean("a pipeline with frames that do not fit");
}

#[test]
fn the_failover_encoder_follows_the_size_with_a_frame_in_flight() {
    let stage = stage();
    let sizes = [size(160, 96), size(320, 180), size(320, 180), size(162, 98)];
    let mut pipeline =
        Pipeline::new(open(&config(sizes[0], 30, 500), &BackendOrder::auto()).unwrap().encoder);
    let mut units = Vec::new();
    for (number, size) in sizes.into_iter().enumerate() {
        let pixels = host_pixels(PixelFormat::Nv12, size, number as u32);
        let frame = Frame::contiguous(size, PixelFormat::Nv12, &pixels, Timestamp(number as i64)).unwrap();
        pipeline.frame(&frame, Picture::Auto, &mut units);
        assert_eq!(units.len(), number);
    }
    pipeline.rest(&mut units);
    let idrs: Vec<bool> = units.iter().map(|unit| unit.is_idr).collect();
    assert_eq!(idrs, [true, true, false, true]);
    let recreated: Vec<u64> = pipeline
        .take_events()
        .into_iter()
        .filter(|event| matches!(event.kind, EventKind::Recreated { .. }))
        .map(|event| event.frame_id.0)
        .collect();
    assert_eq!(recreated, [1, 3]);
    let (counters, latency) = (pipeline.encoder().counters(), pipeline.encoder().latency());
    assert_eq!((counters.frames(Backend::Nvenc), latency.frames), (4, 4));
    drop(pipeline);
    stage.report().assert_clean("a pipeline that follows the size");
}

/// The time of a frame is from the call that brought it to the one that gives its access unit.
#[test]
fn the_time_of_a_frame_is_until_it_is_handed_out() {
    let _stage = stage();
    let size = size(160, 96);
    let pixels = host_pixels(PixelFormat::Nv12, size, 0);
    let frame = Frame::contiguous(size, PixelFormat::Nv12, &pixels, Timestamp(0)).unwrap();
    let mut pipeline = Pipeline::new(open(&config(size, 30, 500), &BackendOrder::auto()).unwrap().encoder);
    pipeline.submit(&frame, Picture::Auto).unwrap();
    let pause = std::time::Duration::from_millis(30);
    std::thread::sleep(pause);
    let times = pipeline.flush().unwrap().next().unwrap().unwrap().times;
    assert!(times.total >= pause, "{times:?}");
    assert!(pipeline.encoder().latency().max >= pause);
}
