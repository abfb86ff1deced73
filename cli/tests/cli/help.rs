//! `--help` teaches, `--version` tells; both on stdout.

use crate::support::run;

#[test]
fn every_help_has_examples() {
    for args in [
        &["--help"][..],
        &["probe", "--help"],
        &["check", "--help"],
        &["encode", "--help"],
        &["help", "encode"],
    ] {
        let outcome = run(args);
        assert_eq!(outcome.succeeded(), "");
        let text = String::from_utf8(outcome.stdout).expect("text");
        assert!(text.contains("Examples:") && text.contains("Exit codes:"), "{args:?}: {text}");
        assert!(text.contains("direct264 "), "{text}");
    }
}

#[test]
fn the_help_of_encode_names_every_option_and_format() {
    let outcome = run(&["encode", "--help"]);
    let text = String::from_utf8(outcome.stdout).expect("text");
    for word in [
        "--output",
        "--backend",
        "--gpu",
        "--bitrate",
        "--fps",
        "--size",
        "--pixel-format",
        "--idr-every",
        "--profile",
        "--at",
        "--stats",
        "--colour",
        "--range",
        "--qp",
        "--slices",
        "--threads",
        "--quiet",
        "i420, nv12, rgb24, bgr24, rgba",
        "DIRECT264_BACKEND",
        "FRAME:ACTION",
    ] {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

#[test]
fn the_version_is_the_package_s() {
    let outcome = run(&["--version"]);
    outcome.succeeded();
    assert_eq!(outcome.stdout, concat!("direct264 ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
}
