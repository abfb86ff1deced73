//! H.264 levels and the level that a stream needs (ITU-T H.264 annex A, table A-1).

use std::fmt;

use crate::profile::Profile;
use crate::units::{Bitrate, FrameRate, FrameSize};

/// An H.264 level: limits that a decoder must keep up with to play the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

/// Table A-1: `level_idc`, macroblocks a second, macroblocks a frame, macroblocks in all reference frames; then, in the
/// baseline and main profiles, kbit/s and kbit of the coded picture buffer.
const TABLE: [(u8, u32, u32, u32, u32, u32); 19] = [
    (10, 1_485, 99, 396, 64, 175),
    (11, 3_000, 396, 900, 192, 500),
    (12, 6_000, 396, 2_376, 384, 1_000),
    (13, 11_880, 396, 2_376, 768, 2_000),
    (20, 11_880, 396, 2_376, 2_000, 2_000),
    (21, 19_800, 792, 4_752, 4_000, 4_000),
    (22, 20_250, 1_620, 8_100, 4_000, 4_000),
    (30, 40_500, 1_620, 8_100, 10_000, 10_000),
    (31, 108_000, 3_600, 18_000, 14_000, 14_000),
    (32, 216_000, 5_120, 20_480, 20_000, 20_000),
    (40, 245_760, 8_192, 32_768, 20_000, 25_000),
    (41, 245_760, 8_192, 32_768, 50_000, 62_500),
    (42, 522_240, 8_704, 34_816, 50_000, 62_500),
    (50, 589_824, 22_080, 110_400, 135_000, 135_000),
    (51, 983_040, 36_864, 184_320, 240_000, 240_000),
    (52, 2_073_600, 36_864, 184_320, 240_000, 240_000),
    (60, 4_177_920, 139_264, 696_320, 240_000, 240_000),
    (61, 8_355_840, 139_264, 696_320, 480_000, 480_000),
    (62, 16_711_680, 139_264, 696_320, 800_000, 800_000),
];

/// The needs of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) profile: Profile,
    pub(crate) size: FrameSize,
    pub(crate) frame_rate: FrameRate,
    pub(crate) bitrate: Bitrate,
    pub(crate) vbv_bits: u32,
    /// The reference frames that a decoder has to keep.
    pub(crate) reference_frames: u32,
}

impl Level {
    /// The highest level, 6.2.
    pub const MAX: Self = Self(62);

    /// The lowest level of a session, 3.1. Every browser decodes it, and a stream that starts small grows within it.
    pub(crate) const LEAST_OF_SESSION: Self = Self(31);

    /// The highest level of a session for what it may become, 5.2.
    pub(crate) const MOST_OF_ROOM: Self = Self(52);

    /// Returns the lowest level whose limits hold size, frame rate and bitrate; [`Level::MAX`] when no level does.
    #[must_use]
    pub fn for_stream(profile: Profile, size: FrameSize, frame_rate: FrameRate, bitrate: Bitrate) -> Self {
        Self::lowest(&Needs { profile, size, frame_rate, bitrate, vbv_bits: 0, reference_frames: 1 })
    }

    /// Returns the lowest level that meets the needs; [`Level::MAX`] when no level does.
    pub(crate) fn lowest(needs: &Needs) -> Self {
        TABLE.iter().map(|&(idc, ..)| Self(idc)).find(|level| level.meets(needs)).unwrap_or(Self::MAX)
    }

    /// Returns the level with this `level_idc`: 42 for level 4.2. `None` when table A-1 has no such level. Level 1b,
    /// which some profiles write as 9, has no value of its own here.
    #[must_use]
    pub fn from_idc(idc: u8) -> Option<Self> {
        TABLE.iter().any(|&(known, ..)| known == idc).then_some(Self(idc))
    }

    /// Whether a stream of this size, frame rate and bitrate is within the limits of the level. A receiver that
    /// signals the level has promised to play such a stream.
    #[must_use]
    pub fn holds(self, profile: Profile, size: FrameSize, frame_rate: FrameRate, bitrate: Bitrate) -> bool {
        self.meets(&Needs { profile, size, frame_rate, bitrate, vbv_bits: 0, reference_frames: 1 })
    }

    fn meets(self, needs: &Needs) -> bool {
        let &Needs { profile, size, frame_rate, bitrate, vbv_bits, reference_frames } = needs;
        let (columns, rows) = size.macroblocks();
        let frame = u64::from(columns) * u64::from(rows);
        let longest = u64::from(columns.max(rows));
        let second =
            (frame * u64::from(frame_rate.numerator())).div_ceil(u64::from(frame_rate.denominator()));
        // A.3.1 and A.3.3 allow high 5/4 of the table's rate and buffer. NVIDIA's drivers refuse more than 6/5.
        let factor = if profile == Profile::High { 1_200 } else { 1_000 };
        TABLE.iter().find(|&&(idc, ..)| idc == self.0).is_some_and(
            |&(_, max_second, max_frame, max_kept, kbps, buffer_kbits)| {
                u64::from(reference_frames) * frame <= u64::from(max_kept)
                    && second <= u64::from(max_second)
                    && frame <= u64::from(max_frame)
                    && longest * longest <= 8 * u64::from(max_frame)
                    && u64::from(bitrate.bps()) <= u64::from(kbps) * factor
                    && u64::from(vbv_bits) <= u64::from(buffer_kbits) * factor
            },
        )
    }

