//! Writes the results as one HTML page without scripts and external files.

mod chart;
mod pictures;
mod streams;

use std::fmt::Write;

use self::chart::COLOURS;
use super::measure::{BLOCK_FRAMES, SETTLE_FRAMES};
use super::results::{BackendResult, Results, Run};
use super::source;
use super::stats::{STAGES, Spread, TOTAL};
use super::table::{machine, ms, why_not};

pub(crate) use streams::render as streams;

const STYLE: &str = include_str!("style.css");

/// Returns the page.
pub(crate) fn render(results: &Results) -> String {
    let mut page = head(&results.run, "Encode time per frame", results.is_whole);
    for (series, backend) in results.backends.iter().enumerate() {
        tiles(&mut page, series, backend, results.run.settings.pace.is_some());
    }
    pictures::all(&mut page, results);
    stages(&mut page, &results.backends);
    let mut notes: Vec<_> =
        results.passed_over.iter().map(|why| format!("Passed over {}.", why_not(why))).collect();
    if results.backends.len() > 1 {
        notes.push(format!(
            "Those measured took turns of {BLOCK_FRAMES} frames, so that whatever else the machine did hit all alike; \
             the first {SETTLE_FRAMES} frames of a turn are not counted."
        ));
    }
    footer(&mut page, notes, &results.run);
    page
}

/// Returns the head of the page: the settings and the machine.
fn head(run: &Run, title: &str, is_whole: bool) -> String {
    let settings = escape(&run.settings.line());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>direct264 bench: {settings}</title>\n<style>\n{STYLE}</style>\n"
    );
    let machine = escape(&machine(&run.machine));
    let _ = write!(page, "<header><h1>{title}</h1><p>{settings}</p><p>{machine}</p>");
    for gpu in &run.gpus {
        let _ = write!(page, "<p>{}</p>", escape(&gpu.line()));
    }
    if !is_whole {
        page.push_str("<p><b>Interrupted:</b> the figures are those of the frames until then.</p>");
    }
    page.push_str("</header>\n");
    page
}

fn tiles(page: &mut String, series: usize, result: &BackendResult, is_paced: bool) {
    let _ = write!(
        page,
        "<section><h2>{}</h2><div class=\"key\"><i class=\"s{}\"></i></div>",
        result.entrant.name,
        series % COLOURS
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
    tile(&ms(result.open), "ms", "open");
    if let Some(first) = result.first {
        tile(&ms(first), "ms", "first frame");
    }
    tile(&format!("{:.2}", result.rate.reached_bps / 1e6), "Mbit/s", "bitrate reached");
    if let Some(psnr_db) = result.psnr_db {
        tile(&format!("{psnr_db:.2}"), "dB", "PSNR-Y");
    }
    if is_paced {
        tile(&result.late.to_string(), &format!("of {}", result.records.len()), "late frames");
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
            let _ = write!(page, "<tr{class}><td>{} {name}", result.entrant.name);
            for time in [p50, p90, p99, max, mean] {
                let _ = write!(page, "<td>{}", ms(time));
            }
            page.push_str("</tr>");
        }
    }
    page.push_str("</table></div></section>\n");
}

fn footer(page: &mut String, mut notes: Vec<String>, run: &Run) {
    if run.settings.input.is_none() {
        notes.push(source::DESCRIPTION.to_owned());
    }
    page.push_str("<footer>");
    for note in notes {
        let _ = write!(page, "<p>{}</p>", escape(&note));
    }
    let _ = writeln!(page, "<p>direct264 {}</p></footer>\n</html>", env!("CARGO_PKG_VERSION"));
}

/// Escapes text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use direct264::{Bitrate, FrameRate, FrameSize};

    use super::*;
    use crate::bench::entrant::Entrant;
    use crate::bench::gpu::GpuInfo;
    use crate::bench::machine::Machine;
    use crate::bench::results::RunSettings;
    use crate::bench::stats::{BitrateStats, FrameRecord, Steady};

    fn result(name: &str, ms: u64, settings: &RunSettings) -> BackendResult {
        let record = |index: usize| FrameRecord {
            is_idr: index == 0,
            bytes: 20_000 + index * 10,
            qp: Some(30),
            // One outlier, which would flatten the other frames.
            times: [Duration::from_millis(if index == 50 { 40 * ms } else { ms }); 6],
            cpu: Duration::from_millis(ms),
            is_steady: index > 9,
            psnr_db: None,
        };
        let records: Vec<_> = (0..settings.frames).map(record).collect();
        BackendResult {
            entrant: Entrant::parse(name).unwrap(),
            open: Duration::from_millis(5),
            first: Some(records[0].times[TOTAL]),
            steady: Steady::of(&records),
            rate: BitrateStats::of(&records, settings.frame_rate, settings.bitrate),
            psnr_db: None,
            rate_unmet: 0,
            late: 0,
            records,
        }
    }

    #[test]
    fn two_backends_have_two_colours_a_key_and_a_mark_for_what_lies_beyond_the_edge() {
        let settings = RunSettings {
            size: FrameSize::new(64, 64).unwrap(),
            frame_rate: FrameRate::hz(30).unwrap(),
            bitrate: Bitrate::from_mbps(5).unwrap(),
            frames: 1500,
            streams: None,
            pictures: 1500,
            pace: None,
            input: Some("<b>&.y4m".to_owned()),
        };
        let backends =
            [("nvenc", 2), ("openh264:threads=1", 9)].map(|(which, ms)| result(which, ms, &settings));
        let backends = Vec::from(backends);
        let machine = Machine::here();
        let gpus = vec![GpuInfo { name: "NVIDIA <L4>".to_owned(), uuid: None, clocks: Vec::new() }];
        let passed_over = Vec::new();
        let page =
            render(&Results { run: Run { settings, machine, gpus }, passed_over, backends, is_whole: true });

        for part in [
            "line s0",
            "line s1",
            "dot s0",
            "dot s1",
            "</i>nvenc",
            "</i>openh264:threads=1",
            "2 frames took longer",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
        assert!(page.contains("slowest of 3 frames"), "1500 frames are too many points");
        assert!(page.contains("&lt;b&gt;&amp;.y4m") && !page.contains("<b>&.y4m"));
        assert!(page.contains("<p>NVIDIA &lt;L4&gt;</p>"));
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        if let Some(folder) = std::env::var_os("DIRECT264_REPORT") {
            std::fs::write(folder, &page).unwrap();
        }
    }
}
