//! `--at FRAME:ACTION`: each action at its frame and nowhere else.

use std::fs;

use crate::support::{Ffmpeg, Picture, Scratch, direct264, moving_y4m, pictures, run, run_with};

fn idrs(coded: &[Picture]) -> Vec<usize> {
    (0..coded.len()).filter(|&at| coded[at].is_idr).collect()
}

fn encode(args: &[&str], clip: &[u8]) -> Vec<u8> {
    let outcome = run_with(&mut direct264(&[&["encode", "-", "-q"], args].concat()), clip);
    outcome.succeeded();
    outcome.stdout
}

#[test]
fn an_idr_stands_exactly_where_it_was_asked_for() {
    let stream = encode(&["--at", "7:idr", "--at", "3:idr", "--at", "11:idr"], &moving_y4m(64, 48, 12));
    let coded = pictures(&stream);
    assert_eq!(coded.len(), 12);
    assert_eq!(idrs(&coded), [0, 3, 7, 11]);
}

#[test]
fn the_bitrate_follows_without_an_idr() {
    let Some(ffmpeg) = Ffmpeg::found("at_bitrate") else { return };
    let clip = ffmpeg.y4m("mandelbrot=size=320x180:rate=30", 120);
    let coded = pictures(&encode(&["--bitrate", "1M", "--at", "60:bitrate=250k"], &clip));
    assert_eq!(idrs(&coded), [0]);
    let kbps = |part: &[Picture]| {
        part.iter().map(|picture| picture.bytes).sum::<usize>() as f64 * 8.0 * 30.0 / part.len() as f64 / 1e3
    };
    let (before, after) = (kbps(&coded[15..60]), kbps(&coded[75..]));
    assert!((500.0..1_200.0).contains(&before), "{before:.0} kbit/s before");
    assert!((125.0..300.0).contains(&after), "{after:.0} kbit/s after");
}

#[test]
fn the_level_has_room_for_the_highest_bitrate() {
    let clip = moving_y4m(64, 48, 4);
    let level_idc = |args: &[&str]| encode(&[&["--bitrate", "4M"], args].concat(), &clip)[7];
    assert_eq!(level_idc(&[]), 31);
    assert_eq!(level_idc(&["--at", "2:bitrate=30M"]), 41);
    assert_eq!(level_idc(&["--at", "2:bitrate=1M"]), 31);
    assert_eq!(level_idc(&["--max-bitrate", "30M"]), 41);
    let outcome = run(&["encode", "-", "--max-bitrate", "lots"]);
    outcome.failed(2, &["--max-bitrate", "lots"]);
}

#[test]
fn a_lower_frame_rate_gives_each_frame_more_bits() {
    let Some(ffmpeg) = Ffmpeg::found("at_fps") else { return };
    let clip = ffmpeg.y4m("mandelbrot=size=320x180:rate=60", 120);
    let coded = pictures(&encode(&["--bitrate", "500k", "--at", "60:fps=15"], &clip));
    assert_eq!(coded.len(), 120, "every frame is encoded");
    assert_eq!(idrs(&coded), [0]);
    let mean = |part: &[Picture]| part.iter().map(|picture| picture.bytes).sum::<usize>() / part.len();
    let (before, after) = (mean(&coded[20..60]), mean(&coded[80..]));
    assert!(after > 2 * before, "{before} bytes a frame before, {after} after");
}

