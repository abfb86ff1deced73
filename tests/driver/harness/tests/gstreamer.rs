//! GStreamer holds the double to account too: its encoders, written for the real driver, run on it. They use the presets
//! before P1 to P7, make calls without a context, and give no pitch with a registered picture, and real drivers take that.
#![expect(clippy::unwrap_used, reason = "a test fails where something cannot be done")]

use std::io::Write;
use std::path::Path;
use std::process::Command;

use d264_double::{Clip, Double, Report, decode, ffmpeg_or_say_so, psnr_y};

/// Whether GStreamer with its NVENC plugin is here; says aloud when it is not.
fn gstreamer_or_say_so(test: &str) -> bool {
    let inspect = |what: &str| Command::new("gst-inspect-1.0").args(["--exists", what]).status();
    // Without a driver the plugin has no elements, and is there all the same.
    let found = inspect("rawvideoparse").is_ok_and(|status| status.success())
        && Command::new("gst-inspect-1.0")
            .arg("nvcodec")
            .output()
            .is_ok_and(|output| output.status.success());
    if !found {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: there is no GStreamer with nvcodec here");
    }
    found
}

fn check(name: &str, encoder: &str) {
    if !(ffmpeg_or_say_so(name) && gstreamer_or_say_so(name)) {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let size = (320, 240);
    let clip = Clip::make(&folder, size, 40);
    let [stream, report, registry] = ["out.h264", "report.json", "registry"].map(|file| folder.join(file));
    let _ = std::fs::remove_file(&report);
    let pipeline = format!(
        "filesrc location={} ! rawvideoparse width=320 height=240 format=i420 framerate=30/1 ! {encoder} ! \
         video/x-h264,stream-format=byte-stream ! filesink location={}",
        clip.path.display(),
        stream.display()
    );
    let output = Double::get()
        .command("gst-launch-1.0")
        .arg("-q")
        .args(pipeline.split_whitespace())
        // A registry of its own: elsewhere the plugin is known for having no elements.
        .env("GST_REGISTRY", &registry)
        .env("GST_REGISTRY_FORK", "no")
        .env("D264_DOUBLE_REPORT", &report)
        .env("D264_DOUBLE_CONTEXT", "any")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && stream.exists(), "gst-launch-1.0 {pipeline}: {said}");
    Report::read(&report).assert_clean(encoder);
    let pictures = decode(&stream);
    assert_eq!(pictures.len(), clip.frames * clip.frame_bytes(), "{encoder}: pictures are lost");
    let psnr = psnr_y(&pictures, &clip.bytes(), size);
    assert!(psnr > 30.0, "{encoder}: {psnr:.1} dB");
}

#[test]
fn its_first_encoder_runs() {
    check("gst_first", "nvh264enc preset=low-latency-hp bitrate=2000 zerolatency=true");
}

#[test]
fn its_second_encoder_runs() {
    check(
        "gst_second",
        "videoconvert ! video/x-raw,format=NV12 ! nvcudah264enc preset=low-latency-hp bitrate=2000",
    );
}
