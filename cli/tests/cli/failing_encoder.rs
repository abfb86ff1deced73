//! An encoder that fails in mid-stream, here NVENC on the driver double: exit 1, one line with the file and the frame.
#![cfg(target_os = "linux")]

use std::fs;

use d264_double::Double;

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
