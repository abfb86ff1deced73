//! NAL units of any bytes.

/// Splits a byte stream. What is found lies in the stream, in order, holds no start code and does not end in zeros.
pub(crate) fn nals(stream: &[u8]) {
    let mut from = 0;
    for nal in direct264::annexb::nals(stream) {
        let bytes = nal.bytes();
        let at = bytes.as_ptr() as usize - stream.as_ptr() as usize;
        assert!(at >= from + 3 && at + bytes.len() <= stream.len());
        assert_eq!(stream[at - 3..at], [0, 0, 1]);
        assert!(bytes.last().is_some_and(|&byte| byte != 0));
        assert!(!bytes.windows(3).any(|three| three == [0, 0, 1]));
        assert!(nal.ref_idc() <= 3);
        let _ = nal.kind();
        from = at + bytes.len();
    }
}
