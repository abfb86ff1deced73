//! Paths that cannot be read or written: exit 2, one line with the path, nothing lost.

use std::fs;

use crate::support::{Scratch, direct264, moving_y4m, run, run_with};

#[test]
fn what_cannot_be_read_is_named() {
    let scratch = Scratch::new("unreadable");
    let missing = scratch.path("missing.y4m");
    run(&["encode", &missing]).failed(2, &[&missing, "No such file"]);
    run(&["encode", &missing, "--size", "2x2"]).failed(2, &[&missing, "No such file"]);
    let folder = scratch.path("");
    let output = scratch.path("out");
    run(&["encode", &folder, "-o", &output]).failed(2, &[&folder, "directory"]);
    run(&["encode", &folder, "-o", &output, "--size", "2x2"]).failed(2, &[&folder, "directory"]);
    assert!(scratch.names().is_empty());
}

#[test]
fn what_cannot_be_written_is_named() {
    let scratch = Scratch::new("unwritable");
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 3));
    let nowhere = scratch.path("no/such/folder/out.h264");
    run(&["encode", &clip, "-o", &nowhere]).failed(2, &[&nowhere, "No such file"]);
    run(&["encode", &clip, "-o", &scratch.path("")]).failed(2, &["directory"]);
}

#[test]
fn a_refusal_of_one_output_leaves_the_other_as_it_was() {
    let scratch = Scratch::new("one_refused");
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 3));
    let nowhere = scratch.path("no/such/folder/stats.jsonl");
    let output = scratch.path("out");
    run(&["encode", &clip, "-o", &output, "--stats", &nowhere]).failed(2, &["--stats", &nowhere]);
    assert_eq!(scratch.names(), ["clip.y4m"], "what was not there is not there now");
    scratch.file("out", b"precious");
    run(&["encode", &clip, "-o", &output, "--stats", &nowhere]).failed(2, &["--stats", &nowhere]);
    assert_eq!(fs::read(&output).expect("still there"), b"precious");
}

#[test]
fn input_output_and_stats_must_differ() {
    let scratch = Scratch::new("same_file");
    let bytes = moving_y4m(64, 48, 3);
    let clip = scratch.file("clip.y4m", &bytes);
    run(&["encode", &clip, "-o", &clip]).failed(2, &[&clip, "same file"]);
    run(&["encode", &clip, "-o", &scratch.path("./clip.y4m")]).failed(2, &["same file"]);
    run(&["encode", &clip, "--stats", &clip]).failed(2, &["INPUT and --stats", &clip]);
    let out = scratch.path("out");
    run(&["encode", &clip, "-o", &out, "--stats", &out]).failed(2, &["OUT and --stats", &out]);
    run(&["encode", &clip, "-o", "-", "--stats", "-"]).failed(2, &["OUT and --stats", "stdout"]);
    let named = scratch.file("clip.h264", &bytes);
    run(&["encode", &named]).failed(2, &[&named, "same file", "-o OUT"]);
    assert_eq!(fs::read(&clip).expect("still there"), bytes);
    assert_eq!(fs::read(&named).expect("still there"), bytes);
    assert_eq!(scratch.names(), ["clip.h264", "clip.y4m"]);
}

#[cfg(unix)]
#[test]
fn a_second_name_for_the_input_is_still_the_input() {
    let scratch = Scratch::new("hard_link");
    let bytes = moving_y4m(64, 48, 3);
    let clip = scratch.file("clip.y4m", &bytes);
    let (hard, soft) = (scratch.path("hard"), scratch.path("soft"));
    fs::hard_link(&clip, &hard).expect("linked");
    std::os::unix::fs::symlink(&clip, &soft).expect("linked");
    for other in [hard, soft] {
        run(&["encode", &clip, "-o", &other]).failed(2, &["same file", &other]);
    }
    assert_eq!(fs::read(&clip).expect("still there"), bytes);
}

#[test]
fn an_old_output_is_kept_when_the_input_is_wrong() {
    let scratch = Scratch::new("old_output");
    let output = scratch.file("out.h264", b"precious");
    let mut clip = moving_y4m(64, 48, 3);
    clip[0] = b'X';
    run_with(&mut direct264(&["encode", "-", "-o", &output]), &clip).failed(2, &["stdin", "not y4m"]);
    run_with(&mut direct264(&["encode", "-", "-o", &output]), b"").failed(2, &["stdin", "empty"]);
    assert_eq!(fs::read(&output).expect("still there"), b"precious");
}

#[test]
fn devices_may_be_several_things_at_once() {
    let scratch = Scratch::new("devices");
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 3));
    run(&["encode", &clip, "-o", "/dev/null", "--stats", "/dev/null"]).succeeded();
}

#[cfg(unix)]
#[test]
fn a_pipe_is_one_thing_under_all_its_names() {
    let scratch = Scratch::new("one_pipe");
    let clip = scratch.file("clip.y4m", &moving_y4m(64, 48, 3));
    for (output, stats) in [("/dev/stdout", "-"), ("-", "/dev/stdout"), ("/dev/stdout", "/dev/stdout")] {
        run(&["encode", &clip, "-o", output, "--stats", stats]).failed(2, &["OUT and --stats", "stdout"]);
    }
}
