//! Input that breaks off: the whole frames are encoded, then exit 1 with frame and byte.

use std::fs;

use crate::support::{Scratch, moving_y4m, pictures, run, y4m_frame, y4m_header};

#[test]
fn the_whole_frames_of_a_truncated_clip_are_encoded() {
    let scratch = Scratch::new("truncated");
    let mut clip = moving_y4m(64, 48, 6);
    clip.truncate(clip.len() - 100);
    let bytes = clip.len();
    let input = scratch.file("clip.y4m", &clip);
    let place = format!("frame 5 ends after 4508 of its 4608 bytes, at byte {bytes}");
    run(&["encode", &input]).failed(1, &[&input, &place, "5 whole frames", "clip.h264"]);
    assert_eq!(pictures(&fs::read(scratch.path("clip.h264")).expect("written")).len(), 5);
}

#[test]
fn rubbish_between_frames_ends_the_stream_where_it_stands() {
    let scratch = Scratch::new("rubbish");
    let mut clip = moving_y4m(64, 48, 3);
    let at = clip.len();
    clip.extend(b"FRAMED\n");
    let input = scratch.file("clip.y4m", &clip);
    run(&["encode", &input]).failed(1, &[&input, &format!("frame 3 should begin, at byte {at}")]);
    assert_eq!(pictures(&fs::read(scratch.path("clip.h264")).expect("written")).len(), 3);
}

#[test]
fn without_one_whole_frame_nothing_is_written() {
    let scratch = Scratch::new("no_frame");
    let header = y4m_header(64, 48, "");
    let empty = scratch.file("empty.y4m", &header);
    run(&["encode", &empty]).failed(2, &[&empty, "no frame"]);
    let cut = [&header[..], &y4m_frame(64, 48, 0)[..1000]].concat();
    let cut = scratch.file("cut.y4m", &cut);
    run(&["encode", &cut]).failed(2, &[&cut, "frame 0 ends after 994 of its 4608 bytes"]);
    let raw = scratch.file("empty.yuv", b"");
    run(&["encode", &raw, "--size", "64x48"]).failed(2, &[&raw, "no frame"]);
    assert_eq!(scratch.names(), ["cut.y4m", "empty.y4m", "empty.yuv"]);
}
