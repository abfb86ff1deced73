//! Streams that nobody thought of: random sizes, formats, strides, settings and changes in flight. Whatever they are,
//! on either backend, each frame becomes one access unit that a decoder shows at once, of the right size, close to the
//! source, and an IDR only where one was due; and pipelined the same bytes.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::num::NonZeroU8;

use crate::common;
use crate::common::cases::cases;
use crate::common::form::Form;
use crate::common::picture::Camera;
use crate::common::{decode, nvenc, size, unhurried};
use direct264::annexb::NalKind;
use direct264::config::Profile;
use direct264::error::ConfigError;
use direct264::frame::{Plane, RgbOrder};
use direct264::openh264::OpenH264Encoder;
use direct264::{
    Backend, Bitrate, Encoder, EncoderConfig, Error, EventKind, Frame, FrameRate, FrameSize, OwnedAccessUnit,
    Picture, PixelFormat, QpRange, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::proptest;

/// What happens before a frame.
#[derive(Debug, Clone, Copy)]
enum Step {
    Nothing,
    Idr,
    Bitrate(Bitrate),
    FrameRate(FrameRate),
    Size(FrameSize),
    Quantisers(QpRange),
}

/// A stream to be.
#[derive(Debug, Clone)]
struct Scenario {
    config: EncoderConfig,
    format: PixelFormat,
    /// Bytes between the end of a row and the start of the next.
    gap_bytes: usize,
    steps: Vec<Step>,
    with_ffmpeg: bool,
}

fn sizes() -> impl Strategy<Value = FrameSize> {
    let sides = prop_oneof![
        4 => (16..=320u32, 16..=240u32),
        2 => (16..=40u32, 16..=40u32),
        1 => (16..=20u32, 1_000..=3_000u32),
        1 => (1_000..=3_000u32, 16..=20u32),
    ];
    sides.prop_map(|(width, height)| size(width, height))
}

fn bitrates() -> impl Strategy<Value = Bitrate> {
    // As many low ones as high ones.
    (1.5f64..7.5).prop_map(|exponent| Bitrate::from_bps(10f64.powf(exponent) as u64 + 1_000).unwrap())
}

fn frame_rates() -> impl Strategy<Value = FrameRate> {
    prop_oneof![
        (1..=240u32).prop_map(|hz| FrameRate::hz(hz).unwrap()),
        Just(FrameRate::new(30_000, 1_001).unwrap()),
        Just(FrameRate::new(1, 10).unwrap()),
        Just(FrameRate::hz(1_000).unwrap()),
    ]
}

fn quantisers() -> impl Strategy<Value = QpRange> {
    (0..=51u8, 0..=51u8).prop_map(|(a, b)| QpRange::new(a.min(b), a.max(b)).unwrap())
}

fn formats() -> impl Strategy<Value = PixelFormat> {
    (0..PixelFormat::NAMED.len()).prop_map(|at| PixelFormat::NAMED[at].1)
}

fn profiles() -> impl Strategy<Value = Profile> {
    prop_oneof![Just(Profile::ConstrainedBaseline), Just(Profile::Main), Just(Profile::High)]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Nothing),
        2 => Just(Step::Idr),
        1 => bitrates().prop_map(Step::Bitrate),
        1 => frame_rates().prop_map(Step::FrameRate),
        1 => sizes().prop_map(Step::Size),
        1 => quantisers().prop_map(Step::Quantisers),
    ]
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let counts = (1..=4u8, 1..=4u8, any::<bool>());
    let config = (sizes(), frame_rates(), bitrates(), profiles(), quantisers(), any::<bool>(), counts);
    let config = config.prop_map(|(size, rate, bitrate, profile, quantisers, has_range, counts)| {
        let config = EncoderConfig::new(size, rate, bitrate).profile(profile).nvenc(unhurried());
        let config = if has_range { config.qp_range(quantisers) } else { config };
        let (slices, threads, has_counts) = counts;
        // No slice is shorter than a row of macroblocks.
        let slices = if size.height() < 64 { 1 } else { slices };
        match has_counts {
            true => config.slices(NonZeroU8::new(slices)).threads(NonZeroU8::new(threads)),
            false => config,
        }
    });
    let with_ffmpeg = prop_oneof![1 => Just(true), 3 => Just(false)];
    (config, formats(), 0..40usize, vec(steps(), 1..10), with_ffmpeg).prop_map(
        |(config, format, gap_bytes, steps, with_ffmpeg)| Scenario {
            config,
            format,
            gap_bytes,
            steps,
            with_ffmpeg,
        },
    )
}

