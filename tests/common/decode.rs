//! Independent decoders.

use std::io::Write;
use std::process::{Command, Stdio};

use direct264::FrameSize;

/// Decodes `stream` with ffmpeg to contiguous I420 pictures; returns `None`, with a message, without ffmpeg. Any
/// complaint of ffmpeg fails the test.
pub fn ffmpeg(stream: &[u8], size: FrameSize) -> Option<Vec<Vec<u8>>> {
    let (complaints, pictures) = run_ffmpeg(stream, size, &["-v", "warning", "-xerror"])?;
    assert!(complaints.is_empty(), "ffmpeg: {complaints}");
    Some(pictures)
}

/// Decodes a stream with holes with ffmpeg, which conceals them.
pub fn ffmpeg_concealing(stream: &[u8], size: FrameSize) -> Option<Vec<Vec<u8>>> {
    run_ffmpeg(stream, size, &["-v", "quiet"]).map(|(_, pictures)| pictures)
}

fn run_ffmpeg(stream: &[u8], size: FrameSize, options: &[&str]) -> Option<(String, Vec<Vec<u8>>)> {
    let child = Command::new("ffmpeg")
        .args(options)
        .args(["-f", "h264", "-i", "-", "-fps_mode", "passthrough"])
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: no ffmpeg here, so nothing was decoded by it");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let stream = stream.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&stream));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ffmpeg: {complaints}");
    let frame_bytes = direct264::PixelFormat::I420.frame_bytes(size);
    assert_eq!(output.stdout.len() % frame_bytes, 0, "ffmpeg decoded another size than {size}");
    Some((complaints, output.stdout.chunks_exact(frame_bytes).map(<[u8]>::to_vec).collect()))
}

/// Decodes access unit by access unit with openh264's own decoder: each must give its picture at once.
pub fn openh264<'a>(units: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    use openh264::formats::YUVSource;
    let mut decoder = openh264::decoder::Decoder::new().unwrap();
    units
        .map(|unit| {
            let picture = decoder.decode(unit).unwrap().expect("a picture for each access unit, at once");
            let (width, height) = picture.dimensions();
            let (y_stride, u_stride, v_stride) = picture.strides();
            let mut pixels = Vec::new();
            for (plane, stride, width, height) in [
                (picture.y(), y_stride, width, height),
                (picture.u(), u_stride, width / 2, height / 2),
                (picture.v(), v_stride, width / 2, height / 2),
            ] {
                for row in plane.chunks(stride).take(height) {
                    pixels.extend_from_slice(&row[..width]);
                }
            }
            pixels
        })
        .collect()
}
