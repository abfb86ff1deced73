//! The rate and the VBV that a level allows a session, at its start and in flight, as drivers hold to it.

use crate::config::Profile;

/// Table A-1: `level_idc`, kbit/s, and kbit of the buffer, in the baseline and main profiles.
const TABLE: [(u32, u64, u64); 20] = [
    (9, 128, 350),
    (10, 64, 175),
    (11, 192, 500),
    (12, 384, 1_000),
    (13, 768, 2_000),
    (20, 2_000, 2_000),
    (21, 4_000, 4_000),
    (22, 4_000, 4_000),
    (30, 10_000, 10_000),
    (31, 14_000, 14_000),
    (32, 20_000, 20_000),
    (40, 20_000, 25_000),
    (41, 50_000, 62_500),
    (42, 50_000, 62_500),
    (50, 135_000, 135_000),
    (51, 240_000, 240_000),
    (52, 240_000, 240_000),
    (60, 240_000, 240_000),
    (61, 480_000, 480_000),
    (62, 800_000, 800_000),
];

/// Whether a level has room for a rate in bits a second and a buffer in bits. A level that the driver chooses has room
/// for all.
pub(crate) fn has_room(level: u32, profile: Profile, rate: u32, buffer: u32) -> bool {
    let Some((_, rates, buffers)) = TABLE.iter().find(|(idc, ..)| *idc == level) else { return true };
    // Cards refuse the 1.25 of the standard.
    let tenths = if profile == Profile::High { 12 } else { 10 };
    u64::from(rate) <= rates * 100 * tenths && u64::from(buffer) <= buffers * 100 * tenths
}

#[cfg(test)]
mod tests {
    use super::has_room;
    use crate::config::Profile;

    #[test]
    fn the_ceiling_of_high_is_twelve_tenths_of_the_table_s() {
        assert!(has_room(31, Profile::Baseline, 14_000_000, 14_000_000));
        assert!(!has_room(31, Profile::Main, 14_000_001, 0));
        assert!(!has_room(31, Profile::Main, 0, 14_000_001));
        assert!(has_room(40, Profile::High, 24_000_000, 30_000_000));
        assert!(!has_room(40, Profile::High, 24_000_001, 0));
        assert!(has_room(0, Profile::High, u32::MAX, u32::MAX));
    }
}
