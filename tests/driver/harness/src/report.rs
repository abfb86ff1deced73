//! The double's report.

use std::path::Path;

use serde_json::Value;

/// The report of the double.
#[derive(Debug, Clone)]
pub struct Report(Value);

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The function in which it showed.
    pub function: String,
    /// The rule, in words.
    pub rule: String,
    /// How often.
    pub times: u64,
}

impl Report {
    /// Reads a report file.
    ///
    /// # Panics
    /// If there is none, or it is no report.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(&text)
    }

    /// Reads a report.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|error| panic!("no report: {error}\n{text}")))
    }

    /// How often a function was called.
    #[must_use]
    pub fn calls(&self, function: &str) -> u64 {
        self.0["calls"][function].as_u64().unwrap_or(0)
    }

    /// How often a fault was injected into a function.
    #[must_use]
    pub fn faults(&self, function: &str) -> u64 {
        self.0["faults"][function].as_u64().unwrap_or(0)
    }

    /// How often a fault was injected into any function.
    #[must_use]
    pub fn faults_in_all(&self) -> u64 {
        let faults = self.0["faults"].as_object();
        faults.into_iter().flat_map(|faults| faults.values()).filter_map(Value::as_u64).sum()
    }

    /// The calls in order, as far as the trace reaches: name and answer.
    #[must_use]
    pub fn trace(&self) -> Vec<(String, u64)> {
        let list = self.0["trace"].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|call| {
                (call["call"].as_str().unwrap_or("").to_owned(), call["status"].as_u64().unwrap_or(0))
            })
            .collect()
    }

    /// The objects that were left behind: the kind, and how many.
    #[must_use]
    pub fn leaks(&self) -> Vec<(String, u64)> {
        let Some(leaks) = self.0["leaks"].as_object() else { return Vec::new() };
        leaks.iter().map(|(what, count)| (what.clone(), count.as_u64().unwrap_or(0))).collect()
    }

    /// Which rules were broken.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let list = self.0["violations"].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|entry| Violation {
                function: entry["function"].as_str().unwrap_or("").to_owned(),
                rule: entry["rule"].as_str().unwrap_or("").to_owned(),
                times: entry["times"].as_u64().unwrap_or(0),
            })
            .collect()
    }

    /// Sessions that were opened: what they were asked for and what they did.
    #[must_use]
    pub fn sessions(&self) -> Vec<Value> {
        self.0["sessions"].as_array().cloned().unwrap_or_default()
    }

    /// All of it.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// No rule was broken and nothing was left behind.
    ///
    /// # Panics
    /// If not; says what.
    pub fn assert_clean(&self, who: &str) {
        let (violations, leaks) = (self.violations(), self.leaks());
        assert!(
            violations.is_empty() && leaks.is_empty(),
            "{who} breaks rules of the driver: {violations:#?}\nand leaves behind: {leaks:?}"
        );
    }

    /// Some rule was broken in a function, and its words contain these.
    ///
    /// # Panics
    /// If none was.
    pub fn assert_violation(&self, function: &str, words: &str) {
        let found =
            self.violations().iter().any(|broken| broken.function == function && broken.rule.contains(words));
        assert!(found, "no rule about `{words}` was found broken in {function}: {:#?}", self.violations());
    }
}
