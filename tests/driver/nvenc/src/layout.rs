//! Which word a struct must carry and which of its bytes must be zero, for each API version.
//!
//! Offsets that are the same in every version from 11.0 to 12.1 are constants beside the code that reads them; what
//! differs is here. The numbers are those of the C headers of the four versions.

/// The API versions the double speaks; a version is told by its place here.
pub(crate) const VERSIONS: [(u32, u32); 4] = [(11, 0), (11, 1), (12, 0), (12, 1)];

/// A struct that carries a version word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Struct {
    OpenSession,
    Caps,
    PresetConfig,
    Config,
    Initialize,
    Reconfigure,
    CreateInput,
    CreateBitstream,
    Register,
    Map,
    Picture,
    LockBitstream,
    LockInput,
    SequencePayload,
    Event,
}

/// Set in the word of structs that have outgrown their first form.
const BIG: u32 = 1 << 31;

impl Struct {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OpenSession => "NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS",
            Self::Caps => "NV_ENC_CAPS_PARAM",
            Self::PresetConfig => "NV_ENC_PRESET_CONFIG",
            Self::Config => "NV_ENC_CONFIG",
            Self::Initialize => "NV_ENC_INITIALIZE_PARAMS",
            Self::Reconfigure => "NV_ENC_RECONFIGURE_PARAMS",
            Self::CreateInput => "NV_ENC_CREATE_INPUT_BUFFER",
            Self::CreateBitstream => "NV_ENC_CREATE_BITSTREAM_BUFFER",
            Self::Register => "NV_ENC_REGISTER_RESOURCE",
            Self::Map => "NV_ENC_MAP_INPUT_RESOURCE",
            Self::Picture => "NV_ENC_PIC_PARAMS",
            Self::LockBitstream => "NV_ENC_LOCK_BITSTREAM",
            Self::LockInput => "NV_ENC_LOCK_INPUT_BUFFER",
            Self::SequencePayload => "NV_ENC_SEQUENCE_PARAM_PAYLOAD",
            Self::Event => "NV_ENC_EVENT_PARAMS",
        }
    }

    /// The struct's own version, per API version.
    const fn versions(self) -> [u32; 4] {
        match self {
            Self::OpenSession
            | Self::Caps
            | Self::CreateInput
            | Self::CreateBitstream
            | Self::LockInput
            | Self::SequencePayload
            | Self::Event => [1; 4],
            Self::PresetConfig => [4 | BIG; 4],
            Self::Config => [7 | BIG, 7 | BIG, 8 | BIG, 8 | BIG],
            Self::Initialize => [5 | BIG, 5 | BIG, 5 | BIG, 6 | BIG],
            Self::Reconfigure => [1 | BIG; 4],
            Self::Register => [3, 3, 4, 4],
            Self::Map => [4; 4],
            Self::Picture => [4 | BIG, 4 | BIG, 6 | BIG, 6 | BIG],
            Self::LockBitstream => [1, 1, 2, 1 | BIG],
        }
    }

    /// The word that it must carry.
    pub(crate) const fn word(self, version: usize) -> u32 {
        let own = self.versions()[version];
        (own & !BIG) << 16 | own & BIG | 7 << 28 | api_word(VERSIONS[version])
    }

    /// Bytes that must be zero, as (offset, length); `version` is a place in [`VERSIONS`].
    pub(crate) fn reserved(self, version: usize) -> &'static [(usize, usize)] {
        match self {
            Self::OpenSession => &[(16, 8), (28, 1012), (1040, 512)],
            Self::Caps => &[(8, 248)],
            Self::PresetConfig => &[(3592, 1020), (4616, 512)],
            // With what it holds: rate control at 40, H.264 at 168 and its VUI at 240.
            Self::Config => of(
                [
                    &[(133, 3), (148, 20), (292, 60), (380, 1068), (1448, 512), (1960, 1112), (3072, 512)],
                    &[(133, 3), (150, 18), (292, 60), (380, 1068), (1448, 512), (1960, 1112), (3072, 512)],
                    &[(150, 18), (304, 48), (380, 1068), (1448, 512), (1960, 1112), (3072, 512)],
                    &[(150, 18), (304, 48), (380, 1068), (1448, 512), (1960, 1112), (3072, 512)],
                ],
                version,
            ),
            Self::Initialize => of(
                [
                    &[(72, 4), (80, 8), (140, 1152), (1296, 512)],
                    &[(72, 4), (80, 8), (144, 1148), (1296, 512)],
                    &[(72, 4), (80, 8), (144, 1148), (1296, 512)],
                    &[(72, 4), (80, 8), (152, 1140), (1296, 512)],
                ],
                version,
            ),
            Self::Reconfigure => &[],
            Self::CreateInput => &[(20, 4), (40, 228), (272, 504)],
            Self::CreateBitstream => &[(12, 4), (32, 232), (264, 512)],
            // The fences are those of another operating system.
            Self::Register => of(
                [
                    &[(48, 988), (1040, 496)],
                    &[(48, 1004), (1056, 480)],
                    &[(48, 996), (1048, 488)],
                    &[(48, 8), (64, 980), (1048, 488)],
                ],
                version,
            ),
            Self::Map => &[(36, 1004), (1040, 504)],
            // With the H.264 part at 80, which grew in 12.0 and moved what follows it.
            Self::Picture => of(
                [
                    &[(84, 4), (288, 840), (1128, 488), (1656, 40), (1708, 4), (1728, 1144), (2872, 472)],
                    &[(84, 4), (288, 840), (1128, 488), (1656, 40), (1708, 4), (1728, 1144), (2872, 472)],
                    &[(84, 4), (316, 812), (1128, 488), (1672, 40), (1724, 4), (1756, 1140), (2896, 464)],
                    &[(84, 4), (316, 812), (1128, 488), (1672, 40), (1724, 4), (1768, 1136), (2904, 456)],
                ],
                version,
            ),
            Self::LockBitstream => of(
                [
                    &[(88, 52), (160, 872), (1032, 512)],
                    &[(92, 48), (160, 872), (1032, 512)],
                    &[(92, 48), (160, 872), (1032, 512)],
                    &[(132, 880), (1016, 504), (1520, 32)],
                ],
                version,
            ),
            Self::LockInput => &[(28, 1004), (1032, 512)],
            Self::SequencePayload => &[(32, 1000), (1032, 512)],
            Self::Event => &[(4, 4), (16, 1012), (1032, 512)],
        }
    }

    /// Words of flags of which some bits must be zero, as (offset, those bits).
    pub(crate) fn reserved_bits(self, version: usize) -> &'static [(usize, u32)] {
        match self {
            Self::Config => of(
                [
                    &[(76, 0xffff_0010), (168, 0xfff0_0000)],
                    &[(76, 0xffff_0010), (168, 0xffe0_0000)],
                    &[(76, 0xffff_0010), (168, 0xffc0_0000)],
                    &[(76, 0xfffe_0010), (168, 0xffc0_0000)],
                ],
                version,
            ),
            Self::Initialize => of(
                [&[(68, 0xffff_ffc0)], &[(68, 0xffff_ffc0)], &[(68, 0xffff_ffc0)], &[(68, 0xffff_f000)]],
                version,
            ),
            Self::Reconfigure => &[(1816, 0xffff_fffc)],
            Self::Picture => &[(100, 0xffff_fff0)],
            Self::LockBitstream => &[(4, 0xffff_fff8)],
            Self::LockInput => &[(4, 0xffff_fffe)],
            _ => &[],
        }
    }
}

