//! What is written to is full or gone: exit 1, with one line for a disk and none for a pipe.

use std::io::Read;

use crate::support::{Outcome, Scratch, direct264, fed, moving_y4m, run};

#[test]
fn a_full_disk_is_told_with_its_path() {
    let scratch = Scratch::new("full_disk");
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 3));
    run(&["encode", &clip, "-o", "/dev/full"]).failed(1, &["frame 0", "/dev/full", "No space left"]);
    let output = scratch.path("out");
    run(&["encode", &clip, "-o", &output, "--stats", "/dev/full"])
        .failed(1, &["--stats /dev/full", "No space"]);
}

/// Runs the command, reads the first bytes of stdout and closes it, as `head -c` does.
fn closed_after(bytes: usize, args: &[&str], input: &[u8]) -> Outcome {
    fed(&mut direct264(args), input, move |mut stdout| {
        let mut first = vec![0; bytes];
        stdout.read_exact(&mut first).expect("that much is written");
        first
    })
}

#[test]
fn a_closed_pipe_ends_the_command_silently() {
    // Far more than a pipe holds.
    let clip = moving_y4m(320, 240, 60);
    let outcome = closed_after(10, &["encode", "-", "--bitrate", "40M", "--qp", "0..2"], &clip);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
    assert_eq!(outcome.stdout[..5], [0, 0, 0, 1, 0x67]);
}

#[test]
fn a_closed_pipe_for_stats_is_silent_too() {
    let clip = moving_y4m(32, 32, 2000);
    let outcome = closed_after(10, &["encode", "-", "-o", "/dev/null", "--stats", "-"], &clip);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
}
