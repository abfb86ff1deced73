//! Parameter sets: what they say, and where they are.

use direct264::annexb::NalKind;
use direct264::config::Profile;
use direct264::{Encoder, Picture};

use super::frames::{FLOOR_DB, usual};
use crate::check::headers;
use crate::check::outcome::{Proof, expect, refused};
use crate::check::stream::{ENCODE, Stream};
use crate::check::subject::Subject;

pub(in crate::check) fn sps(subject: &Subject) -> Proof {
    let mut stream = Stream::open(subject, &subject.config(usual()?)?)?;
    for number in 0..4 {
        stream.frame(if number == 2 { Picture::Idr } else { Picture::Auto })?;
    }
    let sets = stream.encoder.parameter_sets();
    let sets = sets.map_err(|error| refused("SPS and PPS", &error, "Encoder::parameter_sets"))?;
    for unit in stream.units.iter().filter(|unit| unit.is_idr) {
        let kinds = headers::kinds(&unit.bytes);
        let expected = "SPS, PPS, then IDR slices";
        expect(kinds.starts_with(&[NalKind::Sps, NalKind::Pps]), expected, format!("{kinds:?}"), ENCODE)?;
        let got = format!("{} bytes that differ", sets.len());
        expect(
            unit.bytes.starts_with(&sets),
            "the SPS and PPS of the stream",
            got,
            "Encoder::parameter_sets",
        )?;
    }
    let sps = headers::sps(&sets)?;
    let (profile, is_constrained) = (u8::from(sps.profile_idc), sps.constraint_flags.flag1());
    let got = format!("profile_idc {profile}, constraint_set1_flag {is_constrained}");
    expect(
        (profile, is_constrained) == (66, true),
        "profile_idc 66, constraint_set1_flag true",
        got,
        "the SPS",
    )?;
    let vui = sps.vui_parameters.as_ref();
    let colour = vui.and_then(|vui| vui.video_signal_type.as_ref()).and_then(|signal| {
        let told = signal.colour_description.as_ref()?;
        Some((
            signal.video_full_range_flag,
            told.colour_primaries,
            told.transfer_characteristics,
            told.matrix_coefficients,
        ))
    });
    expect(
        colour == Some((false, 1, 1, 1)),
        "BT.709 at limited range in the VUI",
        format!("{colour:?}"),
        "the SPS",
    )?;
    let restriction = vui.and_then(|vui| vui.bitstream_restrictions.as_ref());
    let reordered = restriction.map(|told| told.max_num_reorder_frames);
    expect(reordered == Some(0), "max_num_reorder_frames 0", format!("{reordered:?}"), "the SPS")?;
    Ok(format!("{} bytes, level {}.{}", sets.len(), sps.level_idc / 10, sps.level_idc % 10))
}

pub(in crate::check) fn profiles(subject: &Subject) -> Proof {
    let mut figures = Vec::new();
    for (profile, name, idc) in [
        (Profile::ConstrainedBaseline, "baseline", 66),
        (Profile::Main, "main", 77),
        (Profile::High, "high", 100),
    ] {
        let mut stream = Stream::open(subject, &subject.config(usual()?)?.profile(profile))?;
        stream.frames(8)?;
        let sps = headers::sps(&stream.units[0].bytes)?;
        let got = u8::from(sps.profile_idc);
        let call = "EncoderConfig::profile";
        expect(got == idc, format!("profile_idc {idc} for {name}"), format!("profile_idc {got}"), call)?;
        let psnr_db = stream.decoded_near(FLOOR_DB)?;
        figures.push(format!("{name} {psnr_db:.1} dB"));
    }
    Ok(figures.join(", "))
}
