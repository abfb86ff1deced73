//! A stream on the driver double, with random faults and changes.

use std::collections::VecDeque;
use std::time::Duration;

use super::form::Form;
use super::numbers::Numbers;
use d264_double::{Double, Stage};
use direct264::config::{BackOff, CallForm, CallLimits, FailoverConfig, NvencConfig};
use direct264::{
    AccessUnit, Backend, BackendOrder, Bitrate, Encoder, EncoderConfig, FailoverEncoder, Frame, FrameRate,
    FrameSize, Picture, PixelFormat, QpRange, Timestamp, open,
};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

/// The most steps, since a long input takes long.
const MOST_STEPS: usize = 64;
/// The most calls that hang, since each costs the limit of a call.
const MOST_HANGS: usize = 2;

const CALLS: [&str; 23] = [
    "nvEncEncodePicture",
    "nvEncLockBitstream",
    "nvEncUnlockBitstream",
    "nvEncReconfigureEncoder",
    "nvEncOpenEncodeSessionEx",
    "nvEncInitializeEncoder",
    "nvEncGetEncodeCaps",
    "nvEncGetEncodePresetConfigEx",
    "nvEncGetSequenceParams",
    "nvEncRegisterResource",
    "nvEncUnregisterResource",
    "nvEncMapInputResource",
    "nvEncUnmapInputResource",
    "nvEncCreateBitstreamBuffer",
    "nvEncDestroyBitstreamBuffer",
    "nvEncDestroyEncoder",
    "cuMemcpy2DAsync",
    "cuMemHostAlloc",
    "cuMemAllocPitch",
    "cuCtxPushCurrent",
    "cuMemcpyHtoDAsync",
    "cuEventRecord",
    "cuStreamWaitEvent",
];
/// Statuses of the driver, an unknown status, and a call that takes long.
const ANSWERS: [&str; 10] = ["20", "10", "8", "2", "17", "18", "23", "1", "4000000000", "hang5"];
const SIZES: [(u32, u32); 6] = [(32, 32), (48, 32), (33, 31), (16, 64), (64, 48), (80, 16)];

struct Stream {
    form: Form<FailoverEncoder>,
    size: FrameSize,
    out: Out,
    /// The frames that went in and have not come out, with their sizes.
    inside: VecDeque<(Picture, FrameSize)>,
}

/// Checks access units as they come, with a decoder.
struct Out {
    decoder: Decoder,
    backend: Backend,
    frames: i64,
}

/// Opens a stream with settings that the bytes choose, and does what the bytes say: faults, session limits, frames,
/// sizes, rates, requests. Each frame comes out at once or one call later, whole and in order, and none is left at the
/// end.
pub(crate) fn failover(bytes: &[u8]) {
    let mut numbers = Numbers(bytes);
    let stage = Double::get().load();
    stage.set("CAPS=WIDTH_MIN=16,HEIGHT_MIN=16");
    let mut stream = Stream::open(&mut numbers);
    let mut hangs = 0;
    for _ in 0..MOST_STEPS {
        if numbers.is_empty() {
            break;
        }
        stream.step(&mut numbers, &stage, &mut hangs);
    }
    stage.set("FAULT=\nSESSIONS=");
    stream.frame(Picture::Auto);
    stream.flush();
    let counters = stream.form.encoder().counters();
    assert_eq!(
        counters.frames(Backend::Nvenc) + counters.frames(Backend::OpenH264),
        stream.out.frames as u64
    );
    drop(stream);
    stage.assert_clean_soon("the stream");
}

fn size((width, height): (u32, u32)) -> FrameSize {
    FrameSize::new(width, height).unwrap()
}

fn timestamp(number: i64) -> Timestamp {
    Timestamp(3_003 * number - 7)
}

impl Stream {
    fn open(numbers: &mut Numbers<'_>) -> Self {
        let size = size(numbers.pick(&SIZES));
        let options = numbers.byte();
        let ms = Duration::from_millis;
        let limits = CallLimits::DEFAULT.open(ms(500)).first(ms(400)).rest(ms(300));
        let back_off = BackOff::new(ms(1), ms(8)).unwrap();
        let failover = FailoverConfig::new()
            .retry((options & 3 != 0).then_some(back_off))
            .warm_software(options & 4 != 0)
            .bitrate_threshold_percent(if options & 8 != 0 { 0 } else { 10 });
        let config = EncoderConfig::new(size, FrameRate::hz(30).unwrap(), Bitrate::from_kbps(200).unwrap())
            .max_size(FrameSize::new(if options & 16 != 0 { 96 } else { 64 }.max(size.width()), 64).unwrap())
            .nvenc(NvencConfig::new().form(CallForm::Bounded(limits)))
            .failover(failover);
        let encoder = open(&config, &BackendOrder::auto()).unwrap().encoder;
        let out = Out { decoder: Decoder::new().unwrap(), backend: encoder.backend(), frames: 0 };
        let form = Form::new(encoder, options & 32 != 0);
        Self { form, size, out, inside: VecDeque::new() }
    }

