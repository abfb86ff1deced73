//! Draws the charts of the page.

use std::fmt::Write;

use super::chart::{Axis, Chart, key};
use crate::bench::results::{BackendResult, Results};
use crate::bench::stats::{FrameRecord, TOTAL, seconds};
use crate::bench::table::ms;

/// The most strips that react to the pointer, and the most points of a line, which bound the file's size.
const MAX_POINTS: usize = 600;
/// Bars of the distribution.
const BINS: usize = 60;
/// Latencies above this multiple of the slowest backend's p50 are marked at the edge, so that one outlier does not
/// flatten the chart.
const EDGE: f64 = 4.0;

/// Appends every chart.
pub(super) fn all(page: &mut String, results: &Results) {
    let backends = &results.backends;
    let edge = latency_edge(backends);
    latency(page, backends, edge);
    distribution(page, backends, edge);
    let megabits = f64::from(results.run.settings.bitrate.bps()) / 1e6;
    let kilobytes = megabits * 1e3 / 8.0 / results.run.settings.frame_rate.as_f64();
    series(
        page,
        backends,
        "Size of each access unit",
        "frame",
        "KB",
        Some((kilobytes, "an even share")),
        |result| result.records.iter().map(|record| record.bytes as f64 / 1e3).collect(),
    );
    let frame_rate = results.run.settings.frame_rate;
    series(
        page,
        backends,
        "Bitrate over one second",
        "first frame of the second",
        "Mbit/s",
        Some((megabits, "target")),
        |result| {
            let bytes: Vec<_> = result.records.iter().map(|record| record.bytes).collect();
            seconds(&bytes, frame_rate).into_iter().map(|bps| bps / 1e6).collect()
        },
    );
    if backends.iter().any(|result| result.psnr_db.is_some()) {
        series(page, backends, "PSNR-Y of each frame", "frame", "dB", None, |result| {
            result.records.iter().filter_map(|record| record.psnr_db).collect()
        });
    }
}

fn total_ms(record: &FrameRecord) -> f64 {
    record.times[TOTAL].as_secs_f64() * 1e3
}

/// Returns the largest latency that is drawn in place.
fn latency_edge(backends: &[BackendResult]) -> f64 {
    let totals =
        backends.iter().filter_map(|result| result.steady.as_ref()).map(|steady| steady.stages[TOTAL]);
    let p50 = totals.map(|total| total.p50.as_secs_f64() * 1e3).fold(0.0, f64::max);
    let max = backends.iter().flat_map(|result| &result.records).map(total_ms).fold(0.001, f64::max);
    if p50 > 0.0 { max.min(EDGE * p50) * 1.04 } else { max * 1.04 }
}

fn latency(page: &mut String, backends: &[BackendResult], edge: f64) {
    let frames = backends.iter().map(|result| result.records.len()).max().unwrap_or(0);
    let mut chart =
        Chart::new("encode time of each frame", (0.0, last(frames)), (0.0, edge), Axis::Count("frame"), "ms");
    let group = frames.div_ceil(MAX_POINTS).max(1);
    for (series, result) in backends.iter().enumerate() {
        let slowest =
            result.records.chunks(group).map(|chunk| chunk.iter().map(total_ms).fold(0.0, f64::max));
        let points: Vec<_> = slowest.enumerate().map(|(at, ms)| ((at * group) as f64, ms)).collect();
        chart.line(series, points.iter().copied());
        for (x, _) in points.iter().filter(|(_, ms)| *ms > edge) {
            chart.beyond(series, *x);
        }
    }
    for from in (0..frames).step_by(group) {
        let mut text = format!("frame {from}");
        for result in backends {
            if let Some(record) = result.records.get(from) {
                let idr = if record.is_idr { ", IDR" } else { "" };
                let _ = write!(text, "\n{}: {} ms{idr}", result.entrant.name, ms(record.times[TOTAL]));
            }
        }
        chart.hover(from as f64 - 0.5, (from + group) as f64 - 0.5, &text);
    }
    let mut note = String::from("Every frame, first one and warm-up included.");
    if group > 1 {
        let _ = write!(note, " Each point is the slowest of {group} frames.");
    }
    let beyond = backends.iter().flat_map(|result| &result.records).filter(|record| total_ms(record) > edge);
    match beyond.count() {
        0 => {}
        1 => note.push_str(" One frame took longer than the chart is high: a triangle marks it."),
        count => {
            let _ = write!(note, " {count} frames took longer than the chart is high: triangles mark them.");
        }
    }
    section(page, "Latency over time", &note, backends, &chart.finish());
}

