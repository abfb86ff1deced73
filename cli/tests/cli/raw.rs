//! Raw input of every pixel format, from files and pipes.

use crate::support::{Ffmpeg, Scratch, direct264, pictures, psnr, run, run_with};

/// Encodes ffmpeg's pixels of one format and compares what ffmpeg decodes, in that format.
fn comes_back(test: &str, format: &str, ffmpeg_format: &str, floor_db: f64) {
    let Some(ffmpeg) = Ffmpeg::found(test) else { return };
    let scratch = Scratch::new(test);
    let source = "testsrc2=size=160x96:rate=30";
    let frames = "8";
    let pixels = ffmpeg.run(
        &["-f", "lavfi", "-i", source, "-frames:v", frames, "-pix_fmt", ffmpeg_format, "-f", "rawvideo", "-"],
        &[],
    );
    let input = scratch.file("clip.raw", &pixels);
    let options = ["--size", "160x96", "--pixel-format", format, "--bitrate", "4M", "-q"];
    let output = scratch.path("out");
    run(&[&["encode", &input, "-o", &output], &options[..]].concat()).succeeded();
    let stream = std::fs::read(&output).expect("written");
    assert_eq!(pictures(&stream).len(), 8);

    let decoded = match format {
        "i420" | "nv12" => ffmpeg.decode(&stream, ffmpeg_format),
        // ffmpeg's scaler must be told the colour that the stream says it has.
        _ => ffmpeg.run(
            &[
                "-f",
                "h264",
                "-i",
                "-",
                "-fps_mode",
                "passthrough",
                "-vf",
                "scale=in_color_matrix=bt709:in_range=limited:flags=accurate_rnd+full_chroma_int",
                "-pix_fmt",
                ffmpeg_format,
                "-f",
                "rawvideo",
                "-",
            ],
            &stream,
        ),
    };
    let db = psnr(&decoded, &pixels);
    assert!(db > floor_db, "{format}: {db:.1} dB");

    let piped = run_with(&mut direct264(&[&["encode", "-"], &options[..]].concat()), &pixels);
    piped.succeeded();
    assert_eq!(piped.stdout, stream, "a pipe gives the same stream");
}

#[test]
fn i420_comes_back() {
    comes_back("raw_i420", "i420", "yuv420p", 36.0);
}

#[test]
fn nv12_comes_back() {
    comes_back("raw_nv12", "nv12", "nv12", 36.0);
}

#[test]
fn rgb24_comes_back() {
    comes_back("raw_rgb24", "rgb24", "rgb24", 24.0);
}

#[test]
fn bgr24_comes_back() {
    comes_back("raw_bgr24", "bgr24", "bgr24", 24.0);
}

#[test]
fn rgba_comes_back() {
    comes_back("raw_rgba", "rgba", "rgba", 24.0);
}

#[test]
fn bgra_comes_back() {
    comes_back("raw_bgra", "bgra", "bgra", 24.0);
}

#[test]
fn without_a_frame_rate_thirty_is_assumed_and_said() {
    let scratch = Scratch::new("raw_rate");
    let input = scratch.file("clip.yuv", &[90; 32 * 32 * 3 / 2 * 2]);
    let outcome = run(&["encode", &input, "--size", "32x32"]);
    assert!(outcome.succeeded().contains("30 frames a second assumed: set it with --fps"));
    let outcome = run(&["encode", &input, "--size", "32x32", "--fps", "29.97"]);
    let said = outcome.succeeded();
    assert!(!said.contains("assumed"), "{said}");
    assert!(said.contains("-framerate 30000/1001"), "{said}");
}

#[test]
fn a_file_that_is_no_multiple_of_the_frame_is_refused_before_anything_is_written() {
    let scratch = Scratch::new("raw_rest");
    let input = scratch.file("clip.yuv", &[90; 1536 * 2 + 5]);
    run(&["encode", &input, "--size", "32x32"]).failed(2, &[&input, "3077 bytes", "1536", "i420 32x32"]);
    assert_eq!(scratch.names(), ["clip.yuv"]);
}

#[test]
fn a_pipe_that_is_no_multiple_of_the_frame_gives_the_whole_frames_first() {
    let outcome = run_with(
        &mut direct264(&["encode", "-", "--size", "32x32", "--pixel-format", "nv12"]),
        &[90; 1536 * 2 + 5],
    );
    outcome.failed(1, &["stdin: frame 2 ends after 5 of its 1536 bytes, at byte 3077", "2 whole frames"]);
    assert_eq!(pictures(&outcome.stdout).len(), 2);
}
