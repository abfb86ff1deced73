//! Chromium plays the stream: frame number and clock are read back from what it shows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says where")]

mod common;

use std::time::Duration;

use common::{Browser, Report, Server, one_at_a_time};

/// How long a page may take from its start to its report, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(120);
/// Five times what was measured: see README.md.
const KEYFRAME_DEADLINE_MS: f64 = 5.0 * 40.0;
const LATENCY_DEADLINE_MS: f64 = 5.0 * 15.0;
const FIRST_FRAME_DEADLINE_MS: f64 = 5.0 * 400.0;
/// A machine that kept server or page from their work for so long freezes pictures by itself.
const STALL_MS: f64 = 100.0;

fn run(server: &Server, phases: &str) -> Report {
    let mut browser = Browser::open(server, phases);
    let report = browser.report(PATIENCE);
    println!("{report:#}");
    report
}

/// What is wrong with what the page has seen, of the phases that it went through. Empty when all is well.
fn complaints(report: &Report) -> Vec<String> {
    let mut wrong = Wrong(Vec::new());
    wrong.unless(report["error"].is_null(), || format!("the page: {}", report["error"]));
    wrong.unless(number(&report["first_frame_ms"]) < FIRST_FRAME_DEADLINE_MS, || {
        format!("first frame after {} ms", report["first_frame_ms"])
    });
    for (phase, check) in [
        ("play", play as fn(&Report, &mut Wrong)),
        ("keyframes", keyframes),
        ("rate", rate),
        ("sizes", sizes),
        ("failover", failover),
        ("buttons", buttons),
    ] {
        if let Some(report) = report.get(phase) {
            check(report, &mut wrong);
        }
    }
    wrong.0
}

struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, is_well: bool, what: impl FnOnce() -> String) {
        if !is_well {
            self.0.push(what());
        }
    }

    /// Of what is a matter of time. Where the machine itself stood still meanwhile nothing is said of the stream, aloud.
    fn unless_late(&mut self, is_well: bool, seen: &Report, what: impl FnOnce() -> String) {
        let stalled = number(&seen["stalled_ms"]);
        if !is_well && stalled > STALL_MS {
            eprintln!("SKIPPED, since the machine stalled for {stalled:.0} ms meanwhile: {}", what());
        } else {
            self.unless(is_well, what);
        }
    }

    /// The pictures that were shown over some time are those of the stream, in order, and never stood still.
    fn unless_smooth(&mut self, of: &str, seen: &Report) {
        self.unless(seen["out_of_order"] == 0, || {
            format!("{of}: {} frames out of order", seen["out_of_order"])
        });
        self.unless_late(seen["freezes"] == 0, seen, || {
            let [freezes, seconds, gap] = ["freezes", "frozen_s", "longest_gap_ms"].map(|name| &seen[name]);
            format!("{of}: {freezes} freezes, {seconds} s; longest gap {gap} ms")
        });
        let (shown, unreadable) = (number(&seen["shown"]), number(&seen["unreadable"]));
        self.unless(shown > 0.0 && unreadable <= shown * 0.02, || {
            format!("{of}: {unreadable} of {shown} unreadable")
        });
    }

    /// Every access unit that was sent was decoded, but for what is under way at either end.
    fn unless_whole(&mut self, of: &str, seen: &Report) {
        let (encoded, decoded) = (number(&seen["encoded"]), number(&seen["decoded"]));
        self.unless_late((encoded - decoded).abs() <= 6.0, seen, || {
            format!("{of}: {encoded} encoded, {decoded} decoded")
        });
    }
}

/// Not a number where there is none, which is neither more nor less than anything.
fn number(value: &Report) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn play(seen: &Report, wrong: &mut Wrong) {
    wrong.unless_smooth("play", seen);
    wrong.unless_whole("play", seen);
    // Of 150 in five seconds.
    wrong.unless_late(number(&seen["shown"]) > 120.0, seen, || {
        format!("play: {} frames shown", seen["shown"])
    });
    wrong.unless_late(seen["keyframes"] == 0 && seen["requests"] == 0, seen, || {
        "play: keyframes for nothing".to_owned()
    });
    let latency = number(&seen["latency_p50_ms"]);
    let is_soon = (0.0..LATENCY_DEADLINE_MS).contains(&latency);
    wrong.unless_late(is_soon, seen, || format!("play: {latency} ms from capture to shown"));
}

