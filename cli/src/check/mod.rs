//! The subcommand `direct264 check`, which proves the claims about the backends on this machine.

mod claim;
mod claims;
mod conceal;
mod decode;
mod device;
mod headers;
mod json;
mod options;
mod outcome;
mod personal;
mod report;
mod results;
mod runner;
mod stream;
mod subject;
mod text;

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use self::claim::Claim;
pub(crate) use self::options::CheckArgs;
use self::outcome::{Outcome, Unproven, failed};
use self::results::{Facts, Results, Row};
use self::subject::{Absent, Subject};
use crate::bench::interrupt;
use crate::bench::output::{self, ResultFile};
use crate::failure::Failure;

/// Runs the subcommand.
///
/// # Errors
/// Code 1 when a claim failed, 2 for an error of the command line, 130 after Ctrl-C. The outcomes until Ctrl-C are
/// reported.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    runner::tell_no_panics_of_proofs();
    let probe = direct264::nvenc::probe();
    let (subjects, absent) = subject::find(&probe, &args.backend, args.gpu.as_ref())?;
    if args.in_child {
        return in_child(args, &subjects);
    }
    interrupt::listen();
    let [json, report] = [&args.json, &args.report].map(Option::as_deref);
    output::check_apart(&[("--json", json), ("--report", report)])?;
    let mut json_output = json.map(ResultFile::open).transpose()?;
    let mut report_output = report.map(ResultFile::open).transpose()?;

    let mut lines = Lines {
        is_taken: output::is_stdout(json) || output::is_stdout(report),
        is_all: json.is_none() && report.is_none(),
        printed: Ok(()),
    };
    let facts = Facts::of(&probe);
    lines.print(&format!("{}\n\n", facts.lines().join("\n")))?;
    let results = check(args, facts, &subjects, absent, &mut lines)?;
    lines.print(&text::end(&results))?;
    if let Some(output) = &mut json_output {
        output.save(&json::render(&results))?;
    }
    if let Some(output) = &mut report_output {
        output.save(&report::render(&results))?;
    }
    lines.printed?;
    match results.counts().failed {
        _ if !results.is_whole => Err(interrupt::failure()),
        0 => Ok(()),
        1 => Err(Failure::after("a claim failed")),
        count => Err(Failure::after(format!("{count} claims failed"))),
    }
}

/// The lines for people. A reader who closes them early, such as `head`, costs no result file.
struct Lines {
    /// Whether a result goes to stdout, so that the lines go to stderr.
    is_taken: bool,
    /// Whether there is nothing but the lines.
    is_all: bool,
    /// The outcome until now. After an error nothing more is printed.
    printed: Result<(), Failure>,
}

impl Lines {
    /// Prints a text.
    ///
    /// # Errors
    /// The system's error, where nobody would get any other result. Else the error is kept for the end.
    fn print(&mut self, text: &str) -> Result<(), Failure> {
        if self.printed.is_err() {
            return Ok(());
        }
        match output::print(text, self.is_taken) {
            Err(error) if self.is_all => Err(error),
            printed => {
                self.printed = printed;
                Ok(())
            }
        }
    }
}

/// Proves one claim for a parent process, and prints the outcome.
fn in_child(args: &CheckArgs, subjects: &[Subject]) -> Result<(), Failure> {
    let claim = claims::ALL.iter().find(|claim| args.includes(claim.word));
    let outcome = match (claim, subjects.first()) {
        (Some(claim), Some(subject)) => runner::here(claim, subject),
        _ => Some(Err(failed("the backend of the parent process", "none", "nvenc::probe")).into()),
    };
    output::print(&outcome.map(|outcome| outcome.json().to_string()).unwrap_or_default(), false)
}

/// Proves the claims of each subject in turn, and prints each line.
fn check(
    args: &CheckArgs,
    facts: Facts,
    subjects: &[Subject],
    absent: Vec<Absent>,
    lines: &mut Lines,
) -> Result<Results, Failure> {
    let start = Instant::now();
    let mut rows: Vec<Row> = absent.into_iter().filter_map(not_there).collect();
    for row in &rows {
        lines.print(&text::row(row))?;
    }
    let work: Vec<(&Subject, &Claim)> =
        subjects.iter().flat_map(|subject| claims_of(args, subject)).collect();
    let bar = bar(work.len());
    let mut is_whole = true;
    for (subject, claim) in work {
        bar.set_message(format!("{} {}", subject.label(), claim.word));
        let start = Instant::now();
        let Some(outcome) = runner::prove(claim, subject) else {
            is_whole = false;
            break;
        };
        let row = Row { label: subject.label(), claim: *claim, outcome, took: start.elapsed() };
        bar.suspend(|| lines.print(&text::row(&row)))?;
        bar.inc(1);
        rows.push(row);
    }
    bar.finish_and_clear();
    Ok(Results { facts, rows, took: start.elapsed(), is_whole })
}

fn claims_of<'a>(
    args: &'a CheckArgs,
    subject: &'a Subject,
) -> impl Iterator<Item = (&'a Subject, &'static Claim)> {
    let claims = claims::ALL.iter();
    claims
        .filter(|claim| claim.is_of(subject.backend) && args.includes(claim.word))
        .map(move |claim| (subject, claim))
}

/// Returns the line of a backend or GPU that is not there: a failed claim if the user named it, or if something is
/// there and fails.
fn not_there(absent: Absent) -> Option<Row> {
    let Absent { label, why, is_asked } = absent;
    let claim = *claims::ALL.first()?;
    let advice = why.advice();
    let found = if advice.is_empty() { why.to_string() } else { format!("{why}; {advice}") };
    let outcome = if is_asked || !why.reason.is_absence() {
        Outcome::from(Err(failed("an encoder", found, "nvenc::probe and direct264::open")))
    } else {
        Outcome::from(Err(Unproven::NotApplicable(found)))
    };
    Some(Row { label, claim, outcome, took: Duration::ZERO })
}

/// Returns a progress bar that counts claims on a terminal.
fn bar(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("checking {wide_bar} {pos}/{len} claims, {msg}") {
        bar.set_style(style);
    }
    bar
}