fn distribution(page: &mut String, backends: &[BackendResult], edge: f64) {
    let steady = |result: &BackendResult| -> Vec<f64> {
        result.records.iter().filter(|record| record.is_steady).map(total_ms).collect()
    };
    let low = backends.iter().flat_map(&steady).fold(edge, f64::min) * 0.9;
    let width = (edge - low) / BINS as f64;
    let shares: Vec<Vec<f64>> = backends.iter().map(|result| bins(&steady(result), low, width)).collect();
    let highest = shares.iter().flatten().copied().fold(0.1, f64::max);
    let y = (0.0, highest * 1.15);
    let mut chart =
        Chart::new("distribution of encode times", (low, edge), y, Axis::Measure("ms"), "% of the frames");
    for (series, shares) in shares.iter().enumerate() {
        let corners = shares.iter().enumerate().flat_map(|(bin, share)| {
            let left = low + bin as f64 * width;
            [(left, *share), (left + width, *share)]
        });
        chart.area(series, corners);
    }
    let mut line = 0;
    for (series, result) in backends.iter().enumerate() {
        let Some(steady) = &result.steady else { continue };
        let total = steady.stages[TOTAL];
        for (name, time) in [("p50", total.p50), ("p90", total.p90), ("p99", total.p99)] {
            chart.mark(series, time.as_secs_f64() * 1e3, line, &format!("{name} {}", ms(time)));
            line += 1;
        }
    }
    let note = "Steady state; the last bar holds all that took longer.";
    section(page, "Distribution of latency", note, backends, &chart.finish());
}

/// Returns the share of `values` in each bin in percent.
fn bins(values: &[f64], low: f64, width: f64) -> Vec<f64> {
    let mut shares = vec![0.0; BINS];
    for value in values {
        let bin = ((value - low) / width).max(0.0) as usize;
        shares[bin.min(BINS - 1)] += 100.0 / values.len() as f64;
    }
    shares
}

/// Draws a chart of one value per frame, with a level for comparison.
fn series(
    page: &mut String,
    backends: &[BackendResult],
    title: &str,
    x_name: &'static str,
    unit: &str,
    level: Option<(f64, &str)>,
    values: impl Fn(&BackendResult) -> Vec<f64>,
) {
    let values: Vec<Vec<f64>> = backends.iter().map(values).collect();
    let count = values.iter().map(Vec::len).max().unwrap_or(0);
    if count < 2 {
        return;
    }
    let all = || values.iter().flatten().copied().chain(level.map(|(value, _)| value));
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    // Sizes start at zero to keep their ratios visible; decibels have no such zero.
    let low = if level.is_some() { 0.0 } else { (low - 1.0).max(0.0) };
    let mut chart = Chart::new(title, (0.0, last(count)), (low, high * 1.04), Axis::Count(x_name), unit);
    let group = count.div_ceil(MAX_POINTS).max(1);
    for (series, values) in values.iter().enumerate() {
        let points = values.chunks(group).enumerate();
        chart.line(series, points.map(|(at, chunk)| ((at * group) as f64, mean(chunk))));
    }
    if let Some((value, name)) = level {
        chart.level(value, name);
    }
    for from in (0..count).step_by(group) {
        let mut text = format!("{from}");
        for (result, values) in backends.iter().zip(&values) {
            if let Some(chunk) = values.get(from..(from + group).min(values.len())) {
                let _ = write!(text, "\n{}: {:.2} {unit}", result.entrant.name, mean(chunk));
            }
        }
        chart.hover(from as f64 - 0.5, (from + group) as f64 - 0.5, &text);
    }
    let note = if group > 1 { format!("Each point is the mean of {group} frames.") } else { String::new() };
    section(page, title, &note, backends, &chart.finish());
}

fn section(page: &mut String, title: &str, note: &str, backends: &[BackendResult], chart: &str) {
    // A single line needs no key: the page names its backend above.
    let names = backends.iter().map(|result| &result.entrant.name[..]);
    let key = if backends.len() > 1 { key(names) } else { String::new() };
    let note = if note.is_empty() { String::new() } else { format!("<p>{note}</p>") };
    let _ = writeln!(page, "<section><h2>{title}</h2>{note}{key}{chart}</section>");
}

fn last(count: usize) -> f64 {
    count.saturating_sub(1).max(1) as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
