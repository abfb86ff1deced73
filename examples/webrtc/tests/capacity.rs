//! A link that loses two thirds of its capacity in the middle of a call, in a network of the test's own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says where")]

mod common;

use std::process::Command;
use std::time::Duration;

use common::{Browser, Server};

/// Set in the process that has the network of its own.
const INSIDE: &str = "D264_IN_A_NETWORK_OF_ITS_OWN";
const TEST: &str = "a_cut_of_the_capacity_costs_little";

fn is_done(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

/// What loopback carries from now on. The queue of such a link holds a third of a second.
fn limit(action: &str, rate: &str) {
    let words =
        ["qdisc", action, "dev", "lo", "root", "tbf", "rate", rate, "burst", "8kb", "latency", "300ms"];
    assert!(is_done("tc", &words), "tc does not set {rate}");
}

#[test]
fn a_cut_of_the_capacity_costs_little() {
    if !Browser::is_here(TEST) {
        return;
    }
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let may = "ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf rate 3mbit burst 8kb latency 300ms";
    if !is_done("unshare", &["-n", "sh", "-c", may]) {
        eprintln!(
            "SKIPPED: {TEST}: no network namespace with tc for this user (root and iproute2 are needed)"
        );
        return;
    }
    // A packet of more than the bucket holds would never pass.
    let again = r#"ip link set lo mtu 1500 up && exec "$0" --exact "$1" --nocapture"#;
    let program = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["-n", "sh", "-c", again])
        .arg(program)
        .arg(TEST)
        .env(INSIDE, "1")
        .status();
    assert!(status.unwrap().success());
}

fn inside() {
    limit("add", "3mbit");
    let server = Server::start(&["--backend", "openh264", "--drive", common::DRIVE]);
    let mut browser = Browser::open(&server, "watch&seconds=22");
    std::thread::sleep(Duration::from_secs(7));
    limit("change", "1mbit");
    let report = browser.report(Duration::from_secs(120));
    println!("{report:#}");
    assert!(report["error"].is_null());
    let all = &report["watch"]["all"];
    assert_eq!(all["out_of_order"], 0);
    // The link was used before, and the encoder keeps within it after.
    let kbps: Vec<f64> =
        report["watch"]["kbps"].as_array().unwrap().iter().map(|rate| rate.as_f64().unwrap()).collect();
    assert!(kbps.iter().any(|rate| *rate > 1_300.0), "{kbps:?}");
    let end = kbps[kbps.len() - 4..].iter().sum::<f64>() / 4.0;
    assert!((200.0..1_000.0).contains(&end), "{kbps:?}");
    assert!(all["idrs"].as_u64().unwrap() > 0, "no IDR after the cut");
    // Five times what was measured: see README.md.
    let frozen = all["frozen_s"].as_f64().unwrap();
    assert!(frozen < 7.5, "{frozen} s of freeze");
}
