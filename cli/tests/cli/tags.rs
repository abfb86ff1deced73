//! What a y4m header says is honoured, and the command line goes before it.

use std::fs;

use crate::support::{Ffmpeg, Scratch, run, y4m_frame, y4m_header};

/// What ffprobe says of a clip with these tags, encoded with these options.
fn told(ffmpeg: Ffmpeg, scratch: &Scratch, tags: &str, args: &[&str]) -> String {
    let mut clip = y4m_header(64, 48, tags);
    (0..3).for_each(|number| clip.extend(y4m_frame(64, 48, number)));
    let input = scratch.file("clip.y4m", &clip);
    let output = scratch.path("out.h264");
    run(&[&["encode", &input, "-o", &output], args].concat()).succeeded();
    ffmpeg.probe(&output)
}

#[test]
fn aspect_and_range_reach_the_stream() {
    let Some(ffmpeg) = Ffmpeg::found("tags_stream") else { return };
    let scratch = Scratch::new("tags_stream");
    let said = told(ffmpeg, &scratch, "A4:3 XCOLORRANGE=FULL", &[]);
    assert!(said.contains("sample_aspect_ratio=4:3\n"), "{said}");
    assert!(said.contains("color_range=pc\n"), "{said}");
    assert!(said.contains("color_space=bt709\n"), "{said}");
    let said = told(ffmpeg, &scratch, "A0:0 XCOLORRANGE=LIMITED", &[]);
    assert!(said.contains("color_range=tv\n"), "{said}");
}

#[test]
fn the_command_line_goes_before_the_header() {
    let Some(ffmpeg) = Ffmpeg::found("tags_options") else { return };
    let scratch = Scratch::new("tags_options");
    let said = told(ffmpeg, &scratch, "XCOLORRANGE=FULL", &["--range", "limited", "--colour", "bt601"]);
    assert!(said.contains("color_range=tv\n"), "{said}");
    assert!(said.contains("color_space=smpte170m\n"), "{said}");
}

#[test]
fn the_frame_rate_of_the_header_holds_unless_one_is_given() {
    let scratch = Scratch::new("tags_rate");
    let clip = |rate: &str| {
        let mut clip = format!("YUV4MPEG2 W32 H32 {rate}\n").into_bytes();
        clip.extend(y4m_frame(32, 32, 0));
        scratch.file("clip.y4m", &clip)
    };
    let play =
        |rate: &str, args: &[&str]| run(&[&["encode", &clip(rate)], args].concat()).succeeded().to_owned();
    assert!(play("F30000:1001", &[]).contains("-framerate 30000/1001"));
    assert!(play("F30000:1001", &["--fps", "25"]).contains("-framerate 25 "));
    assert!(play("F0:0", &[]).contains("30 frames a second assumed"));
    assert!(play("", &[]).contains("30 frames a second assumed"));
    // A clock of 90 kHz is no frame rate, and is harmless when the user gives one.
    assert!(play("F90000:1", &["--fps", "25"]).contains("-framerate 25 "));
    run(&["encode", &clip("F90000:1")]).failed(2, &["frame rate 90000/1", "1000", "--fps"]);
}

#[test]
fn frame_headers_may_have_parameters_and_every_name_of_420_is_taken() {
    let scratch = Scratch::new("tags_names");
    for chroma in ["C420", "C420jpeg", "C420mpeg2", "C420paldv", "", "XYSCSS=420JPEG"] {
        let mut clip = y4m_header(32, 32, chroma);
        clip.extend(y4m_frame(32, 32, 0));
        clip.extend(b"FRAME Ippp XCOMMENT=hi\n");
        clip.extend(&y4m_frame(32, 32, 1)[6..]);
        let input = scratch.file("clip.y4m", &clip);
        assert!(run(&["encode", &input]).succeeded().contains("encoded 2 frames"), "{chroma}");
    }
    assert!(fs::metadata(scratch.path("clip.h264")).is_ok_and(|file| file.len() > 0));
}
