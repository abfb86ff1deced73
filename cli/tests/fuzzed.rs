//! Every fuzz target, with the inputs that are kept and with random ones.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails, in its helpers too")]

#[expect(unreachable_pub, reason = "a module that the tests of the library share")]
#[path = "../../tests/common/cases.rs"]
mod cases;

// The module of the library that a body includes looks for it here.
use direct264::annexb;

#[path = "../../fuzz/bodies/mod.rs"]
mod bodies;

use std::fs;
use std::path::Path;

use cases::cases;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::proptest;

/// Runs one target on each of its kept inputs.
fn kept(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!inputs.is_empty());
    inputs.iter().for_each(|path| body(&fs::read(path).unwrap()));
}

#[test]
fn kept_inputs_break_nothing() {
    kept("y4m", bodies::y4m);
    kept("raw", bodies::raw);
    kept("nals", bodies::nals);
    kept("sps", bodies::sps);
    kept("frames", bodies::frames);
    kept("values", bodies::values);
    kept("access_units", bodies::access_units);
    kept("config", bodies::config);
    kept("failover", bodies::failover);
}

/// Bytes that are half made of `words`, so that they get beyond the first check.
fn bytes_of(words: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => (0..words.len()).prop_map(|at| words[at].to_vec()),
        1 => vec(any::<u8>(), 0..8),
        1 => any::<u32>().prop_map(|number| number.to_string().into_bytes()),
    ];
    vec(word, 0..24).prop_map(|parts| parts.concat())
}

const Y4M_BEGINNINGS: [&[u8]; 3] = [b"", b"YUV4MPEG2 W4 H2 ", b"YUV4MPEG2 W4 H2\nFRAME\n"];
const Y4M_WORDS: &[&[u8]] = &[
    b"YUV4MPEG2",
    b" ",
    b"W4",
    b"H2",
    b"W",
    b"H1",
    b"F30:1",
    b"F0:0",
    b"Ip",
    b"It",
    b"A4:3",
    b"C420jpeg",
    b"C420p10",
    b"XCOLORRANGE=FULL",
    b"XYSCSS=",
    b"\n",
    b"FRAME",
    b"FRAME\n",
    b"FRAME Ip\n",
    b"abcdefghijkl",
];
const VALUE_WORDS: &[&[u8]] = &[
    b"6", b"0", b"M", b"k", b".", b"/", b"x", b"..", b"-", b"+", b"29.97", b"1001", b"GPU-", b"never",
    b"rgb24", b":", b"=", b"idr", b"bitrate", b"fps", b"size", b"42e0", b"1f",
];
const NAL_WORDS: &[&[u8]] =
    &[&[0, 0, 0, 1], &[0, 0, 1], &[0], &[0, 0, 3], &[0x67], &[0x42, 0xe0, 0x1f], &[0x65, 1]];

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn no_bytes_break_the_y4m_reader(
        begin in 0..Y4M_BEGINNINGS.len(),
        rest in bytes_of(Y4M_WORDS),
    ) {
        bodies::y4m(&[Y4M_BEGINNINGS[begin], &rest].concat());
    }

    #[test]
    fn no_bytes_break_the_raw_reader(bytes in vec(any::<u8>(), 0..600)) {
        bodies::raw(&bytes);
    }

    #[test]
    fn no_bytes_break_the_search_for_nal_units(bytes in bytes_of(NAL_WORDS)) {
        bodies::nals(&bytes);
    }

    #[test]
    fn no_bytes_break_the_reading_of_an_sps(bytes in bytes_of(NAL_WORDS)) {
        bodies::sps(&bytes);
    }

    #[test]
    fn no_bytes_break_the_rewriting_of_access_units(bytes in bytes_of(NAL_WORDS)) {
        bodies::access_units(&bytes);
        bodies::access_units(&[&[0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 1], &bytes[..]].concat());
    }

    #[test]
    fn no_numbers_break_the_settings(bytes in vec(any::<u8>(), 0..40)) {
        bodies::config(&bytes);
        // A size, a rate and a bitrate that are taken, so that the rest is looked at.
        bodies::config(&[&[32, 48, 30, 1, 200], &bytes[..]].concat());
    }

    #[test]
    fn no_numbers_break_the_frame_constructors(bytes in vec(any::<u8>(), 0..16)) {
        bodies::frames(&bytes);
    }

    #[test]
    fn no_text_breaks_the_values_of_the_command_line(text in bytes_of(VALUE_WORDS)) {
        bodies::values(&text);
    }

    #[test]
    fn values_within_their_limits_are_taken_as_they_are_written(
        bps in 1_000..=800_000_000u32,
        hz in 1..=1_000u32,
        (width, height) in (1..=16_384u32, 1..=16_384u32),
        (min, max) in (0..=25u8, 26..=51u8),
    ) {
        let texts = [bps.to_string(), hz.to_string(), format!("{width}x{height}"), format!("{min}..{max}")];
        assert!(bodies::takes(&texts), "{texts:?}");
    }
}

proptest! {
    // Each case is a stream of its own.
    #![proptest_config(cases(40))]

    #[test]
    fn nothing_that_happens_to_a_stream_costs_a_frame(bytes in vec(any::<u8>(), 0..120)) {
        bodies::failover(&bytes);
    }
}
