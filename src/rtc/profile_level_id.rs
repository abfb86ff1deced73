//! `profile-level-id`: the profile and level of a stream in SDP (RFC 6184 section 8.1).

use std::fmt;
use std::str::FromStr;

use crate::annexb::{NalKind, nals};
use crate::config::EncoderConfig;
use crate::error::ConfigError;
use crate::level::Level;
use crate::profile::Profile;

/// The first three bytes of an SPS, which SDP writes as six hexadecimal digits: profile, constraints, level.
///
/// ```
/// use direct264::rtc::ProfileLevelId;
/// use direct264::config::{Level, Profile};
/// use direct264::{Bitrate, EncoderConfig, FrameRate, FrameSize};
/// # fn main() -> Result<(), direct264::error::ConfigError> {
/// let config = EncoderConfig::new(FrameSize::new(1920, 1080)?, FrameRate::hz(60)?, Bitrate::from_mbps(6)?);
/// let ours = ProfileLevelId::for_config(&config);
/// assert_eq!(ours.to_string(), "42e02a");
///
/// // The offer of a browser. Profiles must be the same; levels may differ when both sides say so.
/// let offered: ProfileLevelId = "42e01f".parse()?;
/// assert_eq!(offered.profile(), Some(Profile::ConstrainedBaseline));
/// assert_eq!(offered.answer(ours, true), Some(ours));
/// assert_eq!(offered.answer(ours, false), Some(offered));
///
/// // The receiver has promised to play streams within the level that it offered.
/// let (size, rate, bitrate) = (config.size(), config.frame_rate(), config.bitrate());
/// let promised = offered.level().is_some_and(|level| level.holds(Profile::ConstrainedBaseline, size, rate, bitrate));
/// assert!(!promised);
/// # Ok(()) }
/// ```
///
/// Browsers play more than they promise: Chromium offers level 3.1 and plays the level of the SPS, 1080p60 included.
/// A decoder in hardware may size itself by the level, so the SPS of this crate's streams tells the true level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProfileLevelId {
    profile_idc: u8,
    constraints: u8,
    level_idc: u8,
}

/// The profiles of RFC 6184 table 5 that have a name in SDP, and constrained high, which WebRTC adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
}

const BASELINE: u8 = 66;
const MAIN: u8 = 77;
const EXTENDED: u8 = 88;
const HIGH: u8 = 100;
/// `constraint_set3_flag`, which means level 1b where the level is 1.1.
const SET3: u8 = 0x10;

impl ProfileLevelId {
    /// `42e01f`, constrained baseline at level 3.1, which every browser offers and accepts.
    pub const BROWSER: Self = Self::from_bytes([BASELINE, 0xe0, 31]);

    /// Makes a value of `profile_idc`, the constraint flags and `level_idc`, which follow the header byte of an SPS.
    #[must_use]
    pub const fn from_bytes([profile_idc, constraints, level_idc]: [u8; 3]) -> Self {
        Self { profile_idc, constraints, level_idc }
    }

    /// Reads the value from an SPS NAL unit without its start code; `None` when the unit is no SPS. An SPS may carry
    /// constraint flags that receivers do not know from SDP. For signalling,
    /// [`for_config`](ProfileLevelId::for_config) and [`answer`](ProfileLevelId::answer) make better values.
    #[must_use]
    pub fn from_sps(nal: &[u8]) -> Option<Self> {
        match nal {
            // The header: a forbidden bit that is 0, two bits that do not matter, and the type, 7.
            &[header, profile_idc, constraints, level_idc, ..] if header & 0x9f == 7 => {
                Some(Self::from_bytes([profile_idc, constraints, level_idc]))
            }
            _ => None,
        }
    }

    /// Reads the value from the first SPS of an Annex B stream: an access unit that is an IDR, or
    /// [`parameter_sets`](crate::Encoder::parameter_sets). `None` when the stream has no SPS.
    #[must_use]
    pub fn from_stream(stream: &[u8]) -> Option<Self> {
        nals(stream).find(|nal| nal.kind() == NalKind::Sps).and_then(|nal| Self::from_sps(nal.bytes()))
    }

    /// Returns the value to signal for a stream with these settings, before the encoder is opened. The level is
    /// [`EncoderConfig::level`]. High is signalled as constrained
    /// high (`640c..`), because nothing is interlaced and there are no B pictures.
    ///
    /// The SPS carries the same level, with one exception: below 30 frames a second, openh264 writes the level that
    /// 30 would need.
    #[must_use]
    pub fn for_config(config: &EncoderConfig) -> Self {
        let (profile_idc, constraints) = match config.profile {
            Profile::ConstrainedBaseline => (BASELINE, 0xe0),
            Profile::Main => (MAIN, 0),
            Profile::High => (HIGH, 0x0c),
        };
        Self { profile_idc, constraints, level_idc: config.level().idc() }
    }

