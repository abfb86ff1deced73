//! NAL units of any bytes.

use direct264::annexb::NalKind;
use direct264::rtc::ProfileLevelId;

/// Splits a byte stream. Each NAL unit lies in the stream, in order, holds no start code and does not end in zeros.
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

/// Reads profile and level from the first SPS of a byte stream: they are the bytes behind its header, and their text
/// agrees. The answer to them is an offer of the same profile, at a level that both sides have.
pub(crate) fn sps(stream: &[u8]) {
    let first = direct264::annexb::nals(stream).find(|nal| nal.kind() == NalKind::Sps);
    let found = ProfileLevelId::from_stream(stream);
    let bytes = first.filter(|nal| nal.bytes()[0] < 0x80).and_then(|nal| nal.bytes().get(1..4));
    assert_eq!(found.map(|id| id.bytes().to_vec()), bytes.map(<[u8]>::to_vec));
    let Some(id) = found else { return };
    assert_eq!(id.to_string().parse::<ProfileLevelId>().unwrap(), id);
    assert_eq!(id.to_string().to_uppercase().parse::<ProfileLevelId>().unwrap(), id);
    for is_asymmetry_allowed in [false, true] {
        let Some(answer) = id.answer(ProfileLevelId::BROWSER, is_asymmetry_allowed) else { continue };
        assert!(answer.is_same_profile(id) && answer.profile() == ProfileLevelId::BROWSER.profile());
        assert!(is_asymmetry_allowed || answer.level() <= id.level());
    }
}
