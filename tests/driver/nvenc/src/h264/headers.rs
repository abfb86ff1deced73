//! The sequence header: what openh264 wrote, up to its usability information, then what the client asked for.

use super::bits::{Reader, Writer};
use super::nal::{escape, unescape};
use super::slice::Syntax;

/// What the client asked the sequence header to say beyond what decoding needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Vui {
    /// Sample aspect ratio, if it is not square.
    pub(crate) aspect: Option<(u32, u32)>,
    pub(crate) overscan: Option<u32>,
    pub(crate) signal: Option<Signal>,
    pub(crate) chroma_location: Option<(u32, u32)>,
    /// Units in a tick, ticks in a second.
    pub(crate) timing: Option<(u32, u32)>,
    /// Says that pictures come out in the order they go in.
    pub(crate) restriction: bool,
}

/// `video_signal_type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) format: u32,
    pub(crate) full_range: bool,
    /// Primaries, transfer, matrix.
    pub(crate) colour: Option<(u32, u32, u32)>,
}

/// What of a sequence header is needed to rewrite it.
struct Parsed {
    frame_num_bits: u32,
    order_bits: Option<u32>,
    /// Where `max_num_ref_frames` is, and what follows it.
    references_at: usize,
    after_references: usize,
    /// Where `vui_parameters_present_flag` is.
    vui_at: usize,
}

fn parse(payload: &[u8]) -> Option<Parsed> {
    let mut reader = Reader::new(payload);
    reader.bits(8)?;
    let profile = reader.bits(8)?;
    reader.bits(16)?;
    reader.ue()?;
    if profile >= 100 {
        // Chroma format, bit depths, bypass, no scaling matrix: openh264 writes 4:2:0 and nothing more.
        reader.ue()?;
        reader.ue()?;
        reader.ue()?;
        reader.bit()?;
        if reader.bit()? == 1 {
            return None;
        }
    }
    let frame_num_bits = reader.ue()? + 4;
    let order_bits = match reader.ue()? {
        0 => Some(reader.ue()? + 4),
        2 => None,
        _ => return None,
    };
    let references_at = reader.position();
    reader.ue()?;
    let after_references = reader.position();
    reader.bit()?;
    reader.ue()?;
    reader.ue()?;
    if reader.bit()? == 0 {
        reader.bit()?;
    }
    reader.bit()?;
    if reader.bit()? == 1 {
        for _ in 0..4 {
            reader.ue()?;
        }
    }
    let vui_at = reader.position();
    Some(Parsed { frame_num_bits, order_bits, references_at, after_references, vui_at })
}

/// How the slices of this sequence are read.
pub(super) fn syntax(unit: &[u8], cabac: bool) -> Option<Syntax> {
    let Parsed { frame_num_bits, order_bits, .. } = parse(&unescape(unit))?;
    Some(Syntax { frame_num_bits, order_bits, cabac })
}

/// Rewrites a sequence header unit; `level` 0 keeps the level that is there. As it was, if it cannot be read.
pub(super) fn rewrite(unit: &[u8], level: u32, references: u32, vui: &Vui) -> Vec<u8> {
    let mut payload = unescape(unit);
    let Some(parsed) = parse(&payload) else { return unit.to_vec() };
    if let (Some(place), Ok(wanted)) = (payload.get_mut(3), u8::try_from(level))
        && wanted != 0
    {
        *place = wanted;
    }
    let mut reader = Reader::new(&payload);
    let mut writer = Writer::default();
    let mut copy = |writer: &mut Writer, from: usize, to: usize| {
        (from..to).for_each(|_| writer.bit(reader.bit().unwrap_or(0)));
    };
    copy(&mut writer, 0, parsed.references_at);
    copy(&mut Writer::default(), parsed.references_at, parsed.after_references);
    writer.ue(references);
    copy(&mut writer, parsed.after_references, parsed.vui_at);
    if *vui == Vui::default() {
        writer.bit(0);
    } else {
        writer.bit(1);
        write_vui(&mut writer, vui, references);
    }
    escape(&writer.finish())
}

fn write_vui(writer: &mut Writer, vui: &Vui, reference_frames: u32) {
    let flag = |writer: &mut Writer, set: bool| writer.bit(u32::from(set));
    flag(writer, vui.aspect.is_some());
    if let Some((width, height)) = vui.aspect {
        writer.bits(255, 8);
        writer.bits(width, 16);
        writer.bits(height, 16);
    }
    flag(writer, vui.overscan.is_some());
    if let Some(overscan) = vui.overscan {
        writer.bit(overscan);
    }
    flag(writer, vui.signal.is_some());
    if let Some(signal) = &vui.signal {
        writer.bits(signal.format, 3);
        flag(writer, signal.full_range);
        flag(writer, signal.colour.is_some());
        if let Some((primaries, transfer, matrix)) = signal.colour {
            writer.bits(primaries, 8);
            writer.bits(transfer, 8);
            writer.bits(matrix, 8);
        }
    }
    flag(writer, vui.chroma_location.is_some());
    if let Some((top, bottom)) = vui.chroma_location {
        writer.ue(top);
        writer.ue(bottom);
    }
    flag(writer, vui.timing.is_some());
    if let Some((units, scale)) = vui.timing {
        writer.bits(units, 32);
        writer.bits(scale, 32);
        writer.bit(1);
    }
    // No HRD of either kind, no picture structure.
    writer.bits(0, 3);
    flag(writer, vui.restriction);
    if vui.restriction {
        writer.bit(1);
        for value in [2, 1, 16, 16, 0, reference_frames] {
            writer.ue(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Signal, Vui, parse, rewrite};
    use crate::h264::nal::unescape;

    /// Baseline, level 3.1, one reference, 640x368 cropped to 360, no usability information.
    const PLAIN: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x80];

    #[test]
    fn what_cannot_be_read_is_left_alone() {
        assert_eq!(rewrite(&[0x67], 0, 1, &Vui::default()), [0x67]);
    }

    #[test]
    fn the_level_is_replaced_and_the_rest_kept() {
        let before = parse(PLAIN).unwrap();
        let vui = Vui {
            signal: Some(Signal { format: 5, full_range: false, colour: Some((1, 1, 1)) }),
            restriction: true,
            ..Vui::default()
        };
        let unit = rewrite(PLAIN, 42, 1, &vui);
        let after = parse(&unescape(&unit)).unwrap();
        assert_eq!(unit[3], 42);
        assert_eq!(before.vui_at, after.vui_at);
        assert_eq!(before.after_references, after.after_references);
        let five = parse(&unescape(&rewrite(PLAIN, 42, 5, &vui))).unwrap();
        assert_eq!(five.after_references - five.references_at, 5, "the code of a five");
        assert_eq!(five.vui_at, before.vui_at + 2);
        assert!(unit.len() > PLAIN.len());
    }
}