    /// The number of reference frames of a size that a decoder of the highest level can keep: at most 16.
    #[cfg(nvenc)]
    pub(crate) fn most_frames(size: FrameSize) -> u32 {
        let (columns, rows) = size.macroblocks();
        let [.., (_, _, _, max_kept, ..)] = TABLE;
        (max_kept / (columns * rows).max(1)).clamp(1, 16)
    }

    /// `level_idc`, which is ten times the level's name: 42 for level 4.2.
    #[must_use]
    pub const fn idc(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(width: u32, height: u32, hz: u32, kbps: u64) -> u8 {
        let size = FrameSize::new(width, height).unwrap();
        let rate = FrameRate::hz(hz).unwrap();
        Level::for_stream(Profile::ConstrainedBaseline, size, rate, Bitrate::from_kbps(kbps).unwrap()).idc()
    }

    fn needs(profile: Profile) -> Needs {
        Needs {
            profile,
            size: FrameSize::new(1920, 1080).unwrap(),
            frame_rate: FrameRate::hz(60).unwrap(),
            bitrate: Bitrate::from_mbps(6).unwrap(),
            vbv_bits: 100_000,
            reference_frames: 1,
        }
    }

    #[test]
    fn a_stream_that_keeps_more_frames_needs_a_higher_level() {
        let level = |reference_frames| {
            Level::lowest(&Needs { reference_frames, ..needs(Profile::ConstrainedBaseline) }).idc()
        };
        assert_eq!([1, 4, 5, 13, 16].map(level), [42, 42, 50, 50, 51]);
    }

    #[test]
    fn rate_and_vbv_stay_within_what_drivers_allow() {
        let with = |profile, kbps: u64, vbv_bits| {
            let bitrate = Bitrate::from_kbps(kbps).unwrap();
            Level::lowest(&Needs { bitrate, vbv_bits, ..needs(profile) }).idc()
        };
        let (baseline, high) = (Profile::ConstrainedBaseline, Profile::High);
        assert_eq!([with(baseline, 50_000, 0), with(baseline, 50_001, 0)], [42, 50]);
        // 5/4 of the table's 50 Mbit/s are refused, and 6/5 are not.
        assert_eq!([with(high, 60_000, 0), with(high, 60_001, 0), with(high, 62_500, 0)], [42, 50, 50]);
        assert_eq!([with(baseline, 6_000, 62_500_000), with(baseline, 6_000, 62_500_001)], [42, 50]);
        assert_eq!([with(high, 6_000, 75_000_000), with(high, 6_000, 75_000_001)], [42, 50]);
    }

    #[cfg(nvenc)]
    #[test]
    fn the_largest_pictures_leave_room_for_few() {
        let most = |width, height| Level::most_frames(FrameSize::new(width, height).unwrap());
        assert_eq!([most(1920, 1080), most(4096, 4096), most(16_384, 8_704)], [16, 10, 1]);
    }

    #[test]
    fn well_known_streams_get_their_well_known_level() {
        assert_eq!(level(1920, 1080, 30, 6_000), 40);
        assert_eq!(level(1920, 1080, 60, 6_000), 42);
        assert_eq!(level(1280, 720, 30, 2_000), 31);
        assert_eq!(level(1280, 720, 60, 2_000), 32);
        assert_eq!(level(640, 360, 30, 800), 30);
        assert_eq!(level(3840, 2160, 60, 20_000), 52);
        assert_eq!(level(176, 144, 15, 64), 10);
    }

    #[test]
    fn bitrate_alone_raises_the_level() {
        assert_eq!(level(640, 360, 30, 10_001), 31);
        assert_eq!(level(1280, 720, 30, 30_000), 41);
    }

    #[test]
    fn a_long_thin_picture_needs_a_level_for_its_longest_side() {
        // 4096x16 has 256 macroblocks, and 256 squared is more than 8 * 396.
        assert!(level(4096, 16, 5, 64) >= 40);
    }

    #[test]
    fn what_no_level_holds_gets_the_highest() {
        assert_eq!(level(16_384, 16_384, 300, 800_000), 62);
    }

    #[test]
    fn a_level_is_known_by_its_number_and_told_by_its_name() {
        assert_eq!(Level::from_idc(42).map(|level| level.to_string()).as_deref(), Some("4.2"));
        assert_eq!([9, 14, 63, 255].map(Level::from_idc), [None; 4]);
        for (idc, ..) in TABLE {
            assert_eq!(Level::from_idc(idc).unwrap().idc(), idc);
        }
    }
}
