//! The claims about a backend, each with its proof.

mod bands;
mod colour;
mod device;
mod formats;
mod frames;
mod headers;
mod latency;
mod layers;
mod lent;
mod limits;
mod losses;
mod passes;
mod pipeline;
mod quantiser;
mod rate;
mod sessions;
mod sizes;
mod slices;
mod waves;

use super::claim::Claim;

/// Every claim, in the order of the report.
pub(super) const ALL: &[Claim] = &[
    Claim::new("open", "an encoder opens, and its first access unit is an IDR", frames::open),
    Claim::new(
        "frames",
        "one frame in gives one access unit out, in order, and a decoder shows it",
        frames::frames,
    ),
    Claim::new(
        "sps",
        "an IDR carries SPS and PPS with the profile, the colour and no reordering",
        headers::sps,
    ),
    Claim::new("profiles", "baseline, main and high are signalled and decode", headers::profiles),
    Claim::new("sizes", "odd, small and large pictures keep their size", sizes::sizes),
    Claim::new(
        "formats",
        "I420, NV12 and packed RGB, with any stride, give the same picture",
        formats::formats,
    ),
    Claim::new("colour", "RGB is converted with the matrix and range that the VUI signals", colour::colour),
    Claim::new("rgb", "with converts_rgb NVENC converts RGB as the VUI signals", colour::rgb_on_gpu).nvenc(),
    Claim::new("idr", "a requested IDR is the very next access unit, and a period is kept", frames::idr),
    Claim::new("quantiser", "each picture has a quantiser of the range asked for", quantiser::quantiser),
    Claim::new(
        "rate",
        "the bitrate and the frame rate change without an IDR, and the stream follows",
        rate::rate,
    ),
    Claim::new(
        "resize",
        "the size changes in mid-stream with an IDR, within the session where the GPU can",
        rate::resize,
    ),
    Claim::new("level", "the SPS has the level that EncoderConfig::level tells", bands::level),
    Claim::new(
        "ramp",
        "the bitrate rises to max_bitrate without an IDR and without another level",
        bands::ramp,
    ),
    Claim::new("slices", "a picture has as many slices as asked for", slices::slices),
    Claim::new("layers", "of two temporal layers every second frame can be dropped", layers::layers),
    Claim::new(
        "pipeline",
        "a pipeline gives the access units of frame by frame, in order",
        pipeline::pipeline,
    ),
    Claim::new("lent", "a frame written in page-locked memory gives the access unit of encode", lent::lent)
        .nvenc(),
    Claim::new(
        "invalidation",
        "after a loss the next frame needs no lost frame and no IDR",
        losses::invalidation,
    )
    .nvenc(),
    Claim::new(
        "waves",
        "an intra refresh gives a receiver that lost a frame the exact picture again",
        waves::waves,
    )
    .nvenc(),
    Claim::new("passes", "two passes keep the largest picture at or below that of one pass", passes::passes)
        .nvenc(),
    Claim::new(
        "device",
        "a frame in device memory gives the access unit of the same frame in host memory",
        device::device,
    )
    .in_child(),
    Claim::new(
        "pitches",
        "any pitch and any address in device memory leaves the CUDA context alive",
        device::pitches,
    )
    .nvenc()
    .in_child(),
    Claim::new("sessions", "every encode session comes back when its encoder ends", sessions::sessions)
        .nvenc()
        .in_child(),
    Claim::new(
        "timeout",
        "a call past its limit costs the limit, and software encodes the frame",
        limits::timeout,
    )
    .nvenc()
    .in_child(),
    Claim::new(
        "latency",
        "the times are told, and on NVENC no frame counts as a hang by default",
        latency::idle,
    ),
    Claim::new("busy", "the same beside a busy copy loop", latency::busy),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ALL;

    #[test]
    fn each_claim_has_a_word_of_its_own_and_a_sentence() {
        let words: BTreeSet<_> = ALL.iter().map(|claim| claim.word).collect();
        assert_eq!(words.len(), ALL.len());
        for claim in ALL {
            assert!(claim.word.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", claim.word);
            assert!(claim.sentence.len() > 20 && !claim.sentence.ends_with('.'), "{}", claim.sentence);
        }
    }
}
