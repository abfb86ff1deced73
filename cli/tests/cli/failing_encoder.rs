//! An encoder that fails in mid-stream, here NVENC on the driver double: exit 1, one line with the file and the frame.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use d264_double::{Double, Report};

use crate::support::{Scratch, moving_y4m, pictures, run_with};

#[test]
fn an_encoder_that_fails_is_told_with_file_and_frame() {
    let scratch = Scratch::new("failing_encoder");
    let clip = scratch.file("clip.y4m", &moving_y4m(320, 192, 6));
    let output = scratch.path("out");
    let mut command = Double::get().command(env!("CARGO_BIN_EXE_direct264"));
    command.args(["encode", &clip, "-o", &output, "--backend", "nvenc"]);
    command.env_remove("DIRECT264_BACKEND").env("D264_DOUBLE_FAULT", "nvEncEncodePicture:4+=20");
    run_with(&mut command, &[]).failed(1, &[&format!("{clip}: frame 3: "), "nvEncEncodePicture returned 20"]);
    assert_eq!(pictures(&fs::read(&output).expect("what was encoded until then")).len(), 3);
}

/// A process that is gone leaves its session to the driver, which may not clear it up at once.
#[test]
fn the_command_waits_for_the_end_of_a_session_that_failed() {
    let scratch = Scratch::new("a_session_that_ends");
    let (output, report) = (scratch.path("out"), scratch.path("report.json"));
    let mut command = Double::get().command(env!("CARGO_BIN_EXE_direct264"));
    command.args(["encode", "-", "-o", &output]).env_remove("DIRECT264_BACKEND");
    command.env("D264_DOUBLE_FAULT", "nvEncEncodePicture:6=20;nvEncDestroyEncoder:1=hang400");
    command.env("D264_DOUBLE_REPORT", &report);
    run_with(&mut command, &moving_y4m(320, 192, 6)).succeeded();
    let report = Report::read(Path::new(&report));
    assert_eq!((report.calls("nvEncDestroyEncoder"), report.leaks()), (1, Vec::new()));
}
