//! The outcome of a claim.

use std::fmt;

use direct264::Error;
use serde_json::{Value, json};

use super::personal;
use crate::failure::chain;

/// What a claim comes to. `Ok` is the measured figure; may be empty.
pub(super) type Proof = Result<String, Unproven>;

/// Why a claim is not proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unproven {
    /// The claim is wrong on this machine.
    Failed(Finding),
    /// This machine or this build cannot prove the claim. The text is the reason.
    NotApplicable(String),
}

/// A disproof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) expected: String,
    pub(super) got: String,
    /// The call of the library or of the driver that gave it.
    pub(super) call: String,
}

/// Returns a disproof unless `holds`.
///
/// # Errors
/// [`Unproven::Failed`].
pub(super) fn expect(
    holds: bool,
    expected: impl fmt::Display,
    got: impl fmt::Display,
    call: &str,
) -> Result<(), Unproven> {
    if holds { Ok(()) } else { Err(failed(expected, got, call)) }
}

/// Creates a disproof.
pub(super) fn failed(expected: impl fmt::Display, got: impl fmt::Display, call: &str) -> Unproven {
    let (expected, got) = (expected.to_string(), got.to_string());
    Unproven::Failed(Finding { expected, got, call: call.to_owned() })
}

/// Creates the disproof of a call that returned an error.
pub(super) fn refused(expected: impl fmt::Display, error: &Error, call: &str) -> Unproven {
    let call = match error {
        Error::Driver(why) => format!("{call}, {}", why.call),
        _ => call.to_owned(),
    };
    failed(expected, format!("{} ({})", chain(error), error.reason()), &call)
}

/// The outcome of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed { figure: String },
    Failed(Finding),
    NotApplicable { why: String },
}

impl From<Proof> for Outcome {
    fn from(proof: Proof) -> Self {
        let clean = |text: String| personal::impersonal(&text);
        match proof {
            Ok(figure) => Self::Passed { figure: clean(figure) },
            Err(Unproven::Failed(Finding { expected, got, call })) => {
                Self::Failed(Finding { expected: clean(expected), got: clean(got), call: clean(call) })
            }
            Err(Unproven::NotApplicable(why)) => Self::NotApplicable { why: clean(why) },
        }
    }
}

impl Outcome {
    /// The stable word of the outcome: `passed`, `failed` or `not_applicable`.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Passed { .. } => "passed",
            Self::Failed(_) => "failed",
            Self::NotApplicable { .. } => "not_applicable",
        }
    }

    /// Returns the details on one line.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Passed { figure } => figure.clone(),
            Self::Failed(Finding { expected, got, call }) => {
                format!("expected {expected}; got {got}; call {call}")
            }
            Self::NotApplicable { why } => why.clone(),
        }
    }

    /// Returns the outcome as JSON.
    pub(super) fn json(&self) -> Value {
        let mut object = json!({
            "outcome": self.word(),
            "figure": null,
            "expected": null,
            "got": null,
            "call": null,
            "why": null,
        });
        match self {
            Self::Passed { figure } => object["figure"] = json!(figure),
            Self::Failed(Finding { expected, got, call }) => {
                (object["expected"], object["got"], object["call"]) =
                    (json!(expected), json!(got), json!(call));
            }
            Self::NotApplicable { why } => object["why"] = json!(why),
        }
        object
    }

    /// Reads what [`json`](Outcome::json) wrote; `None` for anything else.
    pub(super) fn from_json(object: &Value) -> Option<Self> {
        let text = |key: &str| object[key].as_str().map(str::to_owned);
        match object["outcome"].as_str()? {
            "passed" => Some(Self::Passed { figure: text("figure")? }),
            "failed" => Some(Self::Failed(Finding {
                expected: text("expected")?,
                got: text("got")?,
                call: text("call")?,
            })),
            "not_applicable" => Some(Self::NotApplicable { why: text("why")? }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_json() {
        let finding = Finding { expected: "a".into(), got: "b".into(), call: "c".into() };
        for outcome in [
            Outcome::Passed { figure: "3 dB".into() },
            Outcome::Failed(finding),
            Outcome::NotApplicable { why: "no GPU".into() },
        ] {
            assert_eq!(Outcome::from_json(&outcome.json()), Some(outcome));
        }
        assert_eq!(Outcome::from_json(&json!({ "outcome": "passed" })), None);
        assert_eq!(Outcome::from_json(&json!(3)), None);
    }

    #[test]
    fn a_line_names_no_folder() {
        let outcome = Outcome::from(Err(failed("a", "/home/anna/lib/libcuda.so.1: no such file", "dlopen")));
        assert_eq!(outcome.line(), "expected a; got libcuda.so.1: no such file; call dlopen");
    }
}