    /// The three bytes, as in an SPS.
    #[must_use]
    pub const fn bytes(self) -> [u8; 3] {
        [self.profile_idc, self.constraints, self.level_idc]
    }

    /// The three bytes as a number, `0x42e01f` for [`ProfileLevelId::BROWSER`]. Some WebRTC stacks take this form.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        u32::from_be_bytes([0, self.profile_idc, self.constraints, self.level_idc])
    }

    /// The profile to open an encoder with for a receiver that offers this value; `None` when no profile fits
    /// (extended, or a profile of more than 8 bits or 4:2:0).
    #[must_use]
    pub fn profile(self) -> Option<Profile> {
        Some(match self.named()? {
            Named::ConstrainedBaseline | Named::Baseline => Profile::ConstrainedBaseline,
            Named::Main => Profile::Main,
            Named::ConstrainedHigh | Named::High => Profile::High,
        })
    }

    /// The level; level 1b counts as level 1. `None` for a number that is no level.
    #[must_use]
    pub fn level(self) -> Option<Level> {
        let is_1b = match self.level_idc {
            9 => true,
            11 => matches!(self.profile_idc, BASELINE | MAIN | EXTENDED) && self.constraints & SET3 != 0,
            _ => false,
        };
        Level::from_idc(if is_1b { 10 } else { self.level_idc })
    }

    /// The same profile at another level.
    #[must_use]
    pub const fn with_level(self, level: Level) -> Self {
        Self { level_idc: level.idc(), constraints: self.constraints & !SET3, ..self }
    }

    /// Whether both values name the same profile, though their bytes may differ: `42e0` and `42c0` are constrained
    /// baseline, `4200` is not.
    #[must_use]
    pub fn is_same_profile(self, other: Self) -> bool {
        match (self.named(), other.named()) {
            (Some(one), Some(another)) => one == another,
            _ => (self.profile_idc, self.constraints) == (other.profile_idc, other.constraints),
        }
    }

    /// Returns the answer to this offer with a stream of `ours` (RFC 6184 section 8.2.2). It has the offered profile,
    /// at our level where offer and answer both say `level-asymmetry-allowed=1`, else at the lower level. `None` when
    /// the profiles differ: try the next offered value.
    #[must_use]
    pub fn answer(self, ours: Self, is_asymmetry_allowed: bool) -> Option<Self> {
        let (offered, level) = (self.level()?, ours.level()?);
        let level = if is_asymmetry_allowed { level } else { level.min(offered) };
        self.is_same_profile(ours).then(|| if level == offered { self } else { self.with_level(level) })
    }

    fn named(self) -> Option<Named> {
        let is = |mask: u8, bits: u8| self.constraints & mask == bits;
        Some(match self.profile_idc {
            // As in the table: `constraint_set0_flag` is the highest bit.
            BASELINE if is(0x4f, 0x40) => Named::ConstrainedBaseline,
            MAIN if is(0x8f, 0x80) => Named::ConstrainedBaseline,
            EXTENDED if is(0xcf, 0xc0) => Named::ConstrainedBaseline,
            BASELINE if is(0x4f, 0) => Named::Baseline,
            EXTENDED if is(0xcf, 0x80) => Named::Baseline,
            // Beside the table: flags of an SPS of main or high that tell of frames alone and of no B pictures.
            MAIN if is(0xa3, 0) => Named::Main,
            HIGH if is(0xff, 0x0c) => Named::ConstrainedHigh,
            HIGH if is(0xf3, 0) => Named::High,
            _ => return None,
        })
    }
}

/// Six hexadecimal digits, in lower case.
impl fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.as_u32())
    }
}

impl FromStr for ProfileLevelId {
    type Err = ConfigError;