fn keyframes(seen: &Report, wrong: &mut Wrong) {
    let (all, burst) = (&seen["all"], &seen["burst"]);
    let answers = seen["answers"].as_array().cloned().unwrap_or_default();
    wrong.unless(!answers.is_empty(), || "keyframes: none was asked for".to_owned());
    wrong.unless(answers.iter().all(Report::is_number), || "keyframes: a request has no answer".to_owned());
    for answer in answers.iter().filter_map(Report::as_f64) {
        wrong.unless_late(answer < KEYFRAME_DEADLINE_MS, all, || {
            format!("keyframes: a request was answered after {answer} ms")
        });
    }
    wrong.unless_smooth("keyframes", all);
    // One each; a browser may send a PLI twice, and the second may find the first one's IDR gone already.
    let (idrs, asked) = (number(&all["idrs"]), answers.len() as f64);
    wrong.unless((asked..=asked + 2.0).contains(&idrs), || {
        format!("keyframes: {idrs} IDRs for {asked} requests")
    });
    let idrs = number(&burst["idrs"]);
    // Of six: the first, one for those that came after it, and one where the browser, which waited for that, asks again.
    wrong.unless((1.0..=3.0).contains(&idrs), || format!("keyframes: {idrs} IDRs for a burst of requests"));
}

fn rate(seen: &Report, wrong: &mut Wrong) {
    for second in seen.as_array().into_iter().flatten() {
        let (wanted, got) = (number(&second["wanted_kbps"]), number(&second["kbps"]));
        wrong.unless_late((got / wanted - 1.0).abs() < 0.35, second, || {
            format!("rate: {got} kbit/s, where {wanted} are wanted")
        });
        wrong
            .unless_late(second["keyframes"] == 0, second, || format!("rate: a keyframe at {wanted} kbit/s"));
        wrong.unless_smooth("rate", second);
    }
}

fn sizes(seen: &Report, wrong: &mut Wrong) {
    for change in seen.as_array().into_iter().flatten() {
        let (size, took) = (&change["size"], &change["shown_ms"]);
        wrong.unless(took.is_number(), || format!("sizes: {size} is never shown"));
        wrong.unless_late(!took.is_number() || number(took) < 1_000.0, change, || {
            format!("sizes: {size} is shown after {took} ms")
        });
        wrong.unless_late(change["idrs"] == 1, change, || {
            format!("sizes: {} IDRs for {size}", change["idrs"])
        });
        wrong.unless_late(change["requests"] == 0, change, || {
            format!("sizes: {} keyframes asked for at {size}", change["requests"])
        });
        wrong.unless_smooth("sizes", change);
    }
}

fn failover(seen: &Report, wrong: &mut Wrong) {
    wrong.unless(seen["before"] == "nvenc", || format!("failover: {} from the start", seen["before"]));
    wrong.unless(seen["during"] == "openh264", || {
        format!("failover: {} while the hardware is broken", seen["during"])
    });
    wrong.unless(!seen["back_ms"].is_null(), || {
        "failover: the hardware never has the stream again".to_owned()
    });
    wrong.unless(seen["fallbacks"] == 1 && seen["restorations"] == 1, || {
        format!("failover: {} times away, {} times back", seen["fallbacks"], seen["restorations"])
    });
    wrong.unless(seen["ended"].is_null(), || format!("failover: {}", seen["ended"]));
    wrong.unless_smooth("failover", &seen["all"]);
    wrong.unless_whole("failover", &seen["all"]);
    // Away and back, each with an IDR that nobody had to ask for.
    let (all, requests) = (&seen["all"], number(&seen["all"]["requests"]));
    wrong.unless_late(all["idrs"] == 2, all, || format!("failover: {} IDRs", all["idrs"]));
    wrong.unless_late(requests <= 1.0, all, || format!("failover: {requests} keyframes asked for"));
}

