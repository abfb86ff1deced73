//! The outcomes of a check as JSON.

use serde_json::{Value, json};

use super::results::{Counts, Facts, Results, Row};

/// Returns one JSON object and a line feed.
pub(super) fn render(results: &Results) -> String {
    let Results { facts, rows, took, is_whole } = results;
    let Counts { passed, failed, not_applicable } = results.counts();
    let object = json!({
        "type": "check",
        "version": env!("CARGO_PKG_VERSION"),
        "whole": is_whole,
        "passed": passed,
        "failed": failed,
        "not_applicable": not_applicable,
        "seconds": seconds(*took),
        "machine": machine(facts),
        "claims": rows.iter().map(row).collect::<Vec<_>>(),
    });
    format!("{object:#}\n")
}

fn machine(facts: &Facts) -> Value {
    let Facts { machine, driver_version, cuda_version, api_versions, gpus } = facts;
    json!({
        "cpu": machine.cpu,
        "cores": machine.cores,
        "simd": machine.simd,
        "system": machine.system,
        "load": machine.load,
        "openh264": machine.openh264.as_ref().map(|library| json!({
            "version": library.version,
            "build": library.build,
        })),
        "driver_version": driver_version,
        "cuda_version": cuda_version,
        "driver_api_version": api_versions.as_ref().map(|(newest, _)| newest),
        "api_version": api_versions.as_ref().map(|(_, used)| used),
        "gpus": gpus.iter().map(|(index, name)| json!({ "index": index, "name": name })).collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    let mut object = row.outcome.json();
    object["backend"] = json!(row.label);
    object["claim"] = json!(row.claim.word);
    object["sentence"] = json!(row.claim.sentence);
    object["seconds"] = json!(seconds(row.took));
    object
}

/// Rounds to milliseconds.
fn seconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}
