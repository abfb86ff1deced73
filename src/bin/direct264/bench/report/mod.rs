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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use direct264::{Backend, Bitrate, FrameRate, FrameSize};

    use super::*;
    use crate::bench::machine::Machine;
    use crate::bench::results::Settings;
    use crate::bench::stats::{FrameRecord, Rate, Steady};

    fn result(backend: Backend, ms: u64, settings: &Settings) -> BackendResult {
        let record = |index: usize| FrameRecord {
            is_idr: index == 0,
            bytes: 20_000 + index * 10,
            qp: Some(30),
            // One frame that would flatten all others.
            times: [Duration::from_millis(if index == 50 { 40 * ms } else { ms }); 6],
            cpu: Duration::from_millis(ms),
            is_steady: index > 9,
            psnr_db: None,
        };
        let records: Vec<_> = (0..settings.frames).map(record).collect();
        BackendResult {
            backend,
            open: Duration::from_millis(5),
            first: Some(records[0].times[TOTAL]),
            steady: Steady::of(&records),
            rate: Rate::of(&records, settings.frame_rate, settings.bitrate),
            psnr_db: None,
            rate_unmet: 0,
            late: 0,
            records,
        }
    }

    #[test]
    fn two_backends_have_two_colours_a_key_and_a_mark_for_what_lies_beyond_the_edge() {
        let settings = Settings {
            size: FrameSize::new(64, 64).unwrap(),
            frame_rate: FrameRate::hz(30).unwrap(),
            bitrate: Bitrate::from_mbps(5).unwrap(),
            frames: 1500,
            pictures: 1500,
            pace: None,
            input: Some("<b>&.y4m".to_owned()),
        };
        let backends =
            [(Backend::Nvenc, 2), (Backend::OpenH264, 9)].map(|(which, ms)| result(which, ms, &settings));
        let backends = Vec::from(backends);
        let machine = Machine::here();
        let page = render(&Results { settings, machine, passed_over: Vec::new(), backends, is_whole: true });

        for part in
            ["line s0", "line s1", "dot s0", "dot s1", "</i>nvenc", "</i>openh264", "2 frames took longer"]
        {
            assert!(page.contains(part), "{part} is missing");
        }
        assert!(page.contains("slowest of 3 frames"), "1500 frames are too many points");
        assert!(page.contains("&lt;b&gt;&amp;.y4m") && !page.contains("<b>&.y4m"));
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        if let Some(folder) = std::env::var_os("DIRECT264_REPORT") {
            std::fs::write(folder, &page).unwrap();
        }
    }
}
