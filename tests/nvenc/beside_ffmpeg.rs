//! A session of ours beside one of FFmpeg's on the same driver double: the same obligations in the same order, and
//! every difference of order, of settings and of picture flags listed with its reason. One that is not in the lists
//! fails, and so does a listed one that is not there.
//!
//! FFmpeg's command cannot change a bitrate in flight. What ours does then, without a reset and without an IDR, is in
//! `session.rs`.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::common;
use crate::common::config;
use d264_double::{Clip, Double, Report, ffmpeg_or_say_so, passed_as_child};

use direct264::nvenc::NvencEncoder;
use direct264::{Encoder, Frame, Picture, PixelFormat, Timestamp};
use serde_json::{Value, json};

const SIZE: (usize, usize) = (640, 360);
const FRAMES: usize = 6;
/// The frame at which a keyframe is asked for.
const KEYFRAME: usize = 3;

/// The options with which FFmpeg comes closest to our session.
const OPTIONS: &str = "-preset p1 -tune ull -rc cbr -zerolatency 1 -delay 0 -surfaces 1 -bf 0 -b:v 4M \
                       -profile:v baseline -force_key_frames expr:eq(n,3)";

/// Steps that come in another order: FFmpeg's first, FFmpeg's second, and why we turn them round.
const ORDER: &[(Step, Step, &str)] = &[
    (Step::Instance, Step::Cuda, INSTANCE_LATE),
    (Step::Instance, Step::Context, INSTANCE_LATE),
    (Step::Input, Step::Output, "the first frame tells what format the input has"),
];
const INSTANCE_LATE: &str =
    "the API version of the process is set as late as can be, right before the opening";

/// Settings that differ: name, FFmpeg's, ours, and why.
fn settings() -> Vec<(&'static str, Value, Value, &'static str)> {
    const NO_PERIOD: &str = "an IDR comes when it is asked for, and no other";
    const ONE_FRAME: &str = "the VBV holds one frame, so that no picture waits in it for longer";
    const QUANTISERS: &str = "the range of quantisers is a setting and always given";
    const ONE_REFERENCE: &str = "a decoder has to keep one picture";
    const ARMED: &str = "a request begins an intra refresh, and no period does";
    const SIZES: &str = "said aloud: the session's size is the largest it may change to";
    const COLOUR: &str = "the stream says what its colours are";
    let infinite = json!(u32::MAX);
    vec![
        (
            "api",
            json!("11.1"),
            json!("12.1"),
            "FFmpeg speaks the API it was built with, we the newest both know",
        ),
        ("gopLength", json!(250), infinite.clone(), NO_PERIOD),
        ("idrPeriod", json!(250), infinite, NO_PERIOD),
        ("vbvBufferSize", json!(8_000_000), json!(133_333), ONE_FRAME),
        ("vbvInitialDelay", json!(0), json!(133_333), ONE_FRAME),
        (
            "maxBitRate",
            json!(0),
            json!(4_000_000),
            "the same as no maximum in CBR, and right where CBR is missing",
        ),
        ("rcFlags", json!(0x200), json!(0x201), QUANTISERS),
        ("minQP.0", json!(0), json!(10), QUANTISERS),
        ("minQP.1", json!(0), json!(10), QUANTISERS),
        ("minQP.2", json!(0), json!(10), QUANTISERS),
        ("maxQP.0", json!(0), json!(51), QUANTISERS),
        ("maxQP.1", json!(0), json!(51), QUANTISERS),
        ("maxQP.2", json!(0), json!(51), QUANTISERS),
        ("level", json!(0), json!(31), "known before the session, the same on both backends, at least 3.1"),
        (
            "entropyCodingMode",
            json!(1),
            json!(2),
            "CAVLC is what the baseline profile has; FFmpeg leaves CABAC in",
        ),
        ("adaptiveTransformMode", json!(2), json!(1), "the baseline profile has no 8x8 transform"),
        ("maxNumRefFrames", json!(0), json!(1), ONE_REFERENCE),
        ("numRefL0", json!(0), json!(1), ONE_REFERENCE),
        ("maxEncodeWidth", json!(0), json!(640), SIZES),
        ("maxEncodeHeight", json!(0), json!(360), SIZES),
        (
            "h264Flags",
            json!(0x1030),
            json!(0x1600),
            "no buffering period and picture timing messages: nothing uses them; armed for an intra refresh",
        ),
        ("intraRefreshPeriod", json!(0), json!(1 << 30), ARMED),
        ("intraRefreshCnt", json!(0), json!(11), ARMED),
        ("vui.videoFormat", json!(0), json!(5), "unspecified; FFmpeg says component"),
        ("vui.colourDescriptionPresentFlag", json!(0), json!(1), COLOUR),
        ("vui.colour.0", json!(2), json!(1), COLOUR),
        ("vui.colour.1", json!(2), json!(1), COLOUR),
        ("vui.colour.2", json!(2), json!(1), COLOUR),
        (
            "vui.bitstreamRestrictionFlag",
            json!(0),
            json!(1),
            "a decoder that knows of no reordering waits for none",
        ),
        (
            "picture_flags.1",
            json!(1),
            json!(null),
            "FFmpeg answers a request with an intra picture that is no IDR",
        ),
        (
            "picture_flags.6",
            json!(null),
            json!(2),
            "ours is a true IDR with SPS and PPS, as is the first picture",
        ),
        (
            "picture_flags.0",
            json!(5),
            json!(4),
            "the first picture is an IDR unasked; we ask for it all the same",
        ),
        ("picture_flags.8", json!(2), json!(1), "FFmpeg ends the stream once more when it closes"),
        ("idrs", json!(1), json!(2), "a true IDR on request"),
    ]
}

