//! DIRECT264_OPENH264: the library that the software backend is to be loaded from.

use crate::support::{Scratch, direct264, run_with};

#[test]
fn a_library_that_is_none_of_ciscos_is_found_out_before_the_first_frame() {
    let scratch = Scratch::new("loaded-library");
    let path = scratch.file("libopenh264.so", b"no library");
    let mut command = direct264(&["probe"]);
    command.env("DIRECT264_OPENH264", &path);
    let word = if cfg!(feature = "cisco") { "SHA-256" } else { "feature cisco" };
    run_with(&mut command, &[]).failed(2, &["DIRECT264_OPENH264", &path, word]);
}

#[test]
fn an_empty_path_is_as_good_as_none() {
    let mut command = direct264(&["probe"]);
    run_with(command.env("DIRECT264_OPENH264", ""), &[]).succeeded();
}