/// The planes of a picture in one format, without gaps, each with the bytes of its rows; and the luma it should have.
struct Source {
    planes: Vec<(Vec<u8>, usize)>,
    luma: Vec<u8>,
}

impl Source {
    fn new(camera: &Camera, number: u32, size: FrameSize, format: PixelFormat) -> Self {
        let (width, height) = (size.width() as usize, size.height() as usize);
        let columns = size.chroma().0 as usize;
        let i420 = camera.i420(number);
        let (y, chroma) = i420.split_at(width * height);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        match format {
            PixelFormat::I420 => Self {
                planes: vec![(y.to_vec(), width), (u.to_vec(), columns), (v.to_vec(), columns)],
                luma: y.to_vec(),
            },
            PixelFormat::Nv12 => {
                let uv = u.iter().zip(v).flat_map(|(&u, &v)| [u, v]).collect();
                Self { planes: vec![(y.to_vec(), width), (uv, 2 * columns)], luma: y.to_vec() }
            }
            PixelFormat::Rgb(order) => Self::rgb(size, order, y, u, v),
            other => unreachable!("{other:?} is not named"),
        }
    }

    /// Red, green and blue from the three planes: colourful, and as smooth as they are.
    fn rgb(size: FrameSize, order: RgbOrder, y: &[u8], u: &[u8], v: &[u8]) -> Self {
        let (width, columns) = (size.width() as usize, size.chroma().0 as usize);
        let mut pixels = Vec::new();
        let mut luma = Vec::new();
        for (at, &red) in y.iter().enumerate() {
            let chroma = at / width / 2 * columns + at % width / 2;
            let (green, blue) = (u[chroma] / 2 + red / 2, v[chroma]);
            match order {
                RgbOrder::Rgb24 => pixels.extend([red, green, blue]),
                RgbOrder::Bgr24 => pixels.extend([blue, green, red]),
                RgbOrder::Rgba => pixels.extend([red, green, blue, at as u8]),
                RgbOrder::Bgra => pixels.extend([blue, green, red, at as u8]),
                other => panic!("{other:?}"),
            }
            let weighed = 0.2126 * f64::from(red) + 0.7152 * f64::from(green) + 0.0722 * f64::from(blue);
            luma.push((16.0 + weighed * 219.0 / 255.0).round() as u8);
        }
        Self { planes: vec![(pixels, width * order.bytes_per_pixel())], luma }
    }

    /// The same with `gap_bytes` of rubbish after each row but the last.
    fn with_gaps(mut self, gap_bytes: usize) -> Self {
        for (pixels, row_bytes) in &mut self.planes {
            let rows: Vec<&[u8]> = pixels.chunks(*row_bytes).collect();
            *pixels = rows.join(&vec![0xa5; gap_bytes][..]);
            *row_bytes += gap_bytes;
        }
        self
    }

    fn frame(&self, size: FrameSize, format: PixelFormat, timestamp: Timestamp) -> Frame<'_> {
        let plane = |at: usize| Plane::new(&self.planes[at].0, self.planes[at].1);
        let frame = match format {
            PixelFormat::I420 => Frame::i420(size, plane(0), plane(1), plane(2), timestamp),
            PixelFormat::Nv12 => Frame::nv12(size, plane(0), plane(1), timestamp),
            PixelFormat::Rgb(order) => Frame::rgb(size, order, plane(0), timestamp),
            other => unreachable!("{other:?} is not named"),
        };
        frame.unwrap()
    }
}

