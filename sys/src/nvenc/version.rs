//! API versions: the driver's, the negotiated one, and the word in front of each struct.

use std::fmt;

/// The newest API version that a driver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriverApi {
    /// The part in front of the point.
    pub major: u32,
    /// The part behind the point, at most 15.
    pub minor: u32,
}

impl DriverApi {
    /// Reads the word of `NvEncodeAPIGetMaxSupportedVersion`: the minor version in the low four bits and the
    /// major version above them, which is not the packing of `NVENCAPI_VERSION` ([`ApiVersion::word`]).
    #[must_use]
    pub const fn from_max_supported_word(word: u32) -> Self {
        Self { major: word >> 4, minor: word & 0xf }
    }
}

impl fmt::Display for DriverApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An API version that this crate can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ApiVersion {
    /// 11.0: Linux driver 455.28 and newer.
    V11_0,
    /// 11.1: Linux driver 470.57.02 and newer.
    V11_1,
    /// 12.0: Linux driver 520.56.06 and newer.
    V12_0,
    /// 12.1: Linux driver 530.41.03 and newer. The structs of this crate have its layout.
    V12_1,
}

impl ApiVersion {
    /// Every version that can be spoken, oldest first.
    pub const ALL: [Self; 4] = [Self::V11_0, Self::V11_1, Self::V12_0, Self::V12_1];
    /// The oldest that can be spoken.
    pub const OLDEST: Self = Self::V11_0;
    /// The newest that can be spoken. Drivers that speak newer ones go on serving this one.
    pub const NEWEST: Self = Self::V12_1;

    /// The newest version that both sides speak.
    ///
    /// # Errors
    ///
    /// [`TooOld`] when the driver's newest version is older than [`ApiVersion::OLDEST`].
    pub fn negotiate(driver: DriverApi) -> Result<Self, TooOld> {
        let spoken = Self::ALL.into_iter().rev().find(|version| version.as_driver_api() <= driver);
        spoken.ok_or(TooOld { driver, oldest: Self::OLDEST })
    }

    /// The major and minor version as a pair.
    #[must_use]
    pub const fn as_driver_api(self) -> DriverApi {
        match self {
            Self::V11_0 => DriverApi { major: 11, minor: 0 },
            Self::V11_1 => DriverApi { major: 11, minor: 1 },
            Self::V12_0 => DriverApi { major: 12, minor: 0 },
            Self::V12_1 => DriverApi { major: 12, minor: 1 },
        }
    }

    /// `NVENCAPI_VERSION` of this version: the major version in the low byte, the minor in the high byte.
    #[must_use]
    pub const fn word(self) -> u32 {
        match self {
            Self::V11_0 => 0x0000_000b,
            Self::V11_1 => 0x0100_000b,
            Self::V12_0 => 0x0000_000c,
            Self::V12_1 => 0x0100_000c,
        }
    }

    /// The struct words of this version. All structs of one session carry words of one version.
    #[must_use]
    pub const fn words(self) -> &'static StructWords {
        match self {
            Self::V11_0 => &WORDS_11_0,
            Self::V11_1 => &WORDS_11_1,
            Self::V12_0 => &WORDS_12_0,
            Self::V12_1 => &WORDS_12_1,
        }
    }

    /// The oldest driver that speaks this version, on the operating system of this build.
    #[must_use]
    pub const fn oldest_driver(self) -> &'static str {
        let (linux, windows) = match self {
            Self::V11_0 => ("455.28", "456.71"),
            Self::V11_1 => ("470.57.02", "471.41"),
            Self::V12_0 => ("520.56.06", "522.25"),
            Self::V12_1 => ("530.41.03", "531.61"),
        };
        if cfg!(windows) { windows } else { linux }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_driver_api().fmt(f)
    }
}

/// A driver that speaks no version that this crate speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooOld {
    /// The newest version that the driver speaks.
    pub driver: DriverApi,
    /// The oldest version that would do; [`ApiVersion::oldest_driver`] of it is the driver to install.
    pub oldest: ApiVersion,
}

impl fmt::Display for TooOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { driver, oldest } = self;
        let install = oldest.oldest_driver();
        write!(
            f,
            "the driver speaks NVENC API {driver}, {oldest} is needed: install driver {install} or newer"
        )
    }
}

impl std::error::Error for TooOld {}

