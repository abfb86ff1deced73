//! The accepted and the current figures of each path.

use std::collections::BTreeMap;
use std::fmt;

use crate::callgrind::Counted;
use crate::paths::loose_calls;

/// The growth of a path's instructions that is accepted, in percent: a new compiler may cause as much.
const INSTRUCTIONS_PERCENT: f64 = 2.0;
/// The growth of a path's calls that is accepted: one copy or allocation in twenty frames is one too many.
const CALLS: f64 = 0.05;

const HEADER: &str = "\
# What our own code does for a frame on each hot path: see main.rs. Taken with `.ci/budget --accept`; whoever does that
# says in the commit what the frame gets for it.
#
";

/// The cost of one frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    instructions: f64,
    copies: f64,
    allocations: f64,
}

impl Figures {
    /// Takes the difference between a run and one of twice its frames.
    pub(crate) fn of_a_frame(once: Counted, twice: Counted, frames: usize) -> Self {
        let share = |once: u64, twice: u64| (twice as f64 - once as f64) / frames as f64;
        Self {
            instructions: share(once.instructions, twice.instructions),
            copies: share(once.copies, twice.copies),
            allocations: share(once.allocations, twice.allocations),
        }
    }
}

/// The figures of all paths, and the compiler of the code.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    compiler: Option<String>,
    paths: BTreeMap<String, Figures>,
}

impl Budget {
    pub(crate) fn insert(&mut self, path: &str, figures: Figures) {
        self.compiler.get_or_insert_with(compiler);
        self.paths.insert(path.to_owned(), figures);
    }

    /// Parses the output of [`Display`](fmt::Display).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut budget = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            if name == "compiler" {
                budget.compiler = Some(words.collect::<Vec<_>>().join(" "));
                continue;
            }
            let mut figure = || words.next()?.parse().ok();
            let figures = Figures { instructions: figure()?, copies: figure()?, allocations: figure()? };
            budget.paths.insert(name.to_owned(), figures);
        }
        Some(budget)
    }

    /// Prints every path of `found` beside its budget, and returns whether all keep to it.
    pub(crate) fn tell(&self, found: &Self) -> bool {
        println!("{:<24} {:>24} {:>20} {:>20}", "a frame", "instructions", "copies", "allocations");
        let mut faults = Vec::new();
        for (path, now) in &found.paths {
            let Some(then) = self.paths.get(path) else {
                faults.push(format!("{path} has no budget"));
                continue;
            };
            let pair = |now: f64, then: f64, decimals| format!("{now:.decimals$} of {then:.decimals$}");
            println!(
                "{path:<24} {:>24} {:>20} {:>20}",
                pair(now.instructions, then.instructions, 0),
                pair(now.copies, then.copies, 1),
                pair(now.allocations, then.allocations, 1),
            );
            let most = then.instructions * (1.0 + INSTRUCTIONS_PERCENT / 100.0);
            if now.instructions > most {
                let percent = 100.0 * (now.instructions / then.instructions - 1.0);
                faults.push(format!(
                    "{path}: instructions for a frame grew from {:.0} to {:.0}, by {percent:.1} % where \
                     {INSTRUCTIONS_PERCENT} % are allowed",
                    then.instructions, now.instructions,
                ));
            }
            for (what, now, then) in
                [("copies", now.copies, then.copies), ("allocations", now.allocations, then.allocations)]
            {
                if now > then + CALLS + loose_calls(path) {
                    faults.push(format!("{path}: {what} for a frame grew from {then:.1} to {now:.1}"));
                }
            }
            if now.instructions < then.instructions * (1.0 - INSTRUCTIONS_PERCENT / 100.0) {
                println!("    less than its budget: `.ci/budget --accept` keeps it so");
            }
        }
        let gone = self.paths.keys().filter(|path| !found.paths.contains_key(*path));
        faults.extend(gone.map(|path| format!("{path} has a budget and is no path any more")));
        if faults.is_empty() {
            return true;
        }
        for fault in &faults {
            eprintln!("over budget: {fault}");
        }
        if self.compiler != found.compiler {
            let name = |of: &Self| of.compiler.clone().unwrap_or_default();
            eprintln!("The budget was taken with {}, this is {}.", name(self), name(found));
        }
        eprintln!(
            "If that is meant, take the new figures with `.ci/budget --accept` and commit benches/guard/budget.txt."
        );
        false
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        writeln!(f, "compiler {}", self.compiler.as_deref().unwrap_or("unknown"))?;
        writeln!(f, "{:<24} {:>12} {:>8} {:>12}", "# path", "instructions", "copies", "allocations")?;
        for (path, Figures { instructions, copies, allocations }) in &self.paths {
            writeln!(f, "{path:<24} {instructions:>12.0} {copies:>8.2} {allocations:>12.2}")?;
        }
        Ok(())
    }
}

/// The compiler's name for itself; cargo has no variable for it.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("--version").output();
    output.map_or_else(
        |_| "an unknown compiler".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
