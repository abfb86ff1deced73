#![no_main]
// `src/nvenc/output.rs`, which a body includes, imports this module.
use direct264::annexb;

#[path = "../bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::y4m(bytes));
