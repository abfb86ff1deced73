//! Formats the results as a table for standard output.

use std::fmt::Write;
use std::time::Duration;

use direct264::error::Unavailable;

use super::machine::Machine;
use super::results::{BackendResult, Results, Run};
use super::stats::{STAGES, Spread, Steady};

/// Returns the table.
pub(crate) fn render(results: &Results) -> String {
    let mut out = head(&results.run, results.is_whole);
    for result in &results.backends {
        backend(&mut out, result, results.run.settings.pace.is_some());
    }
    for why in &results.passed_over {
        let _ = write!(out, "\npassed over {}\n", why_not(why));
    }
    out
}

/// Returns the lines that name the settings and the machine.
pub(crate) fn head(run: &Run, is_whole: bool) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", run.settings.line());
    let _ = writeln!(out, "{}", machine(&run.machine));
    for gpu in &run.gpus {
        let _ = writeln!(out, "{}", gpu.line());
    }
    if !is_whole {
        let _ = writeln!(out, "interrupted: the figures are those of the frames until then");
    }
    out
}

/// Describes the machine in one line.
pub(crate) fn machine(machine: &Machine) -> String {
    let Machine { cpu, cores, simd, system, load, openh264 } = machine;
    let cores = if *cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let mut line = format!("{cpu}, {cores}, {simd}, {system}");
    if let Some(load) = load {
        let _ = write!(line, ", load {load} at the start");
    }
    if let Some(library) = openh264 {
        let _ = write!(line, "; openh264 {}, {}", library.version, library.build);
    }
    line
}

/// Returns why a backend is not measured, with advice.
pub(crate) fn why_not(why: &Unavailable) -> String {
    let advice = why.advice();
    let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
    format!("{}: {} ({}){advice}", why.backend, why.reason.sentence(), why.detail)
}

fn backend(out: &mut String, result: &BackendResult, is_paced: bool) {
    // A name with settings may be longer than its column.
    let name = &result.entrant.name;
    let break_after = if name.len() > 10 { "\n          " } else { "" };
    let _ = write!(out, "\n{name:<10}{break_after} {:>8} {:>8} {:>8} {:>8}", "p50", "p90", "p99", "max");
    match &result.steady {
        Some(steady) => {
            let _ = writeln!(out, "   ms a frame, {} steady frames", steady.frames);
            stages(out, steady);
        }
        None => {
            let _ = writeln!(out, "   no steady frame");
        }
    }
    let first = result.first.map_or_else(|| "-".to_owned(), ms);
    let _ = writeln!(out, "  open {} ms, first frame {first} ms", ms(result.open));
    let rate = &result.rate;
    let _ = write!(out, "  rate {:.3} of {:.3} Mbit/s", rate.reached_bps / 1e6, rate.target_bps / 1e6);
    if let Some((low, high)) = rate.seconds {
        let _ = write!(out, ", any second {:.3} to {:.3}", low / 1e6, high / 1e6);
    }
    if result.rate_unmet > 0 {
        let _ = write!(out, ", said {} times that it cannot be met", result.rate_unmet);
    }
    out.push('\n');
    if let Some(psnr_db) = result.psnr_db {
        let _ = writeln!(out, "  PSNR-Y {psnr_db:.2} dB");
    }
    if is_paced {
        let _ = writeln!(out, "  late {} of {} frames", result.late, result.records.len());
    }
}

fn stages(out: &mut String, steady: &Steady) {
    let named = STAGES.into_iter().zip(&steady.stages);
    for (name, spread) in named.chain([("CPU", &steady.cpu)]) {
        // Stages that the backend lacks are left out.
        if spread.max > Duration::ZERO {
            row(out, name, spread);
        }
    }
}

fn row(out: &mut String, name: &str, spread: &Spread) {
    let Spread { p50, p90, p99, max, mean: _ } = *spread;
    let _ = writeln!(out, "  {name:<8} {:>8} {:>8} {:>8} {:>8}", ms(p50), ms(p90), ms(p99), ms(max));
}

/// Formats milliseconds: three decimals below one, else two.
pub(crate) fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 1.0 { format!("{ms:.3}") } else { format!("{ms:.2}") }
}