/// What differs, by version.
fn of<T>(each: [&'static [T]; 4], version: usize) -> &'static [T] {
    each[version]
}

/// `NVENCAPI_VERSION`.
pub(crate) const fn api_word((major, minor): (u32, u32)) -> u32 {
    major | minor << 24
}

/// The API part of a version word.
pub(crate) const fn api_of(word: u32) -> (u32, u32) {
    (word & 0xff, word >> 24 & 0xf)
}

/// The place of an API version in [`VERSIONS`].
pub(crate) fn version_index(api: (u32, u32)) -> Option<usize> {
    VERSIONS.iter().position(|known| *known == api)
}

#[cfg(test)]
mod tests {
    use super::Struct;

    #[test]
    fn words_are_those_of_the_headers() {
        assert_eq!(Struct::OpenSession.word(3), 0x7101_000c);
        assert_eq!(Struct::Initialize.word(3), 0xf106_000c);
        assert_eq!(Struct::Config.word(3), 0xf108_000c);
        assert_eq!(Struct::Picture.word(3), 0xf106_000c);
        assert_eq!(Struct::LockBitstream.word(3), 0xf101_000c);
        assert_eq!(Struct::PresetConfig.word(3), 0xf104_000c);
        assert_eq!(Struct::Initialize.word(0), 0xf005_000b);
        assert_eq!(Struct::Register.word(0), 0x7003_000b);
        assert_eq!(Struct::LockBitstream.word(2), 0x7002_000c);
        assert_eq!(Struct::Picture.word(1), 0xf104_000b);
    }
}
