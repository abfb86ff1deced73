//! The lines of a check for people.

use super::results::{Results, Row};

/// Returns the line of one claim.
pub(super) fn row(row: &Row) -> String {
    let outcome = row.outcome.word().replace('_', " ");
    let line = format!("{:<10} {:<13} {outcome:<15} {}", row.label, row.claim.word, row.outcome.line());
    format!("{}\n", line.trim_end())
}

/// Returns the lines after the last claim.
pub(super) fn end(results: &Results) -> String {
    let mut text = format!("\n{}\n", results.summary());
    if !results.is_whole {
        text.push_str("interrupted: the other claims were not checked\n");
    }
    if let Some(advice) = results.advice() {
        text.push_str(&format!("what to do: {advice}\n"));
    }
    text
}
