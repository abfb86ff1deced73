//! `direct264 bench` as a user runs it: what it prints, the JSON and the page.
#![cfg(feature = "openh264")]
#![expect(clippy::unwrap_used, reason = "the lint knows test functions, and not what they share")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use d264_double::{Double, Report};
use serde_json::Value;

/// A path of this test's own.
fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_direct264")).arg("bench").args(args).output().unwrap()
}

/// On a machine with NVENC, as far as the command can tell.
fn bench_on_the_double(settings: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Double::get().command(env!("CARGO_BIN_EXE_direct264"));
    command.envs(settings.iter().copied()).env("D264_DOUBLE_ENCODE", "canned");
    command.arg("bench").args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_short_run_tells_every_frame_as_json_and_draws_a_page_that_needs_nothing_else() {
    let (json, page) = (scratch("bench.json"), scratch("bench.html"));
    let args =
        ["--backend", "openh264", "--size", "320x180", "--frames", "30", "--bitrate", "500k", "--quality"];
    let files = ["--json", json.to_str().unwrap(), "--report", page.to_str().unwrap()];
    let output = bench(&[&args[..], &files].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    for word in ["320x180", "p99", "total", "CPU", "open", "Mbit/s", "PSNR-Y"] {
        assert!(table.contains(word), "{word} is missing in\n{table}");
    }

    let run: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(run["settings"]["bitrate_bps"], 500_000);
    assert_eq!(run["whole"], true);
    let backend = &run["backends"][0];
    assert_eq!(backend["backend"], "openh264");
    let frames = backend["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 30);
    assert_eq!(frames.iter().filter(|frame| frame["idr"] == true).count(), 1);
    assert!(
        frames
            .iter()
            .all(|frame| frame["bytes"].as_u64() > Some(0) && frame["us"]["total"].as_f64() > Some(0.0))
    );
    let total = &backend["steady"]["us"]["total"];
    let quantiles: Vec<_> =
        ["p50", "p90", "p99", "max"].iter().map(|name| total[name].as_f64().unwrap()).collect();
    assert!(quantiles[0] > 0.0 && quantiles.is_sorted(), "{quantiles:?}");
    assert_eq!(backend["steady"]["frames"], 20);
    assert!(backend["psnr_y_db"].as_f64().unwrap() > 25.0, "{}", backend["psnr_y_db"]);
    assert!(backend["rate"]["reached_bps"].as_f64().unwrap() > 0.0);
    for apart in ["open_us", "first_frame_us"] {
        assert!(backend[apart].as_f64().unwrap() > 0.0, "{apart}");
    }

    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme: dark"));
    for picture in ["Latency over time", "Distribution of latency"] {
        assert!(page.contains(picture), "{picture} is missing");
    }
    assert!(!page.contains("late frames"), "nothing is late back to back");
    for outside in ["http", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside} in the page");
    }
}

#[test]
fn a_backend_that_is_not_there_is_passed_over_by_name_and_refused_when_it_was_asked_for() {
    let output = bench(&["--size", "64x64", "--frames", "4"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    // On a machine with NVENC it is measured; then there is nothing to refuse.
    if !table.contains("passed over nvenc") {
        return;
    }
    let output = bench(&["--backend", "nvenc", "--size", "64x64", "--frames", "4"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nvenc"), "{}", stderr(&output));
}

#[test]
fn an_input_is_measured_as_far_as_it_goes_and_a_broken_one_refused() {
    let clip = scratch("bench.y4m");
    let mut bytes = b"YUV4MPEG2 W32 H32 F25:1 Ip C420jpeg\n".to_vec();
    for frame in 0..12_u8 {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend((0..32 * 48).map(|at| (at as u8).wrapping_mul(7).wrapping_add(frame)));
    }
    std::fs::write(&clip, &bytes).unwrap();
    let output = bench(&["--backend", "openh264", "--input", clip.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("at 25 fps, 12 frames"), "{table}");

    std::fs::write(&clip, &bytes[..bytes.len() - 1]).unwrap();
    let output = bench(&["--backend", "openh264", "--input", clip.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("bench.y4m: frame 11 ends after 1535 of its 1536 bytes"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_input_comes_on_stdin_too_and_a_rate_that_cannot_be_is_refused() {
    let clip = |rate: &str| {
        let mut bytes = format!("YUV4MPEG2 W32 H32 {rate} Ip C420jpeg\n").into_bytes();
        (0..3).for_each(|_| bytes.extend([&b"FRAME\n"[..], &[90; 32 * 48]].concat()));
        bytes
    };
    let piped = |bytes: &[u8], args: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_direct264"))
            .args(["bench", "--backend", "openh264", "--input", "-"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = piped(&clip("F25:1"), &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("at 25 fps, 3 frames"));
    let output = piped(&clip("F90000:1"), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("stdin says in its y4m header: frame rate"), "{}", stderr(&output));
    assert!(piped(&clip("F90000:1"), &["--fps", "30"]).status.success());
}

#[test]
fn at_a_pace_frames_are_handed_over_when_they_are_due_and_late_ones_are_told() {
    let (json, page) = (scratch("paced.json"), scratch("paced.html"));
    let args = ["--backend", "openh264", "--size", "64x64", "--frames", "12", "--pace", "60"];
    let files = ["--json", json.to_str().unwrap(), "--report", page.to_str().unwrap()];
    let start = Instant::now();
    let output = bench(&[&args[..], &files].concat());
    // Eleven of the twelve wait for their turn.
    assert!(start.elapsed() >= Duration::from_secs(1) * 11 / 60);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("late "));
    let run: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(run["settings"]["pace_fps"], 60.0);
    assert!(run["backends"][0]["late_frames"].as_u64().unwrap() <= 12);
    assert!(std::fs::read_to_string(&page).unwrap().contains("late frames"));
}

#[cfg(unix)]
#[test]
fn what_was_measured_before_an_interrupt_is_told() {
    let (json, page) = (scratch("interrupted.json"), scratch("interrupted.html"));
    for file in [&json, &page] {
        let _ = std::fs::remove_file(file);
    }
    let (control, calls) = (scratch("interrupted.control"), scratch("interrupted.calls.json"));
    let _ = std::fs::remove_file(&calls);
    let mut child = Double::get()
        .command(env!("CARGO_BIN_EXE_direct264"))
        .env("D264_DOUBLE_CONTROL", &control)
        .args(["bench", "--backend", "nvenc:form=direct", "--size", "160x96", "--frames", "2000"])
        .args(["--pace", "30", "--json", json.to_str().unwrap(), "--report", page.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More than a second's worth of frames. The double reports whenever its control file has another length.
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut asked = format!("#report {}\n", calls.display());
    let encoded = || if calls.exists() { Report::read(&calls).calls("nvEncEncodePicture") } else { 0 };
    while encoded() < 45 {
        assert!(Instant::now() < deadline, "{} frames", encoded());
        asked.push('\n');
        std::fs::write(&control, &asked).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success() && child.try_wait().unwrap().is_none());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let run: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(run["whole"], false);
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("Interrupted") && page.contains("Bitrate over one second"));
}

#[test]
fn values_that_cannot_work_are_refused_before_anything_runs() {
    for args in [["--size", "0x0"], ["--bitrate", "6Q"], ["--frames", "0"], ["--json", "/no/such/folder/x"]] {
        let output = bench(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).contains(args[1]), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn a_result_is_never_written_over_the_input_nor_lost_to_a_refusal() {
    let clip = scratch("apart.y4m");
    std::fs::write(&clip, b"not mine to lose").unwrap();
    let path = clip.to_str().unwrap();
    for args in [["--input", path, "--json", path], ["--input", "/no/such/clip", "--json", path]] {
        let output = bench(&args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert_eq!(std::fs::read(&clip).unwrap(), b"not mine to lose");
    }
    let new = scratch("not-made.json");
    let _ = std::fs::remove_file(&new);
    let output = bench(&["--input", "/no/such/clip", "--json", new.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(!new.exists(), "a refusal leaves nothing behind");
}

#[test]
fn json_on_stdout_stands_alone_there() {
    let output = bench(&["--size", "64x64", "--frames", "4", "--backend", "openh264", "--json", "-"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["settings"]["frames"], 4);
    assert!(stderr(&output).contains("ms a frame, "), "{}", stderr(&output));
}

#[test]
fn a_backend_that_cannot_be_measured_is_refused_with_those_that_can() {
    let output = bench(&["--backend", "auto"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("\"auto\" is no backend that can be measured: say nvenc or openh264"));
}

#[test]
fn backends_with_settings_are_measured_side_by_side_and_told_by_name() {
    let names = ["openh264", "openh264:profile=main", "nvenc:form=direct"];
    let named = names.iter().flat_map(|name| ["--backend", name]);
    let args: Vec<_> =
        ["--size", "320x180", "--frames", "40", "--json", "-"].into_iter().chain(named).collect();
    let output = bench_on_the_double(&[], &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told: Vec<_> = run["backends"].as_array().unwrap().iter().map(|of| of["name"].clone()).collect();
    assert_eq!(told, names);
    assert_eq!(run["backends"][2]["backend"], "nvenc");
    assert!(run["backends"][2]["steady"]["us"]["upload"]["p50"].as_f64() > Some(0.0));
    assert_eq!(run["machine"]["gpus"][0]["name"], "NVIDIA Double");
    // CABAC makes other sizes of the same pictures.
    let sizes = |of: usize| -> Vec<Value> {
        let frames = run["backends"][of]["frames"].as_array().unwrap();
        frames.iter().map(|frame| frame["bytes"].clone()).collect()
    };
    assert_ne!(sizes(0), sizes(1));
}

#[test]
fn streams_are_told_for_each_number_as_far_as_the_driver_has_sessions() {
    let page = scratch("streams.html");
    let files = ["--json", "-", "--report", page.to_str().unwrap()];
    let args = ["--size", "160x96", "--bitrate", "200k", "--frames", "9", "--streams", "4,1,2,2"];
    let output = bench_on_the_double(&[("D264_DOUBLE_SESSIONS", "3")], &[&args[..], &files].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = run["rows"].as_array().unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row["name"].as_str().unwrap(), row["streams"].as_u64())).collect();
    let counts =
        |name, counts: &[u64]| -> Vec<_> { counts.iter().map(|&count| (name, Some(count))).collect() };
    assert_eq!(told, [counts("nvenc", &[1, 2]), counts("openh264", &[1, 2, 4])].concat());
    for row in rows {
        assert_eq!(row["frames"].as_u64(), row["streams"].as_u64().map(|streams| 9 * streams));
        assert!(row["frames_per_second"].as_f64() > Some(0.0) && row["us"]["p99"].as_f64() > Some(0.0));
    }
    let refused = &run["refused"][0];
    assert_eq!((&refused["streams"], &refused["reason"]), (&3.into(), &"session_limit".into()));
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("nvenc: 3 streams and no more"), "the page tells it too");
    assert!(stderr(&output).contains("nvenc: 3 streams and no more"), "{}", stderr(&output));
}

#[test]
fn many_streams_of_a_backend_that_is_not_there_are_refused() {
    let args = ["--backend", "nvenc", "--size", "160x96", "--frames", "6", "--streams", "2"];
    let output = bench_on_the_double(&[("D264_DOUBLE_GPUS", "")], &args);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nvenc: "), "{}", stderr(&output));
}
