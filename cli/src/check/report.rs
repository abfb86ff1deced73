//! The check as one HTML page without scripts and external files.

use std::fmt::Write;

use super::outcome::Outcome;
use super::results::{Results, Row};
use crate::bench::report::escape;

const STYLE: &str = include_str!("../bench/report/style.css");
/// The additions for this page.
const OF_CHECK: &str = "\
:root { --good: #2b8050; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --good: #63c08b; --bad: #f28b82; } }
th, td { text-align: left; vertical-align: top; }
td.passed { color: var(--good); } td.failed { color: var(--bad); font-weight: 600; }
td.not_applicable { color: var(--soft); }
td small { display: block; color: var(--soft); font-size: 13px; }
";

/// Returns the page.
pub(super) fn render(results: &Results) -> String {
    let summary = escape(&results.summary());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>direct264 check: {summary}</title>\n<style>\n{STYLE}{OF_CHECK}</style>\n\
         <header><h1>Claims checked</h1><p>{summary}</p>"
    );
    for line in results.facts.lines() {
        let _ = write!(page, "<p>{}</p>", escape(&line));
    }
    if !results.is_whole {
        page.push_str("<p><b>Interrupted:</b> the other claims were not checked.</p>");
    }
    page.push_str("</header>\n");
    let mut rows = &results.rows[..];
    while let Some(first) = rows.first() {
        let count = rows.iter().take_while(|row| row.label == first.label).count();
        let (of_one, others) = rows.split_at(count);
        section(&mut page, &first.label, of_one);
        rows = others;
    }
    page.push_str("</html>\n");
    page
}

fn section(page: &mut String, label: &str, rows: &[Row]) {
    let _ = write!(page, "<section><h2>{}</h2><div class=\"wide\"><table>", escape(label));
    page.push_str("<tr><th>claim<th>outcome<th>figures<th>seconds</tr>");
    for row in rows {
        let (word, outcome) = (row.claim.word, row.outcome.word());
        let _ = write!(
            page,
            "<tr><td>{word}<small>{}</small><td class=\"{outcome}\">{}<td>{}<td>{:.1}</tr>",
            escape(row.claim.sentence),
            outcome.replace('_', " "),
            details(&row.outcome),
            row.took.as_secs_f64()
        );
    }
    page.push_str("</table></div></section>\n");
}

fn details(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(finding) => format!(
            "<b>expected</b> {}<br><b>got</b> {}<br><b>call</b> {}",
            escape(&finding.expected),
            escape(&finding.got),
            escape(&finding.call)
        ),
        other => escape(&other.line()),
    }
}
