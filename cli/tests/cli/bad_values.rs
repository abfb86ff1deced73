//! Options with values that cannot be: exit 2, one line with the value and what is taken, nothing written.

use crate::support::{Scratch, by_default, moving_y4m, run, run_with};

#[test]
fn every_value_that_cannot_be_is_refused_with_value_and_limit() {
    let scratch = Scratch::new("bad_values");
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 3));
    for (args, words) in [
        (&["--bitrate", "0"][..], &["--bitrate", "bitrate 0", "1000 to 800000000"][..]),
        (&["--bitrate", "6Q"], &["--bitrate", "6Q", "6M"]),
        (&["--bitrate", "900M"], &["--bitrate", "900000000", "800000000"]),
        (&["--bitrate", "-6M"], &["unexpected argument", "-6", "--help"]),
        (&["--fps", "0"], &["--fps", "frame rate 0 is", "1000"]),
        (&["--fps", "30/0"], &["--fps", "frame rate 30/0 is", "1000"]),
        (&["--fps", "fast"], &["--fps", "fast", "30000/1001"]),
        (&["--size", "64"], &["--size", "64", "1280x720"]),
        (&["--size", "0x48"], &["--size", "0x48", "16384"]),
        (&["--pixel-format", "yuyv"], &["--pixel-format", "yuyv", "i420, nv12, rgb24, bgr24, rgba, bgra"]),
        (&["--idr-every", "0"], &["--idr-every", "\"0\"", "never"]),
        (&["--profile", "extended"], &["--profile", "extended", "baseline, main, high"]),
        (&["--colour", "bt2020"], &["--colour", "bt2020", "bt709, bt601"]),
        (&["--range", "wide"], &["--range", "wide", "limited, full"]),
        (&["--qp", "40..20"], &["--qp", "40..20 is empty"]),
        (&["--qp", "0..52"], &["--qp", "52", "51"]),
        (&["--slices", "0"], &["--slices", "\"0\"", "1 to 255"]),
        (&["--slices", "200"], &["200 slices", "1 to 3"]),
        (&["--threads", "200"], &["200 threads", "1 to 4"]),
        (&["--backend", "x264"], &["--backend", "x264", "auto, nvenc, openh264"]),
        (&["--gpu", "first"], &["--gpu", "first", "UUID"]),
        (&["--at", "idr"], &["--at", "idr", "120:idr"]),
        (&["--at", "1:jump"], &["--at", "1:jump", "120:idr"]),
        (&["--at", "-1:idr"], &["unexpected argument", "-1", "--help"]),
        (&["--at", "1:bitrate=6Q"], &["--at", "6Q", "6M"]),
        (&["--at", "1:bitrate=0"], &["--at", "bitrate 0", "1000"]),
        (&["--at", "1:fps=0"], &["--at", "frame rate 0 is"]),
        (&["--at", "1:size=99999x2"], &["--at", "99999x2", "16384"]),
        (&["--at", "1:size=8x8"], &["--at 1:size=8x8", "size 8x8", "16 to 8688"]),
        (&["--at", "1:size=7680x4320"], &["--at 1:size=7680x4320", "129600", "36864"]),
        (&["--at", "1:fps=15", "--at", "1:fps=20"], &["1:fps=15", "1:fps=20", "same frame"]),
        (&["--at", "3:idr"], &["--at 3:idr", "3 frames (0 to 2)"]),
        (&["--nonsense"], &["--nonsense", "see direct264 encode --help"]),
        (&["--bitrat", "6M"], &["--bitrat", "similar", "--bitrate"]),
        (&["more.y4m"], &["more.y4m", "see direct264 encode --help"]),
    ] {
        let mut all = vec!["encode", &clip];
        all.extend(args);
        for outcome in [Some(run(&all)), by_default(&all).map(|mut command| run_with(&mut command, &[]))] {
            let Some(outcome) = outcome else { continue };
            assert!(outcome.code == Some(2), "{args:?}: {:?}", outcome);
            outcome.failed(2, words);
        }
    }
    assert_eq!(scratch.names(), ["clip.y4m"], "nothing was written");
}

#[test]
fn raw_options_and_y4m_do_not_go_together() {
    let scratch = Scratch::new("raw_or_y4m");
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 3));
    run(&["encode", &clip, "--size", "64x48"]).failed(2, &[&clip, "y4m", "--size 64x48"]);
    let raw = scratch.file("clip.bgra", &[90; 64 * 48 * 4]);
    run(&["encode", &raw]).failed(2, &[&raw, "not y4m", "--size WxH"]);
    run(&["encode", &raw, "--pixel-format", "bgra"]).failed(2, &["--pixel-format bgra", "--size WxH"]);
}

#[test]
fn a_command_line_without_a_command_says_which_there_are() {
    run(&[]).failed(2, &["probe", "encode", "direct264 --help"]);
    run(&["encod"]).failed(2, &["encod", "similar", "'encode'"]);
    run(&["encode"]).failed(2, &["<INPUT>", "direct264 encode --help"]);
}