/// The word at the start of each struct, for one API version.
///
/// The words are written out and not computed: a struct's own version is not monotonic over the API versions
/// (`NV_ENC_LOCK_BITSTREAM` is 1, 1, 2 and then 1 again with bit 31 set).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the word of the struct of that name")]
pub struct StructWords {
    pub NV_ENCODE_API_FUNCTION_LIST: u32,
    pub NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS: u32,
    pub NV_ENC_CAPS_PARAM: u32,
    pub NV_ENC_PRESET_CONFIG: u32,
    pub NV_ENC_CONFIG: u32,
    pub NV_ENC_RC_PARAMS: u32,
    pub NV_ENC_INITIALIZE_PARAMS: u32,
    pub NV_ENC_RECONFIGURE_PARAMS: u32,
    pub NV_ENC_CREATE_INPUT_BUFFER: u32,
    pub NV_ENC_CREATE_BITSTREAM_BUFFER: u32,
    pub NV_ENC_REGISTER_RESOURCE: u32,
    pub NV_ENC_MAP_INPUT_RESOURCE: u32,
    pub NV_ENC_PIC_PARAMS: u32,
    pub NV_ENC_LOCK_BITSTREAM: u32,
    pub NV_ENC_LOCK_INPUT_BUFFER: u32,
    pub NV_ENC_SEQUENCE_PARAM_PAYLOAD: u32,
    pub NV_ENC_STAT: u32,
    pub NV_ENC_EVENT_PARAMS: u32,
}

const WORDS_11_0: StructWords = StructWords {
    NV_ENCODE_API_FUNCTION_LIST: 0x7002_000b,
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS: 0x7001_000b,
    NV_ENC_CAPS_PARAM: 0x7001_000b,
    NV_ENC_PRESET_CONFIG: 0xf004_000b,
    NV_ENC_CONFIG: 0xf007_000b,
    NV_ENC_RC_PARAMS: 0x7001_000b,
    NV_ENC_INITIALIZE_PARAMS: 0xf005_000b,
    NV_ENC_RECONFIGURE_PARAMS: 0xf001_000b,
    NV_ENC_CREATE_INPUT_BUFFER: 0x7001_000b,
    NV_ENC_CREATE_BITSTREAM_BUFFER: 0x7001_000b,
    NV_ENC_REGISTER_RESOURCE: 0x7003_000b,
    NV_ENC_MAP_INPUT_RESOURCE: 0x7004_000b,
    NV_ENC_PIC_PARAMS: 0xf004_000b,
    NV_ENC_LOCK_BITSTREAM: 0x7001_000b,
    NV_ENC_LOCK_INPUT_BUFFER: 0x7001_000b,
    NV_ENC_SEQUENCE_PARAM_PAYLOAD: 0x7001_000b,
    NV_ENC_STAT: 0x7001_000b,
    NV_ENC_EVENT_PARAMS: 0x7001_000b,
};

const WORDS_11_1: StructWords = StructWords {
    NV_ENCODE_API_FUNCTION_LIST: 0x7102_000b,
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS: 0x7101_000b,
    NV_ENC_CAPS_PARAM: 0x7101_000b,
    NV_ENC_PRESET_CONFIG: 0xf104_000b,
    NV_ENC_CONFIG: 0xf107_000b,
    NV_ENC_RC_PARAMS: 0x7101_000b,
    NV_ENC_INITIALIZE_PARAMS: 0xf105_000b,
    NV_ENC_RECONFIGURE_PARAMS: 0xf101_000b,
    NV_ENC_CREATE_INPUT_BUFFER: 0x7101_000b,
    NV_ENC_CREATE_BITSTREAM_BUFFER: 0x7101_000b,
    NV_ENC_REGISTER_RESOURCE: 0x7103_000b,
    NV_ENC_MAP_INPUT_RESOURCE: 0x7104_000b,
    NV_ENC_PIC_PARAMS: 0xf104_000b,
    NV_ENC_LOCK_BITSTREAM: 0x7101_000b,
    NV_ENC_LOCK_INPUT_BUFFER: 0x7101_000b,
    NV_ENC_SEQUENCE_PARAM_PAYLOAD: 0x7101_000b,
    NV_ENC_STAT: 0x7101_000b,
    NV_ENC_EVENT_PARAMS: 0x7101_000b,
};

