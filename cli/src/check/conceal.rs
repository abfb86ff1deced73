//! Makes the picture that stands for a lost one at a receiver: a repetition of the picture before.
//!
//! A decoder that conceals a loss does the same. Here the access unit is replaced before the decoder, because not every
//! decoder goes on behind a gap.

use std::io;

use direct264::annexb::nals;
use h264_reader::Context;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::{PicOrderCountLsb, SliceHeader};
use h264_reader::nal::sps::{FrameMbsFlags, PicOrderCntType, SeqParameterSet};
use h264_reader::rbsp::{BitWrite, BitWriter, ByteWriter};

use super::headers;
use super::outcome::{Unproven, failed};

/// Returns an access unit with the numbers of `lost` whose macroblocks are all skipped: one P slice in CAVLC.
///
/// # Errors
/// [`Unproven::NotApplicable`] for a stream in CABAC or with fields, which need another slice.
pub(super) fn repetition(sets: &Context, lost: &[u8]) -> Result<Vec<u8>, Unproven> {
    let nal =
        nals(lost).find(headers::is_slice).ok_or_else(|| failed("a slice", "none", "Encoder::encode"))?;
    let (slice, sps, pps) = headers::slice(sets, &nal)?;
    let is_plain = sps.frame_mbs_flags == FrameMbsFlags::Frames && !pps.entropy_coding_mode_flag;
    if !is_plain || matches!(sps.pic_order_cnt, PicOrderCntType::TypeOne { .. }) || slice.idr_pic_id.is_some()
    {
        let why =
            "the stream has CABAC, fields or picture order type 1, whose losses the check cannot replace";
        return Err(Unproven::NotApplicable(why.to_owned()));
    }
    let written = write(&slice, sps, pps, nal.ref_idc());
    written.map_err(|error| failed("a slice written to memory", error, "the check itself"))
}

fn write(
    slice: &SliceHeader,
    sps: &SeqParameterSet,
    pps: &PicParameterSet,
    ref_idc: u8,
) -> io::Result<Vec<u8>> {
    const SLICE: u8 = 1;
    const P: u32 = 5;
    let mut bits = BitWriter::new(ByteWriter::new(vec![0, 0, 0, 1, ref_idc << 5 | SLICE]));
    bits.write_ue(0)?;
    bits.write_ue(P)?;
    bits.write_ue(pps.pic_parameter_set_id.id().into())?;
    bits.write_var(sps.log2_max_frame_num().into(), slice.frame_num)?;
    if let (PicOrderCntType::TypeZero { log2_max_pic_order_cnt_lsb_minus4 }, Some(order)) =
        (&sps.pic_order_cnt, &slice.pic_order_cnt_lsb)
    {
        let (lsb, bottom) = match *order {
            PicOrderCountLsb::Frame(lsb) => (lsb, None),
            PicOrderCountLsb::FieldsAbsolute { pic_order_cnt_lsb, delta_pic_order_cnt_bottom } => {
                (pic_order_cnt_lsb, Some(delta_pic_order_cnt_bottom))
            }
            PicOrderCountLsb::FieldsDelta(_) => (0, None),
        };
        bits.write_var(u32::from(*log2_max_pic_order_cnt_lsb_minus4) + 4, lsb)?;
        bottom.map_or(Ok(()), |bottom| bits.write_se(bottom))?;
    }
    if pps.redundant_pic_cnt_present_flag {
        bits.write_ue(0)?;
    }
    // The default number of references, in their default order.
    bits.write_bit(false)?;
    bits.write_bit(false)?;
    if pps.weighted_pred_flag {
        bits.write_ue(0)?;
        bits.write_ue(0)?;
        for _ in 0..=pps.num_ref_idx_l0_default_active_minus1 {
            bits.write_bit(false)?;
            bits.write_bit(false)?;
        }
    }
    if ref_idc > 0 {
        // Marked by the sliding window.
        bits.write_bit(false)?;
    }
    bits.write_se(0)?;
    if pps.deblocking_filter_control_present_flag {
        bits.write_ue(1)?;
    }
    bits.write_ue(sps.pic_width_in_mbs() * sps.pic_height_in_map_units())?;
    bits.write_rbsp_trailing_bits()?;
    Ok(bits.into_writer().into_writer())
}