    fn step(&mut self, numbers: &mut Numbers<'_>, stage: &Stage, hangs: &mut usize) {
        match numbers.byte() % 16 {
            0..=4 => self.frame(Picture::Auto),
            5 => self.frame(Picture::Idr),
            6..=7 => {
                let (call, answer, when) =
                    (numbers.pick(&CALLS), numbers.pick(&ANSWERS), numbers.byte() % 3 + 1);
                stage.set(&format!("FAULT={call}:{when}={answer}"));
            }
            8 => {
                let spoiled = numbers.pick(&["empty", "garbage"]);
                stage.set(&format!("FAULT=nvEncLockBitstream:1={spoiled}"));
            }
            9 if *hangs < MOST_HANGS => {
                *hangs += 1;
                stage.set(&format!("FAULT={}:1=hang", numbers.pick(&CALLS)));
            }
            9 | 10 => stage.set("FAULT=\nSESSIONS="),
            11 => stage.set(&format!("SESSIONS={}", numbers.byte() % 3)),
            12 => self.size = size(numbers.pick(&SIZES)),
            13 => {
                let bitrate = Bitrate::from_kbps(20 + 8 * u64::from(numbers.byte())).unwrap();
                self.form.set_bitrate(bitrate);
            }
            14 => self.change(numbers),
            // Attempts at the hardware run on another thread.
            _ => std::thread::sleep(Duration::from_millis(u64::from(numbers.byte() % 4))),
        }
    }

    fn change(&mut self, numbers: &mut Numbers<'_>) {
        match numbers.byte() % 5 {
            0 => self.form.set_frame_rate(FrameRate::hz(numbers.pick(&[1, 15, 60])).unwrap()),
            1 => self.form.set_qp_range(QpRange::new(numbers.pick(&[10, 14]), 44).unwrap()),
            2 => assert!(!self.form.parameter_sets().is_empty()),
            3 => {
                self.size = size(numbers.pick(&SIZES));
                self.form.set_size(self.size).unwrap();
            }
            _ => self.flush(),
        }
    }

    fn frame(&mut self, picture: Picture) {
        let number = self.out.frames + self.inside.len() as i64;
        let pixels: Vec<u8> = (0..PixelFormat::I420.frame_bytes(self.size) as i64)
            .map(|at| (at / 7 + 5 * number) as u8)
            .collect();
        let frame = Frame::contiguous(self.size, PixelFormat::I420, &pixels, timestamp(number)).unwrap();
        let Self { form, out, inside, .. } = self;
        inside.push_back((picture, self.size));
        form.frame(&frame, picture, |unit| out.look(inside.pop_front(), &unit));
        assert!(inside.len() <= usize::from(matches!(form, Form::Pipelined(_))), "one behind at most");
        self.look_at_events();
    }

    fn flush(&mut self) {
        let Self { form, out, inside, .. } = self;
        form.flush(|unit| out.look(inside.pop_front(), &unit));
        assert!(inside.is_empty(), "all that went in is out");
        self.look_at_events();
    }

    fn look_at_events(&mut self) {
        let frames = self.out.frames as u64 + self.inside.len() as u64;
        let told = self.form.take_events();
        assert!(told.iter().all(|event| event.frame_id.0 <= frames), "{told:?}");
    }
}

impl Out {
    fn look(&mut self, of: Option<(Picture, FrameSize)>, unit: &AccessUnit<'_>) {
        // Each frame has one access unit.
        let (picture, size) = of.unwrap();
        let is_first = self.frames == 0;
        assert_eq!(unit.timestamp, timestamp(self.frames));
        assert!(unit.is_idr || (picture == Picture::Auto && !is_first && unit.backend == self.backend));
        assert_eq!(unit.nal_ranges.last().map(|range| range.end), Some(unit.bytes.len()));
        let decoded =
            self.decoder.decode(unit.bytes).unwrap().expect("a picture for each access unit, at once");
        let padded = size.padded_to_even();
        assert_eq!(decoded.dimensions(), (padded.width() as usize, padded.height() as usize));
        self.backend = unit.backend;
        self.frames += 1;
    }
}
