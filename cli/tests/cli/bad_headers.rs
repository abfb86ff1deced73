//! Headers that are wrong, or say what is not taken: exit 2, one line, nothing written.

use crate::support::{Ffmpeg, Scratch, by_default, direct264, run, run_with, y4m_frame};

/// A header with these tags is refused with these words, from a file and from a pipe.
#[track_caller]
fn is_refused(scratch: &Scratch, header: &str, words: &[&str]) {
    let mut clip = format!("{header}\n").into_bytes();
    clip.extend(y4m_frame(64, 48, 0));
    let input = scratch.file("clip.y4m", &clip);
    run(&["encode", &input]).failed(2, &[&[input.as_str()], words].concat());
    assert_eq!(scratch.names(), ["clip.y4m"]);
    for mut command in [Some(direct264(&["encode", "-"])), by_default(&["encode", "-"])].into_iter().flatten()
    {
        run_with(&mut command, &clip).failed(2, &[&["stdin"], words].concat());
    }
}

#[test]
fn what_ffmpeg_writes_of_other_pixels_is_refused_in_words() {
    let Some(ffmpeg) = Ffmpeg::found("other_pixels") else { return };
    let scratch = Scratch::new("other_pixels");
    for (format, words) in [
        ("yuv422p", "C422 in its y4m header: pixels 4:2:2"),
        ("yuv444p", "C444 in its y4m header: pixels 4:4:4"),
        ("yuv411p", "C411 in its y4m header: pixels 4:1:1"),
        ("gray", "Cmono in its y4m header: pixels without colour"),
        ("yuv420p10le", "C420p10 in its y4m header: pixels 4:2:0 with 10 bits a sample"),
        ("yuv422p12le", "C422p12 in its y4m header: pixels 4:2:2 with 12 bits a sample"),
        ("gray16le", "Cmono16 in its y4m header: pixels without colour with 16 bits a sample"),
        ("yuva444p", "C444alpha in its y4m header: pixels 4:4:4 with alpha"),
    ] {
        let source = ["-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "2", "-pix_fmt", format];
        let clip = ffmpeg.run(&[&source[..], &["-strict", "-1", "-f", "yuv4mpegpipe", "-"]].concat(), &[]);
        let input = scratch.file("clip.y4m", &clip);
        run(&["encode", &input]).failed(2, &[&input, words, "8-bit 4:2:0"]);
    }
    assert_eq!(scratch.names(), ["clip.y4m"]);
}

#[test]
fn interlaced_video_is_refused_in_words() {
    let scratch = Scratch::new("interlaced");
    is_refused(&scratch, "YUV4MPEG2 W64 H48 F30:1 It", &["It", "interlaced, top field first"]);
    is_refused(&scratch, "YUV4MPEG2 W64 H48 F30:1 Ib", &["Ib", "interlaced, bottom field first"]);
    is_refused(&scratch, "YUV4MPEG2 W64 H48 F30:1 Im", &["Im", "interlaced"]);
}

#[test]
fn a_size_out_of_range_is_refused_with_the_limit() {
    let scratch = Scratch::new("header_size");
    is_refused(&scratch, "YUV4MPEG2 W0 H48 F30:1", &["size 0x48", "1 to 16384"]);
    is_refused(&scratch, "YUV4MPEG2 W99999 H48 F30:1", &["size 99999x48", "1 to 16384"]);
    is_refused(&scratch, "YUV4MPEG2 W99999999999 H48 F30:1", &["W99999999999", "whole number"]);
    is_refused(&scratch, "YUV4MPEG2 W8 H8 F30:1", &["size 8x8", "16 to 8688"]);
    is_refused(&scratch, "YUV4MPEG2 W16384 H16384 F30:1", &["size 16384x16384", "16 to 8688"]);
    is_refused(&scratch, "YUV4MPEG2 W7680 H4320 F30:1", &["size 7680x4320", "129600", "36864"]);
}

#[test]
fn a_header_that_is_no_header_is_refused() {
    let scratch = Scratch::new("no_header");
    is_refused(&scratch, "YUV4MPEG2 H48 F30:1", &["without W"]);
    is_refused(&scratch, "YUV4MPEG2 W64 F30:1", &["without H"]);
    is_refused(&scratch, "YUV4MPEG2 W64 W48 H48", &["two tags W"]);
    is_refused(&scratch, "YUV4MPEG2 W64 H48 F30", &["F30", "30000:1001"]);
    is_refused(&scratch, "YUV4MPEG3 W64 H48 F30:1", &["not y4m", "--size WxH"]);
    is_refused(&scratch, "\u{0}\u{0}\u{0}\u{18}ftypmp42", &["not y4m", "yuv4mpegpipe"]);
}

#[test]
fn a_header_without_an_end_is_refused_at_its_limit() {
    let scratch = Scratch::new("endless_header");
    let mut clip = b"YUV4MPEG2 W64 H48 ".to_vec();
    clip.resize(200_000, b'X');
    let input = scratch.file("clip.y4m", &clip);
    run(&["encode", &input]).failed(2, &[&input, "4096"]);
    let input = scratch.file("clip.y4m", b"");
    run(&["encode", &input]).failed(2, &[&input, "empty"]);
}
