//! The number of cases of a property test.

use proptest::test_runner::{Config, RngSeed};

/// Runs as many cases as `PROPTEST_CASES` says, new ones in each run; else `few`, always the same ones.
pub fn cases(few: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let rng_seed = if asked.is_some() { RngSeed::Random } else { RngSeed::Fixed(264) };
    Config { cases: asked.unwrap_or(few), rng_seed, failure_persistence: None, ..Config::default() }
}
