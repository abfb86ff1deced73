#![no_main]
// The module of the library that a body includes looks for it here.
use direct264::annexb;

#[path = "../bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::frames(bytes));
