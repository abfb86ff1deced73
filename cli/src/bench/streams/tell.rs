//! Formats the results of many streams as a table and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{ROUNDS, Refused, StreamsResults, StreamsRow};
use crate::bench::results::Run;
use crate::bench::stats::Spread;
use crate::bench::table::{head, ms};

/// Returns the table.
pub(crate) fn table(run: &Run, found: &StreamsResults) -> String {
    let mut out = head(run, found.is_whole);
    let mut of = "";
    for row in &found.rows {
        if row.entrant.name != of {
            of = &row.entrant.name;
            let _ =
                write!(out, "\n{of}\n  streams   frames/s   of each   p50 ms   p99 ms   max ms   cores busy");
            out.push_str("   MiB each");
            out.push_str(if run.settings.pace.is_some() { "   late frames\n" } else { "\n" });
        }
        line(&mut out, row, run.settings.pace.is_some());
    }
    for refused in &found.refused {
        let _ = write!(out, "\n{}\n", refused.line());
    }
    out
}

fn line(out: &mut String, row: &StreamsRow, is_paced: bool) {
    let (all, cores) = (row.frames_per_second(), row.cores());
    let each = all / row.streams as f64;
    let spread = row.spread();
    let time = |pick: fn(&Spread) -> std::time::Duration| spread.as_ref().map_or("-".into(), |s| ms(pick(s)));
    let (p50, p99, max) = (time(|s| s.p50), time(|s| s.p99), time(|s| s.max));
    let memory = row.memory_bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", mebibytes(bytes)));
    let streams = row.streams;
    let _ = write!(
        out,
        "  {streams:>7} {all:>10.1} {each:>9.1} {p50:>8} {p99:>8} {max:>8} {cores:>12.2} {memory:>10}"
    );
    if is_paced {
        let _ = write!(out, " {:>6} of {}", row.late, row.frames);
    }
    out.push('\n');
}

/// Returns one JSON object and a line feed.
pub(crate) fn json(run: &Run, found: &StreamsResults) -> String {
    let mut object = crate::bench::json::head(run, "bench_streams", found.is_whole);
    object["settings"]["rounds"] = json!(ROUNDS);
    object["refused"] = found
        .refused
        .iter()
        .map(|Refused { entrant, streams, why }| {
            json!({
                "name": entrant.name,
                "backend": entrant.backend.as_str(),
                "streams": streams,
                "reason": why.reason.as_str(),
                "detail": why.detail,
            })
        })
        .collect();
    object["rows"] = found.rows.iter().map(row).collect();
    format!("{object:#}\n")
}

fn row(row: &StreamsRow) -> Value {
    json!({
        "name": row.entrant.name,
        "backend": row.entrant.backend.as_str(),
        "streams": row.streams,
        "frames": row.frames,
        "seconds": row.wall.as_secs_f64(),
        "frames_per_second": row.frames_per_second(),
        "cores_busy": row.cores(),
        "us": row.spread().as_ref().map(crate::bench::json::spread),
        "late_frames": row.late,
        "memory_bytes": row.memory_bytes,
    })
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
