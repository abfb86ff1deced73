//! Levels: the one that is signalled, and the bitrates within it.

use direct264::config::Level;
use direct264::{Bitrate, Encoder, EncoderConfig, FrameRate, OwnedAccessUnit, Picture};

use super::frames::{expect_idrs, usual};
use super::rate::not_refused;
use crate::check::headers;
use crate::check::outcome::{Proof, Unproven, expect, refused};
use crate::check::stream::Stream;
use crate::check::subject::{Subject, ours, size};

pub(in crate::check) fn level(subject: &Subject) -> Proof {
    // Bands by the floor of 3.1, by bitrate, by macroblocks a second, and by the largest size.
    let bands = [
        ((320, 192), 30, 800, None),
        ((320, 192), 30, 12_000, None),
        ((1280, 720), 60, 4_000, None),
        ((320, 192), 30, 800, Some((1920, 1080))),
    ];
    let mut found = Vec::new();
    for ((width, height), hz, kbps, largest) in bands {
        let mut config = EncoderConfig::new(
            size(width, height)?,
            ours(FrameRate::hz(hz))?,
            ours(Bitrate::from_kbps(kbps))?,
        )
        .nvenc(subject.nvenc());
        if let Some((width, height)) = largest {
            config = config.max_size(size(width, height)?);
        }
        let mut stream = Stream::open(subject, &config)?;
        let unit = stream.frame(Picture::Auto)?.clone();
        expect_level(&unit, config.level())?;
        found.push(config.level().to_string());
    }
    Ok(format!("levels {}", found.join(", ")))
}

pub(in crate::check) fn ramp(subject: &Subject) -> Proof {
    let rates = [1_000, 4_000, 9_000, 2_000];
    let highest = ours(Bitrate::from_kbps(9_000))?;
    let config = EncoderConfig::new(usual()?, ours(FrameRate::hz(30))?, ours(Bitrate::from_kbps(rates[0]))?)
        .max_bitrate(Some(highest))
        .nvenc(subject.nvenc());
    subject.needs(|can| can.dynamic_bitrate, "change of bitrate within a session")?;
    let mut stream = Stream::open(subject, &config)?;
    for kbps in rates {
        let call = "Encoder::set_bitrate";
        let changed = stream.encoder.set_bitrate(ours(Bitrate::from_kbps(kbps))?);
        changed.map_err(|error| refused(format!("{kbps} kbit/s"), &error, call))?;
        stream.frames(3)?;
    }
    not_refused(&mut stream)?;
    expect_idrs(&stream, &[0], "Encoder::set_bitrate up to EncoderConfig::max_bitrate")?;
    let unit = stream.frame(Picture::Idr)?.clone();
    expect_level(&unit, config.level())?;
    Ok(format!("1 to 9 Mbit/s in level {}", config.level()))
}

fn expect_level(unit: &OwnedAccessUnit, wanted: Level) -> Result<(), Unproven> {
    let idc = headers::sps(&unit.bytes)?.level_idc;
    let got =
        Level::from_idc(idc).map_or_else(|| format!("level_idc {idc}"), |level| format!("level {level}"));
    expect(idc == wanted.idc(), format!("level {wanted} in the SPS"), got, "EncoderConfig::level")
}
