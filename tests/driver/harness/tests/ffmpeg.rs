//! FFmpeg holds the double to account: its encoder, written for the real driver, runs on it with many settings. The
//! pictures must come back, nothing may be left behind, and no rule may be found broken: where one is, the rule is
//! wrong.
#![expect(clippy::unwrap_used, reason = "a test fails where something cannot be done")]

use std::path::{Path, PathBuf};

use d264_double::{Clip, Double, Report, decode, ffmpeg_or_say_so, psnr_y};

struct Run {
    pictures: Vec<u8>,
    stream: Vec<u8>,
    report: Report,
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn encode(name: &str, clip: &Clip, before: &str, options: &str) -> Run {
    // Headers apart from the stream need a container to be in.
    let file = if options.contains("global_header") { "out.mp4" } else { "out.h264" };
    let (stream, report) = (folder(name).join(file), folder(name).join("report.json"));
    let _ = std::fs::remove_file(&report);
    let output = Double::get()
        .command("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin"])
        .args(before.split_whitespace())
        .args(clip.input())
        .args(options.split_whitespace())
        .args(["-c:v", "h264_nvenc"])
        .arg(&stream)
        .env("D264_DOUBLE_REPORT", &report)
        .env("D264_DOUBLE_TRACE", "4000")
        .output()
        .unwrap();
    let report = Report::read(&report);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ffmpeg fails with `{options}`: {said}\n{:#?}", report.violations());
    report.assert_clean(&format!("ffmpeg with `{options}`"));
    Run { pictures: decode(&stream), stream: std::fs::read(&stream).unwrap(), report }
}

/// Encodes and compares with what went in.
fn check(name: &str, size: (usize, usize), before: &str, options: &str) -> Run {
    let clip = Clip::make(&folder(name), size, 40);
    let run = encode(name, &clip, before, options);
    assert_eq!(run.pictures.len(), clip.frames * clip.frame_bytes(), "`{options}`: pictures are lost");
    let psnr = psnr_y(&run.pictures, &clip.bytes(), size);
    assert!(psnr > 34.0, "`{options}`: {psnr:.1} dB");
    run
}

/// Units of a kind in an Annex B stream.
fn units(stream: &[u8], kind: u8) -> usize {
    stream.windows(4).filter(|four| four[..3] == [0, 0, 1] && four[3] & 0x1f == kind).count()
}

macro_rules! runs {
    ($($(#[$doc:meta])* $test:ident($size:expr, $before:expr, $options:expr) $(|$run:ident| $more:block)?;)*) => {
        $(
            $(#[$doc])*
            #[test]
            fn $test() {
                if ffmpeg_or_say_so(stringify!($test)) {
                    let _run = check(stringify!($test), $size, $before, $options);
                    $(let $run = &_run; $more)?
                }
            }
        )*
    };
}

const LOW_LATENCY: &str =
    "-preset p1 -tune ull -rc cbr -zerolatency 1 -delay 0 -bf 0 -b:v 4M -profile:v baseline";
const UPLOAD: &str = "-init_hw_device cuda=gpu -filter_hw_device gpu";

runs! {
    defaults((640, 360), "", "-b:v 4M") |run| {
        assert_eq!(run.report.sessions()[0]["api"], "11.1");
        assert_eq!(run.report.sessions()[0]["frames"], 40);
        assert_eq!((units(&run.stream, 5), units(&run.stream, 7)), (1, 1));
    };
    low_latency((640, 360), "", LOW_LATENCY) |run| {
        let settings = &run.report.sessions()[0]["settings"];
        assert_eq!((&settings["preset"], &settings["tuningInfo"]), (&"P1".into(), &3.into()));
        assert_eq!(settings["rateControlMode"], 2);
    };
    forced_idr((640, 360), "", "-preset p1 -tune ull -b:v 4M -forced-idr 1 -force_key_frames expr:eq(mod(n,10),0)")
        |run| {
            assert_eq!(units(&run.stream, 5), 4);
            assert_eq!(units(&run.stream, 7), 4);
        };
    /// Without `-forced-idr` FFmpeg asks for intra pictures that are no IDR. The double has none and makes none up.
    forced_intra((640, 360), "", "-b:v 4M -force_key_frames expr:eq(mod(n,10),0)") |run| {
        assert_eq!(units(&run.stream, 5), 1);
    };
    nv12((640, 360), "", "-pix_fmt nv12 -b:v 4M");
    bgr0((640, 360), "", "-pix_fmt bgr0 -b:v 4M");
    rgb0((640, 360), "", "-pix_fmt rgb0 -b:v 4M");
    bgra((640, 360), "", "-pix_fmt bgra -b:v 4M");
    no_multiple_of_sixteen((642, 362), "", LOW_LATENCY);
    no_multiple_of_sixteen_nv12((650, 370), "", "-pix_fmt nv12 -b:v 4M");
    smallest((146, 50), "", "-b:v 2M");
    full_hd((1920, 1080), "", "-preset p4 -tune ll -b:v 8M");
    slices((640, 360), "", "-slices 4 -b:v 4M") |run| {
        assert_eq!(units(&run.stream, 5) + units(&run.stream, 1), 4 * 40);
    };
    constant_qp((640, 360), "", "-rc constqp -qp 20");
    vbr_with_a_maximum((640, 360), "", "-rc vbr -b:v 3M -maxrate 4M -bufsize 1M");
    high_profile_short_gop((640, 360), "", "-profile:v high -g 20 -b:v 4M") |run| {
        assert_eq!(units(&run.stream, 5), 2);
    };
    delimiters_and_intra_refresh((640, 360), "", "-aud 1 -intra-refresh 1 -b:v 4M") |run| {
        assert_eq!(units(&run.stream, 9), 40);
    };
    /// FFmpeg asks for one picture less than the period, and gets as many as there are rows for.
    periodic_intra_refresh((640, 360), "", "-intra-refresh 1 -g 20 -b:v 4M") |run| {
        assert_eq!(run.report.sessions()[0]["intra_refreshes"], serde_json::json!({"11": 1}));
        assert_eq!(units(&run.stream, 5), 1);
    };
    colour_is_signalled((640, 360), "", "-b:v 4M -colorspace bt709 -color_primaries bt709 -color_trc bt709") |run| {
        let colour = &run.report.sessions()[0]["settings"]["vui"]["colour"];
        assert_eq!(colour, &serde_json::json!([1, 1, 1]));
    };
    frames_on_the_gpu((640, 360), UPLOAD, "-vf format=nv12,hwupload -b:v 4M") |run| {
        assert!(run.report.calls("nvEncRegisterResource") > 0);
        assert_eq!(run.report.calls("nvEncMapInputResource"), run.report.calls("nvEncUnmapInputResource"));
    };
    planar_frames_on_the_gpu((642, 362), UPLOAD, "-vf format=yuv420p,hwupload -b:v 4M");
    packed_frames_on_the_gpu((640, 360), UPLOAD, "-vf format=bgr0,hwupload -b:v 4M");
    frames_in_the_primary_context(
        (640, 360),
        "-init_hw_device cuda=gpu,primary_ctx=1 -filter_hw_device gpu",
        "-vf format=nv12,hwupload_cuda -b:v 4M"
    );
    headers_apart_from_the_stream((640, 360), "", "-b:v 4M -flags +global_header") |run| {
        assert_eq!(run.report.calls("nvEncGetSequenceParams"), 1);
    };
    delayed_output((640, 360), "", "-delay 3 -surfaces 8 -b:v 4M");
}

/// FFmpeg reports an old driver and a GPU without an encoder in the words that it has for real ones.
#[test]
fn refusals_reach_ffmpeg() {
    if !ffmpeg_or_say_so("refusals_reach_ffmpeg") {
        return;
    }
    let clip = Clip::make(&folder("refusals"), (640, 360), 2);
    for (key, value, words) in [
        ("D264_DOUBLE_API", "11.0", "does not support the required nvenc API version"),
        ("D264_DOUBLE_GPUS", "none:H200", "OpenEncodeSessionEx failed: unsupported device (2)"),
        ("D264_DOUBLE_GPUS", "", "no CUDA-capable device is detected"),
        ("D264_DOUBLE_SESSIONS", "0", "OpenEncodeSessionEx failed: out of memory (10)"),
        ("D264_DOUBLE_CAPS", "WIDTH_MAX=320", "No capable devices found"),
        ("D264_DOUBLE_FAULT", "nvEncInitializeEncoder:1=20", "InitializeEncoder failed"),
    ] {
        let report = folder("refusals").join("report.json");
        let output = Double::get()
            .command("ffmpeg")
            .args(["-v", "error", "-nostdin"])
            .args(clip.input())
            .args(["-c:v", "h264_nvenc", "-f", "null", "-"])
            .env(key, value)
            .env("D264_DOUBLE_REPORT", &report)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{key}={value}: ffmpeg says `{said}`");
        Report::read(&report).assert_clean(&format!("ffmpeg with {key}={value}"));
    }
}

/// When a call fails FFmpeg gives up and cleans up; it breaks no rule on that way, so nor may the double find one broken.
#[test]
fn a_failing_call_leaves_ffmpeg_in_good_order() {
    if !ffmpeg_or_say_so("a_failing_call_leaves_ffmpeg_in_good_order") {
        return;
    }
    let clip = Clip::make(&folder("faults"), (640, 360), 20);
    for (fault, before, filter) in [
        ("nvEncEncodePicture:10=20", "", "null"),
        ("nvEncEncodePicture:10=18", "", "null"),
        ("nvEncLockBitstream:5=20", "", "null"),
        ("nvEncLockInputBuffer:4=20", "", "null"),
        ("nvEncUnlockBitstream:4=20", "", "null"),
        ("nvEncCreateInputBuffer:1=10", "", "null"),
        ("nvEncInitializeEncoder:1=10", "", "null"),
        ("cuCtxPushCurrent:20=700", "", "null"),
        ("cuCtxCreate:1=2", "", "null"),
        ("nvEncMapInputResource:3=16", UPLOAD, "format=nv12,hwupload"),
        ("nvEncRegisterResource:2=23", UPLOAD, "format=nv12,hwupload"),
    ] {
        let report = folder("faults").join("report.json");
        let output = Double::get()
            .command("ffmpeg")
            .args(["-v", "error", "-nostdin"])
            .args(before.split_whitespace())
            .args(clip.input())
            .args(["-vf", filter, "-c:v", "h264_nvenc", "-f", "null", "-"])
            .env("D264_DOUBLE_FAULT", fault)
            .env("D264_DOUBLE_REPORT", &report)
            .output()
            .unwrap();
        let report = Report::read(&report);
        assert_eq!(report.violations(), [], "{fault}: {}", String::from_utf8_lossy(&output.stderr));
        // The program itself leaves the context that it made for uploads.
        let leaks = report.leaks();
        assert!(leaks.iter().all(|(what, _)| !before.is_empty() && what == "contexts"), "{fault}: {leaks:?}");
    }
}

/// The one mistake of FFmpeg's own that the double found: an output buffer that cannot be made has the input buffer of
/// the same surface destroyed twice. Drivers follow handles unchecked, so the rule stays.
#[test]
fn ffmpeg_destroys_an_input_buffer_twice() {
    if !ffmpeg_or_say_so("ffmpeg_destroys_an_input_buffer_twice") {
        return;
    }
    let clip = Clip::make(&folder("twice"), (640, 360), 2);
    let report = folder("twice").join("report.json");
    let output = Double::get()
        .command("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(clip.input())
        .args(["-c:v", "h264_nvenc", "-f", "null", "-"])
        .env("D264_DOUBLE_FAULT", "nvEncCreateBitstreamBuffer:2=10")
        .env("D264_DOUBLE_REPORT", &report)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let report = Report::read(&report);
    report.assert_violation("nvEncDestroyInputBuffer", "does not exist");
    assert_eq!((report.violations().len(), report.leaks()), (1, Vec::new()));
}