/// The obligations of a client, whichever calls fulfil them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    NewestVersion,
    Instance,
    Cuda,
    Context,
    Open,
    Codecs,
    Capabilities,
    Preset,
    Initialise,
    Streams,
    Input,
    Output,
    Pixels,
    Submit,
    Lock,
    Unlock,
    EndOfStream,
    InputBack,
    OutputBack,
    Destroy,
    ContextBack,
}

impl Step {
    /// None for what only looks or counts: devices, the contexts of a thread, streams, events and the memory.
    fn of(call: &str) -> Option<Self> {
        Some(match call {
            "NvEncodeAPIGetMaxSupportedVersion" => Self::NewestVersion,
            "NvEncodeAPICreateInstance" => Self::Instance,
            "cuInit" => Self::Cuda,
            "cuCtxCreate" | "cuDevicePrimaryCtxRetain" => Self::Context,
            "nvEncOpenEncodeSessionEx" => Self::Open,
            "nvEncGetEncodeGUIDCount" | "nvEncGetEncodeGUIDs" => Self::Codecs,
            "nvEncGetEncodeCaps" => Self::Capabilities,
            "nvEncGetEncodePresetConfigEx" => Self::Preset,
            "nvEncInitializeEncoder" => Self::Initialise,
            "nvEncSetIOCudaStreams" => Self::Streams,
            "nvEncCreateInputBuffer" | "nvEncRegisterResource" | "nvEncMapInputResource" => Self::Input,
            "nvEncCreateBitstreamBuffer" => Self::Output,
            "nvEncLockInputBuffer" | "nvEncUnlockInputBuffer" | "cuMemcpyHtoDAsync" => Self::Pixels,
            "nvEncEncodePicture" => Self::Submit,
            "nvEncLockBitstream" => Self::Lock,
            "nvEncUnlockBitstream" => Self::Unlock,
            "nvEncDestroyInputBuffer" | "nvEncUnmapInputResource" | "nvEncUnregisterResource" => {
                Self::InputBack
            }
            "nvEncDestroyBitstreamBuffer" => Self::OutputBack,
            "nvEncDestroyEncoder" => Self::Destroy,
            "cuCtxDestroy" | "cuDevicePrimaryCtxRelease" => Self::ContextBack,
            "cuCtxPushCurrent"
            | "cuCtxPopCurrent"
            | "cuDeviceGetCount"
            | "cuDeviceGet"
            | "cuDeviceGetName"
            | "cuDeviceGetUuid"
            | "cuDeviceComputeCapability"
            | "cuEventCreate"
            | "cuEventDestroy"
            | "cuCtxGetStreamPriorityRange"
            | "cuStreamCreate"
            | "cuStreamCreateWithPriority"
            | "cuStreamSynchronize"
            | "cuStreamDestroy"
            | "cuMemAllocPitch"
            | "cuMemFree"
            | "cuMemHostAlloc"
            | "cuMemFreeHost" => return None,
            other => panic!("nobody has said yet what {other} is about"),
        })
    }
}

/// The steps of a session, each once for as often as it follows itself. A picture that nobody locks is an end of stream.
fn steps(report: &Report) -> Vec<Step> {
    assert!(report.trace().iter().all(|(_, status)| *status == 0), "{:?}", report.trace());
    let mut steps: Vec<Step> = report.trace().iter().filter_map(|(call, _)| Step::of(call)).collect();
    for place in 0..steps.len() {
        if steps[place] == Step::Submit && steps.get(place + 1) != Some(&Step::Lock) {
            steps[place] = Step::EndOfStream;
        }
    }
    steps.dedup();
    steps
}

