//! Access units of any bytes, as a broken driver might return them.

use std::ops::Range;

#[path = "../../src/nvenc/output.rs"]
mod output;

/// Rewrites a byte stream as an access unit. An accepted stream becomes the same NAL units in the same order, end to
/// end behind long start codes, and rewriting the result changes nothing.
pub(crate) fn access_units(stream: &[u8]) {
    let (mut bytes, mut ranges) = (vec![7; 3], vec![Range { start: 1, end: 2 }]);
    let Ok(contents) = output::take(stream, &mut bytes, &mut ranges) else { return };
    let mut end = 0;
    for range in &ranges {
        assert_eq!(range.start, end);
        assert!(bytes[range.clone()].starts_with(&[0, 0, 0, 1]));
        end = range.end;
    }
    assert_eq!(end, bytes.len());
    let nals = |stream| direct264::annexb::nals(stream).map(|nal| nal.bytes().to_vec()).collect::<Vec<_>>();
    assert_eq!(nals(&bytes), nals(stream));

    let (mut again, mut ranges_again) = (Vec::new(), Vec::new());
    assert_eq!(output::take(&bytes, &mut again, &mut ranges_again), Ok(contents));
    assert_eq!((again, ranges_again), (bytes, ranges));
}
