#![no_main]
// Where the crate's own modules, which some of the bodies take in, look for it.
use bodies::{failure, values};
use direct264::annexb;

#[path = "../bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::sps(bytes));