/// A coded frame and what it should show.
struct Coded {
    unit: OwnedAccessUnit,
    size: FrameSize,
    luma: Vec<u8>,
}

/// What a frame should have become.
struct Expected {
    is_idr: bool,
    may_raise_level: bool,
    timestamp: Timestamp,
    size: FrameSize,
    luma: Vec<u8>,
}

/// Encodes the whole scenario, and checks of each access unit what needs no decoder.
fn encode<E: Encoder>(scenario: &Scenario, encoder: E, is_pipelined: bool) -> Vec<Coded> {
    let mut camera = Camera::new(encoder.size());
    let mut form = Form::new(encoder, is_pipelined);
    let (mut units, mut expected) = (Vec::<OwnedAccessUnit>::new(), Vec::new());
    for (number, &step) in (0u32..).zip(&scenario.steps) {
        let mut is_idr = number == 0;
        match step {
            Step::Nothing => {}
            Step::Idr => is_idr = true,
            Step::Bitrate(bitrate) => form.set_bitrate(bitrate),
            Step::FrameRate(rate) => form.set_frame_rate(rate),
            Step::Quantisers(range) => form.set_qp_range(range),
            Step::Size(size) => {
                let has_changed = size != form.encoder().size();
                match form.set_size(size) {
                    Ok(()) => is_idr |= has_changed,
                    // More slices than rows of macroblocks: refused, and the stream goes on as it was.
                    Err(Error::Config(ConfigError::Slices { .. })) => assert!(size.macroblocks().1 < 4),
                    Err(error) => panic!("{size}: {error:?}"),
                }
                camera = Camera::new(form.encoder().size());
            }
        }
        let size = form.encoder().size();
        let source = Source::new(&camera, number, size, scenario.format).with_gaps(scenario.gap_bytes);
        let picture = if matches!(step, Step::Idr) { Picture::Idr } else { Picture::Auto };
        let timestamp = Timestamp(i64::from(number) * 3_003 - 7);
        form.take_events();
        let frame = source.frame(size, scenario.format, timestamp);
        form.frame(&frame, picture, |unit| units.push(unit.to_owned()));
        // A picture that outgrows the library's buffer starts anew, and says so.
        is_idr |= form.take_events().iter().any(|event| matches!(event.kind, EventKind::Recreated { .. }));
        // NVIDIA's drivers limit rate and VBV to the level, which an IDR raises.
        let is_of_rate = matches!(step, Step::Bitrate(_) | Step::FrameRate(_));
        let may_raise_level = is_of_rate && form.encoder().backend() == Backend::Nvenc;
        expected.push(Expected { is_idr, may_raise_level, timestamp, size, luma: source.luma });
        assert!(units.len() + 1 >= expected.len(), "one behind at most");
    }
    form.flush(|unit| units.push(unit.to_owned()));
    assert_eq!(units.len(), scenario.steps.len());
    let mut level = 0;
    let check = |(number, (unit, expected)): (usize, (OwnedAccessUnit, Expected))| {
        let Expected { is_idr, may_raise_level, timestamp, size, luma } = expected;
        let before = level;
        if unit.is_idr {
            level = common::sps::first(&unit.bytes).level_idc;
        }
        let is_idr = is_idr || (may_raise_level && level > before);
        assert_eq!((unit.is_idr, unit.timestamp), (is_idr, timestamp), "frame {number}");
        check_structure(&unit);
        Coded { unit, size, luma }
    };
    units.into_iter().zip(expected).enumerate().map(check).collect()
}