const WORDS_12_0: StructWords = StructWords {
    NV_ENCODE_API_FUNCTION_LIST: 0x7002_000c,
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS: 0x7001_000c,
    NV_ENC_CAPS_PARAM: 0x7001_000c,
    NV_ENC_PRESET_CONFIG: 0xf004_000c,
    NV_ENC_CONFIG: 0xf008_000c,
    NV_ENC_RC_PARAMS: 0x7001_000c,
    NV_ENC_INITIALIZE_PARAMS: 0xf005_000c,
    NV_ENC_RECONFIGURE_PARAMS: 0xf001_000c,
    NV_ENC_CREATE_INPUT_BUFFER: 0x7001_000c,
    NV_ENC_CREATE_BITSTREAM_BUFFER: 0x7001_000c,
    NV_ENC_REGISTER_RESOURCE: 0x7004_000c,
    NV_ENC_MAP_INPUT_RESOURCE: 0x7004_000c,
    NV_ENC_PIC_PARAMS: 0xf006_000c,
    NV_ENC_LOCK_BITSTREAM: 0x7002_000c,
    NV_ENC_LOCK_INPUT_BUFFER: 0x7001_000c,
    NV_ENC_SEQUENCE_PARAM_PAYLOAD: 0x7001_000c,
    NV_ENC_STAT: 0x7001_000c,
    NV_ENC_EVENT_PARAMS: 0x7001_000c,
};

const WORDS_12_1: StructWords = StructWords {
    NV_ENCODE_API_FUNCTION_LIST: 0x7102_000c,
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS: 0x7101_000c,
    NV_ENC_CAPS_PARAM: 0x7101_000c,
    NV_ENC_PRESET_CONFIG: 0xf104_000c,
    NV_ENC_CONFIG: 0xf108_000c,
    NV_ENC_RC_PARAMS: 0x7101_000c,
    NV_ENC_INITIALIZE_PARAMS: 0xf106_000c,
    NV_ENC_RECONFIGURE_PARAMS: 0xf101_000c,
    NV_ENC_CREATE_INPUT_BUFFER: 0x7101_000c,
    NV_ENC_CREATE_BITSTREAM_BUFFER: 0x7101_000c,
    NV_ENC_REGISTER_RESOURCE: 0x7104_000c,
    NV_ENC_MAP_INPUT_RESOURCE: 0x7104_000c,
    NV_ENC_PIC_PARAMS: 0xf106_000c,
    NV_ENC_LOCK_BITSTREAM: 0xf101_000c,
    NV_ENC_LOCK_INPUT_BUFFER: 0x7101_000c,
    NV_ENC_SEQUENCE_PARAM_PAYLOAD: 0x7101_000c,
    NV_ENC_STAT: 0x7101_000c,
    NV_ENC_EVENT_PARAMS: 0x7101_000c,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(word: u32) -> Result<ApiVersion, TooOld> {
        ApiVersion::negotiate(DriverApi::from_max_supported_word(word))
    }

    #[test]
    fn the_newest_version_that_both_speak_is_taken() {
        // What driver generations 460, 470, 525, 535 and 550 answer, and the words above them.
        assert_eq!(negotiated(0xb0), Ok(ApiVersion::V11_0));
        assert_eq!(negotiated(0xb1), Ok(ApiVersion::V11_1));
        assert_eq!(negotiated(0xc0), Ok(ApiVersion::V12_0));
        assert_eq!(negotiated(0xc1), Ok(ApiVersion::V12_1));
        assert_eq!(negotiated(0xc2), Ok(ApiVersion::V12_1));
        assert_eq!(negotiated(0xd0), Ok(ApiVersion::V12_1));
        assert_eq!(negotiated(0xb9), Ok(ApiVersion::V11_1));
        assert_eq!(negotiated(u32::MAX), Ok(ApiVersion::V12_1));
    }

    #[test]
    fn a_driver_below_11_0_is_refused_with_both_versions_and_the_driver_to_install() {
        for word in [0xa0, 0xaf, 0x90, 0x81, 0] {
            let refused = negotiated(word).expect_err("older than 11.0");
            assert_eq!(refused.driver, DriverApi::from_max_supported_word(word));
            assert_eq!(refused.oldest, ApiVersion::V11_0);
        }
        let said = negotiated(0xa0).expect_err("10.0 is older than 11.0").to_string();
        assert!(said.contains("10.0") && said.contains("11.0"), "{said}");
        assert!(said.contains(ApiVersion::V11_0.oldest_driver()), "{said}");
    }

    #[test]
    fn the_versions_are_listed_oldest_first() {
        assert!(ApiVersion::ALL.is_sorted());
        assert_eq!(ApiVersion::ALL.first(), Some(&ApiVersion::OLDEST));
        assert_eq!(ApiVersion::ALL.last(), Some(&ApiVersion::NEWEST));
    }
}
