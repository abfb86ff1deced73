//! Reads parameter sets and slices with h264-reader, a parser that no encoder here uses.

use direct264::annexb::{Nal, NalKind, nals};
use h264_reader::Context;
use h264_reader::nal::NalHeader;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::SliceHeader;
use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::{BitRead, BitReader, decode_nal};

use super::outcome::{Unproven, failed};

const CALL: &str = "the parser h264-reader";

/// Turns an error of the parser into a disproof.
pub(super) fn readable<T, E: std::fmt::Debug>(what: &str, read: Result<T, E>) -> Result<T, Unproven> {
    read.map_err(|error| failed(format!("a {what} that can be read"), format!("{error:?}"), CALL))
}

/// Returns the first SPS of a stream.
pub(super) fn sps(stream: &[u8]) -> Result<SeqParameterSet, Unproven> {
    let nal = nals(stream)
        .find(|nal| nal.kind() == NalKind::Sps)
        .ok_or_else(|| failed("an SPS", "none", "Encoder::encode"))?;
    let payload = readable("SPS", decode_nal(nal.bytes()))?;
    readable("SPS", SeqParameterSet::from_bits(BitReader::new(&*payload)))
}

/// Returns the kinds of the NAL units of an access unit.
pub(super) fn kinds(unit: &[u8]) -> Vec<NalKind> {
    nals(unit).map(|nal| nal.kind()).collect()
}

/// Returns the number of pictures in the recovery point SEI of an access unit; `None` if there is none.
///
/// # Errors
/// A message that cannot be read.
pub(super) fn recovery_point(unit: &[u8]) -> Result<Option<usize>, Unproven> {
    const RECOVERY_POINT: u8 = 6;
    for nal in nals(unit).filter(|nal| nal.kind() == NalKind::Sei) {
        let payload = readable("SEI", decode_nal(nal.bytes()))?;
        // A message begins with its type and its length.
        if let [RECOVERY_POINT, _, message @ ..] = &*payload {
            let pictures = readable("recovery point", BitReader::new(message).read_ue("recovery_frame_cnt"))?;
            return Ok(usize::try_from(pictures).ok());
        }
    }
    Ok(None)
}

/// Whether the NAL unit is a slice.
pub(super) fn is_slice(nal: &Nal<'_>) -> bool {
    matches!(nal.kind(), NalKind::Slice | NalKind::IdrSlice)
}

/// Reads the parameter sets of an access unit into `sets`.
pub(super) fn note_sets(sets: &mut Context, unit: &[u8]) -> Result<(), Unproven> {
    for nal in nals(unit) {
        let payload = readable("NAL unit", decode_nal(nal.bytes()))?;
        let bits = BitReader::new(&*payload);
        match nal.kind() {
            NalKind::Sps => sets.put_seq_param_set(readable("SPS", SeqParameterSet::from_bits(bits))?),
            NalKind::Pps => {
                let set = readable("PPS", PicParameterSet::from_bits(sets, bits))?;
                sets.put_pic_param_set(set);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads the header of a slice, with the parameter sets that it refers to.
pub(super) fn slice<'a>(
    sets: &'a Context,
    nal: &Nal<'_>,
) -> Result<(SliceHeader, &'a SeqParameterSet, &'a PicParameterSet), Unproven> {
    let payload = readable("slice", decode_nal(nal.bytes()))?;
    let first = nal.bytes().first().copied().unwrap_or(0);
    let header = readable("slice", NalHeader::new(first))?;
    readable("slice", SliceHeader::from_bits(sets, &mut BitReader::new(&*payload), header, None))
}