/// Encodes the scenario in both forms, which makes no difference, and looks at what came out.
fn check<E: Encoder>(scenario: &Scenario, open: impl Fn() -> E) {
    let [coded, pipelined] = [false, true].map(|is_pipelined| encode(scenario, open(), is_pipelined));
    for (number, (one, other)) in coded.iter().zip(&pipelined).enumerate() {
        assert!(one.unit.bytes == other.unit.bytes, "frame {number} pipelined");
    }
    check_pictures(&coded);
    if scenario.with_ffmpeg {
        check_with_ffmpeg(&coded);
    }
}

/// One picture, its NAL units end to end, parameter sets with an IDR and nowhere else.
fn check_structure(unit: &OwnedAccessUnit) {
    let mut end = 0;
    for range in &unit.nal_ranges {
        assert_eq!(range.start, end);
        assert!(unit.bytes[range.clone()].starts_with(&[0, 0, 0, 1]));
        end = range.end;
    }
    assert_eq!(end, unit.bytes.len());
    let kinds: Vec<NalKind> = unit.nals().map(|nal| nal.kind()).collect();
    assert_eq!(kinds.len(), unit.nal_ranges.len());
    let slice = if unit.is_idr { NalKind::IdrSlice } else { NalKind::Slice };
    let sets = if unit.is_idr { &[NalKind::Sps, NalKind::Pps][..] } else { &[] };
    assert!(kinds.starts_with(sets), "{kinds:?}");
    assert!(kinds.len() > sets.len() && kinds[sets.len()..].iter().all(|&kind| kind == slice), "{kinds:?}");
    // A picture's first slice begins at macroblock 0, whose Exp-Golomb code is the bit 1.
    let firsts = unit.nals().filter(|nal| nal.kind() == slice && nal.bytes()[1] & 0x80 != 0);
    assert_eq!(firsts.count(), 1);
}

/// What a quantiser leaves of a picture at the least, in dB of luma. Where a fine one follows a coarse one openh264 codes
/// macroblocks coarser whose levels no CAVLC word holds, hence the upper end.
fn floor_db(qp: u8) -> f64 {
    (52.0 - 0.9 * f64::from(qp)).clamp(8.0, 38.0)
}

fn check_pictures(coded: &[Coded]) {
    let units = coded.iter().map(|coded| &coded.unit.bytes[..]);
    // A macroblock that is skipped looks as it did when it was last coded, which may have been coarser.
    let mut coarsest = 0;
    for (number, (decoded, coded)) in decode::openh264(units).iter().zip(coded).enumerate() {
        let padded = coded.size.padded_to_even();
        assert_eq!(decoded.len(), PixelFormat::I420.frame_bytes(padded), "frame {number}");
        let width = coded.size.width() as usize;
        let rows = decoded.chunks(padded.width() as usize).take(coded.size.height() as usize);
        let luma: Vec<u8> = rows.flat_map(|row| &row[..width]).copied().collect();
        let (psnr, qp) = (common::picture::psnr(&luma, &coded.luma), coded.unit.qp.unwrap());
        coarsest = if coded.unit.is_idr { qp } else { qp.max(coarsest) };
        assert!(psnr > floor_db(coarsest), "frame {number}: {psnr:.1} dB at quantisers up to {coarsest}");
    }
}

/// ffmpeg too shows every picture: each run of one size, since it would scale them to the first.
fn check_with_ffmpeg(coded: &[Coded]) {
    for run in coded.chunk_by(|a, b| a.size == b.size) {
        let stream: Vec<u8> = run.iter().flat_map(|coded| coded.unit.bytes.iter().copied()).collect();
        let Some(decoded) = decode::ffmpeg(&stream, run[0].size.padded_to_even()) else { return };
        assert_eq!(decoded.len(), run.len());
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn every_stream_of_the_software_is_whole(scenario in scenarios()) {
        check(&scenario, || OpenH264Encoder::new(&scenario.config).unwrap());
    }

    #[test]
    fn every_stream_of_the_hardware_is_whole(scenario in scenarios()) {
        check(&scenario, || nvenc(&scenario.config));
    }
}