/// The page's own buttons did what they say, and it shows what it is to show.
fn buttons(seen: &Report, wrong: &mut Wrong) {
    for (button, was_done) in seen["pressed"].as_object().into_iter().flatten() {
        wrong.unless(was_done == true, || format!("buttons: {button} does nothing"));
    }
    for (tile, text) in seen["tiles"].as_object().into_iter().flatten() {
        wrong.unless(text.as_str().is_some_and(|text| text.contains(char::is_alphanumeric)), || {
            format!("buttons: the page shows {text} as {tile}")
        });
    }
    // At the least: drawing, waiting for the backend, and all of it.
    wrong.unless(number(&seen["stages"]) >= 3.0, || format!("buttons: {} stages are shown", seen["stages"]));
    wrong.unless(number(&seen["log"]) >= 1.0, || "buttons: nothing is told of what happened".to_owned());
    wrong.unless(seen["notice"] == false, || "buttons: a notice hides the picture".to_owned());
}

#[test]
fn a_browser_plays_follows_and_is_followed() {
    let _turn = one_at_a_time();
    if !Browser::is_here("a_browser_plays_follows_and_is_followed") {
        return;
    }
    let server = Server::start(&["--backend", "openh264", "--drive", common::DRIVE]);
    let report = run(&server, "play,keyframes,rate,sizes,buttons");
    assert_eq!(complaints(&report), [""; 0]);
    assert_eq!(report["buttons"]["pressed"].as_object().unwrap().len(), 5, "there is no hardware to break");
    // One level for the whole stream, with room for the largest size: 4.0.
    assert_eq!(server.figures(1)["profile_level_id"], "42c028");
}

#[test]
fn a_call_outlives_its_hardware_and_gets_it_back() {
    let _turn = one_at_a_time();
    if !Browser::is_here("a_call_outlives_its_hardware_and_gets_it_back") {
        return;
    }
    let server = Server::start_on_the_double(&["--drive", common::DRIVE]);
    let report = run(&server, "play,failover,keyframes,buttons");
    assert_eq!(complaints(&report), [""; 0]);
    assert_eq!(report["buttons"]["pressed"].as_object().unwrap().len(), 7);
}

/// The same checks, each on a server that was made to fail it.
#[test]
fn a_server_that_does_wrong_is_found_out() {
    let _turn = one_at_a_time();
    if !Browser::is_here("a_server_that_does_wrong_is_found_out") {
        return;
    }
    for (sabotage, phase) in
        [("keyframes", "keyframes"), ("bitrate", "rate"), ("size", "sizes"), ("failover", "failover")]
    {
        let args = ["--drive", common::DRIVE, "--sabotage", sabotage];
        let server =
            if phase == "failover" { Server::start_on_the_double(&args) } else { Server::start(&args) };
        let complaints = complaints(&run(&server, phase));
        println!("{sabotage}: {complaints:#?}");
        assert!(
            complaints.iter().any(|complaint| complaint.starts_with(phase)),
            "a server without {sabotage} passes the check: {complaints:?}"
        );
    }
}

/// For the figures in README.md, on a machine that has nothing else to do.
#[test]
#[ignore = "measures, and asserts nothing"]
fn figures() {
    let _turn = one_at_a_time();
    let server = Server::start(&["--backend", "openh264", "--drive", common::DRIVE]);
    let report = Browser::open(&server, "play,keyframes&times=100&reloads=20").report(3 * PATIENCE);
    assert!(report["error"].is_null(), "{report:#}");
    let starts = report["starts"].as_array().unwrap();
    println!("ms from createOffer, a browser that has just started: {}", starts[0]);
    for moment in ["offered", "answered", "connected", "received", "shown"] {
        spread(moment, starts[1..].iter().map(|start| &start[moment]));
    }
    let play = &report["play"];
    println!("capture to shown: p50 {} p95 {} ms", play["latency_p50_ms"], play["latency_p95_ms"]);
    let keyframes = &report["keyframes"];
    spread("keyframe request to its IDR shown", keyframes["answers"].as_array().unwrap());
    spread("of which after its receipt", keyframes["after_receipt"].as_array().unwrap());
}

fn spread<'a>(what: &str, values: impl IntoIterator<Item = &'a Report>) {
    let mut values: Vec<f64> = values.into_iter().map(number).collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len() - 1;
    let [p50, p95] = [50, 95].map(|percent| values[last * percent / 100]);
    println!(
        "{what}: of {} p50 {p50:.0}, p95 {p95:.0}, {:.0} to {:.0} ms",
        values.len(),
        values[0],
        values[last]
    );
}