/// The pairs of steps of which the first comes first.
fn pairs(steps: &[Step]) -> BTreeSet<(Step, Step)> {
    let mut seen: Vec<Step> = Vec::new();
    for step in steps {
        if !seen.contains(step) {
            seen.push(*step);
        }
    }
    let pair =
        |(place, first): (usize, &Step)| seen[place + 1..].iter().map(|second| (*first, *second)).collect();
    seen.iter().enumerate().flat_map::<Vec<_>, _>(pair).collect()
}

/// The part in which frames are encoded.
fn frames(steps: &[Step]) -> &[Step] {
    let first = steps.iter().position(|step| *step == Step::Pixels).unwrap();
    let last = steps.iter().position(|step| *step == Step::EndOfStream).unwrap();
    &steps[first..last]
}

/// The settings of a session, nested names with points between.
fn asked(report: &Report) -> BTreeMap<String, Value> {
    let sessions = report.sessions();
    let session = sessions.last().unwrap();
    let mut flat = BTreeMap::new();
    flatten("", &session["settings"], &mut flat);
    flatten("picture_flags.", &session["picture_flags"], &mut flat);
    for name in ["api", "frames", "idrs"] {
        flatten(name, &session[name], &mut flat);
    }
    flat
}

fn flatten(name: &str, value: &Value, to: &mut BTreeMap<String, Value>) {
    let below = |key: &str| match name {
        "" => key.to_owned(),
        name => format!("{}.{key}", name.trim_end_matches('.')),
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&below(key), value, to)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(place, value)| flatten(&below(&place.to_string()), value, to));
        }
        value => {
            to.insert(name.to_owned(), value.clone());
        }
    }
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside_ffmpeg");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn ffmpeg(clip: &Clip) -> Report {
    let report = folder().join("report.json");
    let output = Double::get()
        .command("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin"])
        .args(clip.input())
        .args(OPTIONS.split_whitespace())
        .args(["-c:v", "h264_nvenc", "-f", "null", "-"])
        .env("D264_DOUBLE_REPORT", &report)
        .env("D264_DOUBLE_TRACE", "4000")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Report::read(&report)
}

fn ours(clip: &Clip) -> Report {
    let stage = Double::get().load();
    stage.set("TRACE=4000");
    let size = common::size(640, 360);
    let mut encoder = NvencEncoder::new(&config(size, 30, 4_000)).unwrap();
    for (number, pixels) in clip.bytes().chunks_exact(clip.frame_bytes()).enumerate() {
        let frame = Frame::contiguous(size, PixelFormat::I420, pixels, Timestamp(0)).unwrap();
        let picture = if number == KEYFRAME { Picture::Idr } else { Picture::Auto };
        encoder.encode(&frame, picture).unwrap();
    }
    drop(encoder);
    stage.report()
}

#[test]
fn a_session_does_what_ffmpegs_does_but_for_what_is_listed() {
    // In a process of its own: CUDA is initialised once, and that is part of it.
    let test = "a_session_does_what_ffmpegs_does_but_for_what_is_listed";
    if !ffmpeg_or_say_so(test) || passed_as_child(test, &[]) {
        return;
    }
    let clip = Clip::make(&folder(), SIZE, FRAMES);
    let (ffmpeg, ours) = (ffmpeg(&clip), ours(&clip));
    ffmpeg.assert_clean("ffmpeg");
    ours.assert_clean("direct264");
    let (their_steps, our_steps) = (steps(&ffmpeg), steps(&ours));

    let a_frame = [Step::Pixels, Step::Submit, Step::Lock, Step::Unlock];
    assert_eq!(frames(&their_steps), a_frame.repeat(FRAMES), "ffmpeg's frames");
    assert_eq!(frames(&our_steps), a_frame.repeat(FRAMES), "our frames");

    let (their_pairs, our_pairs) = (pairs(&their_steps), pairs(&our_steps));
    let turned: BTreeSet<_> = their_pairs.difference(&our_pairs).copied().collect();
    let listed: BTreeSet<_> = ORDER.iter().map(|(first, second, _)| (*first, *second)).collect();
    assert_eq!(turned, listed, "ffmpeg: {their_steps:?}\nours: {our_steps:?}");
    assert_eq!(their_pairs.len(), our_pairs.len(), "a step that ffmpeg does not have: {our_steps:?}");

    let (theirs, ours) = (asked(&ffmpeg), asked(&ours));
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let value = |of: &BTreeMap<String, Value>, name: &str| of.get(name).cloned().unwrap_or(Value::Null);
    let found: BTreeMap<String, (Value, Value)> = names
        .into_iter()
        .map(|name| (name.clone(), (value(&theirs, name), value(&ours, name))))
        .filter(|(_, (theirs, ours))| theirs != ours)
        .collect();
    let listed: BTreeMap<String, (Value, Value)> =
        settings().into_iter().map(|(name, theirs, ours, _)| (name.to_owned(), (theirs, ours))).collect();
    assert_eq!(found, listed);
}