    /// Six hexadecimal digits, in either case.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        // `from_str_radix` takes a sign too.
        let is_hex = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u32::from_str_radix(text, 16).ok()).flatten();
        number
            .map(|number| {
                let [_, profile_idc, constraints, level_idc] = number.to_be_bytes();
                Self { profile_idc, constraints, level_idc }
            })
            .ok_or_else(|| ConfigError::ProfileLevelId { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bitrate, FrameRate, FrameSize};
    use proptest::prelude::*;

    fn id(text: &str) -> ProfileLevelId {
        text.parse().unwrap()
    }

    fn config(width: u32, height: u32, hz: u32, profile: Profile) -> EncoderConfig {
        let size = FrameSize::new(width, height).unwrap();
        EncoderConfig::new(size, FrameRate::hz(hz).unwrap(), Bitrate::from_mbps(2).unwrap()).profile(profile)
    }

    #[test]
    fn the_profiles_of_the_table_are_told_apart() {
        let baseline = Some(Profile::ConstrainedBaseline);
        let (main, high) = (Some(Profile::Main), Some(Profile::High));
        for (text, profile) in [
            ("42e01f", baseline),
            ("42c02a", baseline),
            ("42001f", baseline),
            ("4d801f", baseline),
            ("4d001f", main),
            ("4d401f", main),
            ("4d4c1f", main),
            ("64001f", high),
            ("640c1f", high),
            ("64081f", high),
            ("58001f", None),
            ("f4001f", None),
            ("42e11f", None),
        ] {
            assert_eq!(id(text).profile(), profile, "{text}");
        }
        assert!(id("42e01f").is_same_profile(id("42c02a")));
        assert!(id("42e01f").is_same_profile(id("4d8028")));
        assert!(id("f4001f").is_same_profile(id("f40028")));
        for (one, another) in
            [("42e01f", "42001f"), ("64001f", "640c1f"), ("4d001f", "42e01f"), ("f4001f", "58001f")]
        {
            assert!(!id(one).is_same_profile(id(another)), "{one} {another}");
        }
    }

    #[test]
    fn level_1b_is_below_level_1_1() {
        let level = |text| id(text).level().map(Level::idc);
        assert_eq!(
            ["42f00b", "42e00b", "640c09", "64100b"].map(level),
            [Some(10), Some(11), Some(10), Some(11)]
        );
        assert_eq!(["42e000", "42e020", "42e0ff"].map(level), [None, Some(32), None]);
        assert_eq!(id("42f00b").with_level(Level::from_idc(11).unwrap()).to_string(), "42e00b");
    }

    #[test]
    fn settings_tell_profile_and_true_level() {
        for (width, height, hz, profile, expected) in [
            (1280, 720, 30, Profile::ConstrainedBaseline, "42e01f"),
            (1920, 1080, 60, Profile::ConstrainedBaseline, "42e02a"),
            (1920, 1080, 30, Profile::Main, "4d0028"),
            (640, 360, 30, Profile::High, "640c1f"),
        ] {
            let id = ProfileLevelId::for_config(&config(width, height, hz, profile));
            assert_eq!(id.to_string(), expected);
            assert_eq!(id.profile(), Some(profile));
        }
        let grows =
            config(640, 360, 30, Profile::ConstrainedBaseline).max_size(FrameSize::new(1920, 1080).unwrap());
        assert_eq!(ProfileLevelId::for_config(&grows).to_string(), "42e028");
    }

    #[test]
    fn an_answer_has_the_offered_profile_at_a_level_that_both_have() {
        let answer =
            |offered, ours, asymmetric| id(offered).answer(id(ours), asymmetric).map(|id| id.to_string());
        assert_eq!(answer("42e01f", "42c02a", true).as_deref(), Some("42e02a"));
        assert_eq!(answer("42e01f", "42c02a", false).as_deref(), Some("42e01f"));
        assert_eq!(answer("42e02a", "42e01e", false).as_deref(), Some("42e01e"));
        assert_eq!(answer("4d001f", "42e01f", true), None);
        assert_eq!(answer("42e0ff", "42e01f", true), None);
        // What is within level 1b is not told as level 1.1.
        assert_eq!(answer("42f00b", "42e01f", false).as_deref(), Some("42f00b"));
    }

    #[test]
    fn an_sps_is_found_where_there_is_one() {
        let stream = [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0x8c, 0, 0, 1, 0x68, 0xce, 0, 0, 1, 0x65, 1];
        assert_eq!(ProfileLevelId::from_stream(&stream), Some(id("42c01f")));
        assert_eq!(ProfileLevelId::from_stream(&stream[9..]), None);
        assert_eq!(ProfileLevelId::from_sps(&[0x67, 0x64, 0, 0x2a]), Some(id("64002a")));
        for no_sps in [&[][..], &[0x67], &[0x67, 0x64, 0], &[0x68, 0x64, 0, 0x2a], &[0xe7, 0x64, 0, 0x2a]] {
            assert_eq!(ProfileLevelId::from_sps(no_sps), None, "{no_sps:?}");
        }
    }

    #[test]
    fn what_is_not_six_digits_is_refused_with_the_text() {
        for text in ["", "42e01", "42e01f0", "42e01g", "+2e01f", "0x42e0", "42e01\u{e9}"] {
            let refused = text.parse::<ProfileLevelId>();
            assert_eq!(refused, Err(ConfigError::ProfileLevelId { text: text.to_owned() }));
        }
        assert_eq!(id("42E01F"), ProfileLevelId::BROWSER);
        assert_eq!(ProfileLevelId::BROWSER.as_u32(), 0x0042_e01f);
    }

    proptest! {
        #[test]
        fn text_and_bytes_are_the_same_thing(bytes: [u8; 3]) {
            let id = ProfileLevelId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<ProfileLevelId>(), Ok(id));
            prop_assert_eq!(id.bytes(), bytes);
            let _ = (id.profile(), id.level(), id.answer(ProfileLevelId::BROWSER, false));
        }
    }
}
