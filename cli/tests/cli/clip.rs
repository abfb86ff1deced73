//! A clip goes in, a stream of the same pictures comes out.

use std::fs;

use crate::support::{Ffmpeg, Scratch, pictures, psnr, run};

/// Encodes what ffmpeg shows of `source`, and compares what ffmpeg decodes.
fn comes_back(test: &str, source: &str, frames: usize, bitrate: &str, floor_db: f64) {
    let Some(ffmpeg) = Ffmpeg::found(test) else { return };
    let scratch = Scratch::new(test);
    let clip = ffmpeg.y4m(source, frames);
    let input = scratch.file("clip.y4m", &clip);
    let said = run(&["encode", &input, "--bitrate", bitrate]).succeeded().to_owned();
    let stream = fs::read(scratch.path("clip.h264")).expect("INPUT's name with .h264");

    let coded = pictures(&stream);
    assert_eq!(coded.len(), frames);
    assert!(coded[0].is_idr && coded[1..].iter().all(|picture| !picture.is_idr), "an IDR at the start alone");
    let decoded = ffmpeg.decode(&stream, "yuv420p");
    let db = psnr(&decoded, &ffmpeg.pixels(&clip, "yuv420p"));
    assert!(db > floor_db, "{db:.1} dB");
    assert!(said.contains(&format!("encoded {frames} frames of {input}")), "{said}");
}

#[test]
fn a_test_picture_comes_back() {
    comes_back("test_picture", "testsrc2=size=320x180:rate=30", 60, "2M", 35.0);
}

#[test]
fn a_fractal_at_720p_comes_back() {
    comes_back("fractal", "mandelbrot=size=1280x720:rate=60", 20, "12M", 33.0);
}

#[test]
fn every_profile_decodes() {
    let Some(ffmpeg) = Ffmpeg::found("profiles") else { return };
    let scratch = Scratch::new("profiles");
    let input = scratch.file("clip.y4m", &ffmpeg.y4m("testsrc2=size=320x180:rate=30", 10));
    for (profile, name) in [("baseline", "Constrained Baseline"), ("main", "Main"), ("high", "High")] {
        let output = scratch.path(profile);
        run(&["encode", &input, "-o", &output, "--profile", profile]).succeeded();
        let told = ffmpeg.probe(&output);
        assert!(told.contains(&format!("profile={name}\n")), "{told}");
        assert!(told.contains("nb_read_frames=10\n"), "{told}");
    }
}

#[test]
fn the_summary_says_what_a_person_wants_to_know() {
    let scratch = Scratch::new("summary");
    let input = scratch.file("my clip.y4m", &crate::support::moving_y4m(64, 48, 12));
    let outcome = run(&["encode", &input]);
    let said = outcome.succeeded();
    assert!(outcome.stdout.is_empty());
    let output = scratch.path("my clip.h264");
    for words in [
        "encoded 12 frames",
        "backend   openh264",
        "nvenc was not tried: DIRECT264_BACKEND=openh264",
        "p50 ",
        "p99 ",
        "submit ",
        "reached, ",
        "asked for",
        "1 of the frames IDR",
        "note      bitrate chosen by size and frame rate: set it with --bitrate",
        &format!("play      ffplay -framerate 30 '{output}'"),
    ] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    assert!(!said.contains('\r') && !said.contains('\u{1b}'), "no progress bar where there is no terminal");
}

#[test]
fn quiet_is_quiet() {
    let scratch = Scratch::new("quiet");
    let input = scratch.file("clip.y4m", &crate::support::moving_y4m(64, 48, 3));
    let outcome = run(&["encode", &input, "--quiet"]);
    assert_eq!(outcome.succeeded(), "");
    assert!(outcome.stdout.is_empty());
}

#[test]
fn an_idr_comes_every_so_many_frames_when_asked() {
    let scratch = Scratch::new("idr_every");
    let input = scratch.file("clip.y4m", &crate::support::moving_y4m(64, 48, 12));
    let output = scratch.path("out");
    run(&["encode", &input, "-o", &output, "--idr-every", "5"]).succeeded();
    let coded = pictures(&fs::read(&output).expect("written"));
    let idrs: Vec<usize> = (0..coded.len()).filter(|&at| coded[at].is_idr).collect();
    assert_eq!(idrs, [0, 5, 10]);
}

#[test]
fn the_quantisers_asked_for_are_kept() {
    let scratch = Scratch::new("quantisers");
    let input = scratch.file("clip.y4m", &crate::support::moving_y4m(64, 48, 12));
    let outcome =
        run(&["encode", &input, "-q", "-o", &scratch.path("out"), "--qp", "30..31", "--stats", "-"]);
    outcome.succeeded();
    let text = String::from_utf8(outcome.stdout).expect("text");
    let qps: Vec<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter_map(|line| line["qp"].as_u64())
        .collect();
    assert_eq!(qps.len(), 12);
    assert!(qps.iter().all(|qp| (30..=31).contains(qp)), "{qps:?}");
}
