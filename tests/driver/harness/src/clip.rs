//! Moving pictures to encode, and what became of them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Raw planar 4:2:0 pictures in a file.
#[derive(Debug)]
pub struct Clip {
    /// The file.
    pub path: PathBuf,
    /// Width and height.
    pub size: (usize, usize),
    /// How many pictures.
    pub frames: usize,
}

/// Whether ffmpeg with its NVENC encoder is here; says aloud when it is not.
#[must_use]
pub fn ffmpeg_or_say_so(test: &str) -> bool {
    let known = Command::new("ffmpeg").args(["-hide_banner", "-encoders"]).output();
    let found = known.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("h264_nvenc"));
    if !found {
        let mut aloud = std::io::stderr();
        let _ = writeln!(aloud, "SKIPPED: {test}: there is no ffmpeg with h264_nvenc here");
    }
    found
}

impl Clip {
    /// Makes a clip in a folder: a gradient that drifts, with a square that moves against it.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn make(folder: &Path, size: (usize, usize), frames: usize) -> Self {
        let path = folder.join(format!("{}x{}.yuv", size.0, size.1));
        let mut bytes = Vec::with_capacity(frames * size.0 * size.1 * 3 / 2);
        for frame in 0..frames {
            picture(&mut bytes, size, frame);
        }
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, size, frames }
    }

    /// How many bytes a picture has.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        let (width, height) = self.size;
        width * height + 2 * width.div_ceil(2) * height.div_ceil(2)
    }

    /// The arguments with which ffmpeg reads the clip.
    #[must_use]
    pub fn input(&self) -> Vec<String> {
        let size = format!("{}x{}", self.size.0, self.size.1);
        let words = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-r", "30", "-s", &size, "-i"];
        let path = self.path.display().to_string();
        words.into_iter().map(str::to_owned).chain([path]).collect()
    }

    /// Its bytes.
    ///
    /// # Panics
    /// If the file is gone.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }
}

/// Appends one picture. Colours stay inside what both RGB and limited range can say.
fn picture(bytes: &mut Vec<u8>, (width, height): (usize, usize), frame: usize) {
    let side = height / 4;
    let (left, top) = ((frame * 5) % (width - side), (frame * 3) % (height - side));
    let inside = |x: usize, y: usize| (left..left + side).contains(&x) && (top..top + side).contains(&y);
    let level = |value: usize| u8::try_from(64 + value % 96).unwrap_or(0);
    for y in 0..height {
        for x in 0..width {
            bytes.push(if inside(x, y) { 180 } else { level((x + 2 * y + frame * 2) / 4) });
        }
    }
    for plane in 0..2 {
        for y in 0..height.div_ceil(2) {
            for x in 0..width.div_ceil(2) {
                let slope = (x + y * plane + frame) / 16 % 24;
                bytes.push(u8::try_from(116 + slope).unwrap_or(128));
            }
        }
    }
}

/// Decodes an H.264 file to raw pictures, as they are in the stream, converted to nothing.
///
/// # Panics
/// If ffmpeg finds anything wrong with the stream.
#[must_use]
pub fn decode(stream: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-err_detect", "explode", "-i"])
        .arg(stream)
        .args(["-vsync", "0", "-f", "rawvideo", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("ffmpeg does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{} does not decode: {said}", stream.display());
    output.stdout
}

/// How far the luma of two runs of pictures is apart, in dB; infinite if it is not.
#[must_use]
pub fn psnr_y(one: &[u8], other: &[u8], (width, height): (usize, usize)) -> f64 {
    let (luma, all) = (width * height, width * height + 2 * width.div_ceil(2) * height.div_ceil(2));
    let mut sum = 0.0;
    let mut count = 0.0;
    for (one, other) in one.chunks_exact(all).zip(other.chunks_exact(all)) {
        for (a, b) in one[..luma].iter().zip(&other[..luma]) {
            let difference = f64::from(*a) - f64::from(*b);
            sum += difference * difference;
        }
        count += luma as f64;
    }
    if sum == 0.0 { f64::INFINITY } else { 10.0 * (255.0 * 255.0 * count / sum).log10() }
}
