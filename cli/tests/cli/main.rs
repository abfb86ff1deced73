//! The command `direct264`, driven as a user would: one file per behaviour.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails, in its helpers too")]

mod actions;
mod backend_choice;
mod bad_headers;
mod bad_paths;
mod bad_values;
mod broken_output;
mod check;
mod clip;
mod failing_encoder;
mod failover;
mod help;
mod interrupted;
mod loaded_library;
mod odd_sizes;
mod pipe;
mod probe;
mod raw;
mod real_drivers;
mod stats;
mod support;
mod tags;
mod truncated;
