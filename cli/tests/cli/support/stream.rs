//! The structure of an H.264 stream, as far as the tests ask for it.

use direct264::annexb::{NalKind, nals};

/// One coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) is_idr: bool,
    /// Bytes of all its NAL units, without start codes.
    pub(crate) bytes: usize,
}

/// The pictures of a stream, in order. A picture begins with the slice whose first macroblock is 0; parameter sets
/// count to the picture after them.
pub(crate) fn pictures(stream: &[u8]) -> Vec<Picture> {
    let mut pictures: Vec<Picture> = Vec::new();
    let mut ahead = 0;
    for nal in nals(stream) {
        let is_idr = nal.kind() == NalKind::IdrSlice;
        if !is_idr && nal.kind() != NalKind::Slice {
            ahead += nal.bytes().len();
            continue;
        }
        // `first_mb_in_slice` is 0 exactly when its Exp-Golomb code is the single bit 1.
        let is_first_slice = nal.bytes().get(1).is_some_and(|byte| byte & 0x80 != 0);
        match pictures.last_mut() {
            Some(picture) if !is_first_slice => picture.bytes += nal.bytes().len(),
            _ => pictures.push(Picture { is_idr, bytes: std::mem::take(&mut ahead) + nal.bytes().len() }),
        }
    }
    pictures
}
