//! A run as one page: no script, no font, no picture from anywhere else.

mod chart;
mod pictures;

use std::fmt::Write;

use super::measure::{BLOCK_FRAMES, SETTLE_FRAMES};
use super::results::{BackendResult, Results};
use super::source;
use super::stats::{STAGES, Spread, TOTAL};
use super::table::{machine, ms, why_not};

const STYLE: &str = include_str!("style.css");

/// The page.
pub(crate) fn render(results: &Results) -> String {
    let settings = escape(&results.settings.line());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>direct264 bench: {settings}</title>\n<style>\n{STYLE}</style>\n"
    );
    let machine = escape(&machine(&results.machine));
    let _ = write!(page, "<header><h1>Encode time per frame</h1><p>{settings}</p><p>{machine}</p>");
    if !results.is_whole {
        page.push_str("<p><b>Interrupted:</b> the figures are those of the frames until then.</p>");
    }
    page.push_str("</header>\n");
    for (series, backend) in results.backends.iter().enumerate() {
        tiles(&mut page, series, backend);
    }
    pictures::all(&mut page, results);
    stages(&mut page, &results.backends);
    footer(&mut page, results);
    page
}

/// Which colour is which backend.
fn key(backends: &[BackendResult]) -> String {
    let mut key = String::from("<div class=\"key\">");
    for (series, backend) in backends.iter().enumerate() {
        let _ = write!(key, "<span><i class=\"s{series}\"></i>{}</span>", backend.backend);
    }
    key + "</div>"
}

fn tiles(page: &mut String, series: usize, result: &BackendResult) {
    let _ = write!(
        page,
        "<section><h2>{}</h2><div class=\"key\"><i class=\"s{series}\"></i></div>",
        result.backend
    );
    page.push_str("<div class=\"tiles\">");
    let mut tile = |value: &str, unit: &str, name: &str| {
        let _ = write!(page, "<div><b>{value} <small>{unit}</small></b>{name}</div>");
    };
    if let Some(steady) = &result.steady {
        tile(&ms(steady.stages[TOTAL].p50), "ms", "encode time, p50");
        tile(&ms(steady.stages[TOTAL].p99), "ms", "encode time, p99");
        tile(&ms(steady.cpu.p50), "ms", "CPU time, p50");
    }
    if let Some(first) = result.first {
        tile(&ms(result.open + first), "ms", "open and first frame");
    }
    tile(&format!("{:.2}", result.rate.reached_bps / 1e6), "Mbit/s", "bitrate reached");
    if let Some(psnr_db) = result.psnr_db {
        tile(&format!("{psnr_db:.2}"), "dB", "PSNR-Y");
    }
    page.push_str("</div></section>\n");
}

fn stages(page: &mut String, backends: &[BackendResult]) {
    page.push_str(
        "<section><h2>Stages, ms a frame</h2><p>Steady state. Total is a clock around the call; CPU is that of all \
         threads together.</p><div class=\"wide\"><table><tr><th>stage<th>p50<th>p90<th>p99<th>max<th>mean</tr>",
    );
    for result in backends {
        let Some(steady) = &result.steady else { continue };
        for (name, spread) in STAGES.into_iter().zip(&steady.stages).chain([("CPU", &steady.cpu)]) {
            if spread.max.is_zero() {
                continue;
            }
            let Spread { p50, p90, p99, max, mean } = *spread;
            let class = if name == STAGES[TOTAL] { " class=\"whole\"" } else { "" };
            let _ = write!(page, "<tr{class}><td>{} {name}", result.backend);
            for time in [p50, p90, p99, max, mean] {
                let _ = write!(page, "<td>{}", ms(time));
            }
            page.push_str("</tr>");
        }
    }
    page.push_str("</table></div></section>\n");
}

fn footer(page: &mut String, results: &Results) {
    page.push_str("<footer>");
    for why in &results.passed_over {
        let _ = write!(page, "<p>Passed over {}.</p>", escape(&why_not(why)));
    }
    if results.backends.len() > 1 {
        let _ = write!(
            page,
            "<p>The backends took turns of {BLOCK_FRAMES} frames, so that whatever else the machine did hit all alike; \
             the first {SETTLE_FRAMES} frames of a turn are not counted.</p>"
        );
    }
    if results.settings.input.is_none() {
        let _ = write!(page, "<p>{}</p>", escape(source::DESCRIPTION));
    }
    let _ = writeln!(page, "<p>direct264 {}</p></footer>\n</html>", env!("CARGO_PKG_VERSION"));
}

/// Text that is no markup, whatever a file is called.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
