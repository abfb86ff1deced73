//! FFmpeg, which makes clips and decodes streams: a witness that nobody here wrote.

use std::io::Write;
use std::process::{Command, Stdio};

use super::run_with;

/// The command `ffmpeg`, known to be there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ffmpeg;

impl Ffmpeg {
    /// `None` where there is no FFmpeg, said aloud: past the capture of the test harness.
    pub(crate) fn found(test: &str) -> Option<Self> {
        let version =
            Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if version.is_ok_and(|status| status.success()) {
            return Some(Self);
        }
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED {test}: there is no ffmpeg here (install the package ffmpeg)"
        );
        None
    }

    /// What ffmpeg writes to stdout with these arguments and this input.
    #[track_caller]
    pub(crate) fn run(self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin"]).args(args);
        // The input comes through a pipe, not from a terminal.
        let outcome = run_with(&mut command, input);
        assert!(outcome.code == Some(0) && outcome.stderr.is_empty(), "ffmpeg {args:?}: {}", outcome.stderr);
        outcome.stdout
    }

    /// A y4m clip from a source of ffmpeg's own, such as `testsrc2=size=320x180:rate=30`.
    #[track_caller]
    pub(crate) fn y4m(self, source: &str, frames: usize) -> Vec<u8> {
        let frames = frames.to_string();
        self.run(
            &[
                "-f",
                "lavfi",
                "-i",
                source,
                "-frames:v",
                &frames,
                "-pix_fmt",
                "yuv420p",
                "-f",
                "yuv4mpegpipe",
                "-",
            ],
            &[],
        )
    }

    /// The pictures of an H.264 stream as raw pixels of `format`. An error of the decoder fails the test.
    #[track_caller]
    pub(crate) fn decode(self, stream: &[u8], format: &str) -> Vec<u8> {
        self.run(
            &["-f", "h264", "-i", "-", "-fps_mode", "passthrough", "-pix_fmt", format, "-f", "rawvideo", "-"],
            stream,
        )
    }

    /// The pictures of a y4m clip as raw pixels of `format`.
    #[track_caller]
    pub(crate) fn pixels(self, y4m: &[u8], format: &str) -> Vec<u8> {
        self.run(&["-f", "yuv4mpegpipe", "-i", "-", "-pix_fmt", format, "-f", "rawvideo", "-"], y4m)
    }

    /// What ffprobe says of the stream's first video stream, one `key=value` a line.
    #[track_caller]
    pub(crate) fn probe(self, path: &str) -> String {
        let mut command = Command::new("ffprobe");
        command.args(["-v", "error", "-count_frames", "-show_streams", path]);
        let outcome = run_with(&mut command, &[]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        String::from_utf8(outcome.stdout).expect("ffprobe writes text")
    }
}

/// Peak signal-to-noise ratio of two equally long buffers in decibels.
#[track_caller]
pub(crate) fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "as many bytes");
    let squares: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    let mean = squares as f64 / a.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}
