//! What the parameter sets say, read by a parser that is not ours.

use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::{BitReader, decode_nal};

use direct264::annexb::{NalKind, nals};

/// The first SPS of a stream.
pub fn first(stream: &[u8]) -> SeqParameterSet {
    let nal = nals(stream).find(|nal| nal.kind() == NalKind::Sps).expect("an SPS");
    let rbsp = decode_nal(nal.bytes()).unwrap();
    SeqParameterSet::from_bits(BitReader::new(&*rbsp)).unwrap()
}
