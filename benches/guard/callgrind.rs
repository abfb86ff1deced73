//! Reads callgrind's counts: https://valgrind.org/docs/manual/cl-format.html

use std::path::Path;

/// The functions of openh264 that are called from outside of it.
pub(crate) const OPENH264: [&str; 5] = [
    "WelsEnc::CWelsH264SVCEncoder::EncodeFrame(*",
    "WelsEnc::CWelsH264SVCEncoder::EncodeParameterSets(*",
    "WelsEnc::CWelsH264SVCEncoder::ForceIntraFrame(*",
    "WelsEnc::CWelsH264SVCEncoder::InitializeExt(*",
    "WelsEnc::CWelsH264SVCEncoder::SetOption(*",
];

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counted {
    /// The instructions in the program's own code.
    pub(crate) instructions: u64,
    /// The calls of `memcpy`, `memset` and their kin from that code. Their cost depends on the machine.
    pub(crate) copies: u64,
    /// The calls for memory from that code.
    pub(crate) allocations: u64,
}

/// Adds up the functions of `program`, without the libraries that are linked into it.
pub(crate) fn read(text: &str, program: &Path) -> Counted {
    let program = program.to_string_lossy();
    let mut counted = Counted::default();
    let (mut object, mut function, mut callee_object, mut callee) = ("", "", "", "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let is_ours = object == program && !function.contains("yuv::") && !function.contains("Wels");
        match line.split_once('=') {
            Some(("ob", name)) => object = name,
            Some(("fn", name)) => (function, callee_object) = (name, object),
            Some(("cob", name)) => callee_object = name,
            Some(("cfn", name)) => callee = name,
            Some(("calls", calls)) => {
                // The next line counts the callee.
                lines.next();
                let calls = number(calls.split(' ').next());
                if is_ours && callee_object.contains("/libc.so") {
                    if is_allocation(callee) {
                        counted.allocations += calls;
                    } else if is_on_memory(callee) {
                        counted.copies += calls;
                    }
                }
                callee_object = object;
            }
            None if is_ours && line.starts_with(|first: char| first.is_ascii_digit()) => {
                counted.instructions += number(line.split(' ').nth(1));
            }
            _ => {}
        }
    }
    assert!(counted.instructions > 0, "callgrind counted nothing of {program}: has it no symbols?");
    counted
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).expect("a number where callgrind writes one")
}

fn is_allocation(function: &str) -> bool {
    ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"].contains(&function)
}

/// Whether a function of the C library copies, fills or compares memory. The library picks these by the machine, and
/// the picked one has no name without debug symbols. The program calls no other function that is picked so.
fn is_on_memory(function: &str) -> bool {
    let name = function.trim_start_matches('_');
    name.starts_with("mem") || name.starts_with("bcmp") || name.starts_with("0x")
}
