//! Reads parameter sets with an independent parser.

use h264_reader::Context;
use h264_reader::nal::NalHeader;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::SliceHeader;
use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::{BitReader, decode_nal};

use direct264::annexb::{NalKind, nals};

/// Returns the first SPS of a stream.
pub fn first(stream: &[u8]) -> SeqParameterSet {
    let nal = nals(stream).find(|nal| nal.kind() == NalKind::Sps).expect("an SPS");
    let rbsp = decode_nal(nal.bytes()).unwrap();
    SeqParameterSet::from_bits(BitReader::new(&*rbsp)).unwrap()
}

/// Returns the quantiser of the first slice of an access unit. `sets` holds the parameter sets of the stream so far.
pub fn slice_qp(sets: &mut Context, unit: &[u8]) -> u8 {
    for nal in nals(unit) {
        let rbsp = decode_nal(nal.bytes()).unwrap();
        let mut bits = BitReader::new(&*rbsp);
        match nal.kind() {
            NalKind::Sps => sets.put_seq_param_set(SeqParameterSet::from_bits(bits).unwrap()),
            NalKind::Pps => {
                let set = PicParameterSet::from_bits(sets, bits).unwrap();
                sets.put_pic_param_set(set);
            }
            NalKind::Slice | NalKind::IdrSlice => {
                let header = NalHeader::new(nal.bytes()[0]).unwrap();
                let (slice, _, set) = SliceHeader::from_bits(sets, &mut bits, header, None).unwrap();
                return u8::try_from(26 + set.pic_init_qp_minus26 + slice.slice_qp_delta).unwrap();
            }
            _ => {}
        }
    }
    panic!("no slice in an access unit");
}
