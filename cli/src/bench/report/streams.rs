//! Writes the results of many streams as one HTML page.

use std::fmt::Write;
use std::time::Duration;

use super::chart::{Axis, Chart, key};
use super::{footer, head};
use crate::bench::results::Run;
use crate::bench::stats::Spread;
use crate::bench::streams::{ROUNDS, StreamsResults, StreamsRow, mebibytes};
use crate::bench::table::ms;

/// Returns the page.
pub(crate) fn render(run: &Run, found: &StreamsResults) -> String {
    let mut page = head(run, "Many streams at once", found.is_whole);
    let mut names: Vec<&str> = Vec::new();
    for row in &found.rows {
        if names.last() != Some(&&row.entrant.name[..]) {
            names.push(&row.entrant.name);
        }
    }
    picture(&mut page, &names, &found.rows, "Frames a second, all streams together", "frames/s", &|row| {
        Some(row.frames_per_second())
    });
    for (title, pick) in [
        ("Encode time of a frame, p50", (|spread| spread.p50) as fn(Spread) -> Duration),
        ("Encode time of a frame, p99", |spread| spread.p99),
    ] {
        picture(&mut page, &names, &found.rows, title, "ms", &|row| {
            row.spread().map(|spread| pick(spread).as_secs_f64() * 1e3)
        });
    }
    table(&mut page, &found.rows, run.settings.pace.is_some());
    let mut notes: Vec<_> = found.refused.iter().map(|refused| format!("{}.", refused.line())).collect();
    notes.push(format!(
        "Each number of streams had {ROUNDS} turns, so that whatever else the machine did was shared. Memory is what \
         the process grew by for each encoder, the first frames included."
    ));
    footer(&mut page, notes, run);
    page
}

fn picture(
    page: &mut String,
    names: &[&str],
    rows: &[StreamsRow],
    title: &str,
    unit: &str,
    value: &dyn Fn(&StreamsRow) -> Option<f64>,
) {
    let most = rows.iter().map(|row| row.streams).max().unwrap_or(1) as f64;
    let highest = rows.iter().filter_map(value).fold(0.001, f64::max);
    let mut chart = Chart::new(title, (0.0, most), (0.0, 1.08 * highest), Axis::Count("streams"), unit);
    for (series, name) in names.iter().enumerate() {
        let of = rows.iter().filter(|row| row.entrant.name == *name);
        let points: Vec<_> = of.filter_map(|row| Some((row.streams as f64, value(row)?))).collect();
        chart.line(series, points.iter().copied());
        for (x, y) in points {
            chart.dot(series, x, y, &format!("{name}, {x} streams: {y:.1} {unit}"));
        }
    }
    let key = if names.len() > 1 { key(names.iter().copied()) } else { String::new() };
    let _ = writeln!(page, "<section><h2>{title}</h2>{key}{}</section>", chart.finish());
}

fn table(page: &mut String, rows: &[StreamsRow], is_paced: bool) {
    page.push_str(
        "<section><h2>Figures</h2><div class=\"wide\"><table><tr><th><th>streams<th>frames/s<th>of each<th>p50 \
         ms<th>p99 ms<th>max ms<th>cores busy<th>MiB each",
    );
    page.push_str(if is_paced { "<th>late frames</tr>" } else { "</tr>" });
    for row in rows {
        let all = row.frames_per_second();
        let (name, streams) = (&row.entrant.name, row.streams);
        let _ = write!(page, "<tr><td>{name}<td>{streams}<td>{all:.1}<td>{:.1}", all / streams as f64);
        let spread = row.spread();
        for pick in [|s: Spread| s.p50, |s: Spread| s.p99, |s: Spread| s.max] {
            let _ = write!(page, "<td>{}", spread.map_or_else(|| "-".to_owned(), |spread| ms(pick(spread))));
        }
        let memory =
            row.memory_bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", mebibytes(bytes)));
        let _ = write!(page, "<td>{:.2}<td>{memory}", row.cores());
        if is_paced {
            let _ = write!(page, "<td>{} of {}", row.late, row.frames);
        }
        page.push_str("</tr>");
    }
    page.push_str("</table></div></section>\n");
}