#[test]
fn a_new_size_begins_with_an_idr_and_decodes() {
    let Some(ffmpeg) = Ffmpeg::found("at_size") else { return };
    let scratch = Scratch::new("at_size");
    let clip = scratch.file("clip.y4m", &ffmpeg.y4m("testsrc2=size=320x180:rate=30", 30));
    let output = scratch.path("out.h264");
    let sizes = ["--at", "10:size=160x90", "--at", "20:size=480x270"];
    run(&[&["encode", &clip, "-o", &output], &sizes[..]].concat()).succeeded();
    let stream = fs::read(&output).expect("written");
    assert_eq!(idrs(&pictures(&stream)), [0, 10, 20]);

    let list = ffmpeg.run(
        &["-f", "h264", "-i", &output, "-fps_mode", "passthrough", "-autoscale", "0", "-f", "framemd5", "-"],
        &[],
    );
    let list = String::from_utf8(list).expect("text");
    // The length of each raw picture, by which its size is known.
    let bytes: Vec<usize> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(',').nth(4)?.trim().parse().ok())
        .collect();
    let wanted = [(320, 180), (160, 90), (480, 270)]
        .map(|(w, h): (usize, usize)| w * h + 2 * w.div_ceil(2) * h.div_ceil(2));
    assert_eq!(bytes.len(), 30, "{list}");
    for (part, wanted) in bytes.chunks(10).zip(wanted) {
        assert!(part.iter().all(|bytes| *bytes == wanted), "{part:?} is not {wanted}");
    }
}

#[test]
fn scaled_pictures_show_the_same() {
    let Some(ffmpeg) = Ffmpeg::found("at_size_picture") else { return };
    let clip = ffmpeg.y4m("testsrc2=size=320x192:rate=30", 10);
    let stream = encode(&["--bitrate", "4M", "--at", "0:size=160x96"], &clip);
    let decoded = ffmpeg.decode(&stream, "yuv420p");
    let scaled = ffmpeg.run(
        &[
            "-f",
            "yuv4mpegpipe",
            "-i",
            "-",
            "-vf",
            "scale=160:96:flags=bilinear",
            "-pix_fmt",
            "yuv420p",
            "-f",
            "rawvideo",
            "-",
        ],
        &clip,
    );
    let db = crate::support::psnr(&decoded, &scaled);
    assert!(db > 27.0, "{db:.1} dB");
}

#[test]
fn raw_rgb_is_scaled_too() {
    let pixels = [200; 64 * 48 * 4 * 4];
    let outcome = run_with(
        &mut direct264(&[
            "encode",
            "-",
            "-q",
            "--size",
            "64x48",
            "--pixel-format",
            "bgra",
            "--at",
            "2:size=33x25",
        ]),
        &pixels,
    );
    outcome.succeeded();
    assert_eq!(idrs(&pictures(&outcome.stdout)), [0, 2]);
}

#[test]
fn an_action_beyond_the_end_of_a_file_is_found_at_once() {
    let scratch = Scratch::new("at_beyond");
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 12));
    run(&["encode", &clip, "--at", "12:idr"]).failed(2, &["--at 12:idr", &clip, "12 frames (0 to 11)"]);
    assert_eq!(scratch.names(), ["clip.y4m"]);
    run(&["encode", &clip, "--at", "11:idr"]).succeeded();
    let raw = scratch.file("clip.yuv", &[90; 1536 * 3]);
    run(&["encode", &raw, "--size", "32x32", "--at", "3:idr"]).failed(2, &["3 frames (0 to 2)"]);
}

#[test]
fn an_action_that_a_pipe_never_reaches_is_told_at_the_end() {
    let outcome = run_with(&mut direct264(&["encode", "-", "--at", "99:idr"]), &moving_y4m(64, 48, 5));
    outcome.failed(1, &["--at 99:idr", "stdin ended after 5 frames", "stdout"]);
    assert_eq!(pictures(&outcome.stdout).len(), 5);
}

#[test]
fn a_size_that_no_encoder_takes_is_found_before_the_first_frame() {
    let scratch = Scratch::new("at_size_refused");
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 12));
    run(&["encode", &clip, "--at", "6:size=8x8"]).failed(2, &["--at 6:size=8x8", "size 8x8", "outside 16"]);
    run(&["encode", &clip, "--at", "6:size=7680x4320"]).failed(2, &["7680x4320", "129600", "36864"]);
    run(&["encode", &clip, "--at", "6:size=16384x16384"]).failed(2, &["16384x16384", "8688"]);
    assert_eq!(scratch.names(), ["clip.y4m"]);
}
