//! The GUIDs that H.264 needs. They are the same in every API version.

use std::fmt;

/// A GUID as the driver lays it out.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct GUID {
    /// The first 8 hexadecimal digits.
    pub Data1: u32,
    /// The next 4.
    pub Data2: u16,
    /// The next 4.
    pub Data3: u16,
    /// The last 16.
    pub Data4: [u8; 8],
}

const _: () = assert!(size_of::<GUID>() == 16 && align_of::<GUID>() == 4);

impl GUID {
    /// The GUID of nothing.
    pub const ZERO: Self = Self { Data1: 0, Data2: 0, Data3: 0, Data4: [0; 8] };
}

impl fmt::Display for GUID {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i] = self.Data4;
        write!(f, "{:08x}-{:04x}-{:04x}-{a:02x}{b:02x}-", self.Data1, self.Data2, self.Data3)?;
        write!(f, "{c:02x}{d:02x}{e:02x}{g:02x}{h:02x}{i:02x}")
    }
}

impl fmt::Debug for GUID {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! guids {
    ($($(#[$doc:meta])* $name:ident = $a:literal $b:literal $c:literal $d:literal;)+) => {
        $($(#[$doc])*
        pub const $name: GUID = GUID { Data1: $a, Data2: $b, Data3: $c, Data4: u64::to_be_bytes($d) };)+

        /// Each GUID by its C name, for the comparison with the C compiler.
        #[cfg(all(test, target_os = "linux"))]
        pub(super) const GUIDS: &[(&str, GUID)] = &[$((stringify!($name), $name),)+];

        #[cfg(all(test, target_os = "linux"))]
        mod tests {
            use super::*;
            use nvidia_video_codec_sdk::sys::nvEncodeAPI as other;

            #[test]
            fn the_guids_are_those_of_the_c_header() {
                $({
                    let GUID { Data1, Data2, Data3, Data4 } = $name;
                    let theirs = other::$name;
                    let theirs = (theirs.Data1, theirs.Data2, theirs.Data3, theirs.Data4);
                    assert_eq!((Data1, Data2, Data3, Data4), theirs, stringify!($name));
                })+
            }

            #[test]
            fn a_guid_is_written_as_people_write_it() {
                assert_eq!(NV_ENC_CODEC_H264_GUID.to_string(), "6bc82762-4e63-4ca4-aa85-1e50f321f6bf");
            }
        }
    };
}

guids! {
    /// The codec H.264.
    NV_ENC_CODEC_H264_GUID = 0x6bc8_2762 0x4e63 0x4ca4 0xaa85_1e50_f321_f6bf;
    /// No profile: the driver chooses.
    NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID = 0xbfd6_f8e7 0x233c 0x4341 0x8b3e_4818_5238_03f4;
    /// H.264 baseline.
    NV_ENC_H264_PROFILE_BASELINE_GUID = 0x0727_bcaa 0x78c4 0x4c83 0x8c2f_ef3d_ff26_7c6a;
    /// H.264 main.
    NV_ENC_H264_PROFILE_MAIN_GUID = 0x60b5_c1d4 0x67fe 0x4790 0x94d5_c472_6d7b_6e6d;
    /// H.264 high.
    NV_ENC_H264_PROFILE_HIGH_GUID = 0xe7cb_c309 0x4f7a 0x4b89 0xaf2a_d537_c92b_e310;
    /// H.264 progressive high: high without interlacing.
    NV_ENC_H264_PROFILE_PROGRESSIVE_HIGH_GUID = 0xb405_afac 0xf32b 0x417b 0x89c4_9abe_ed3e_5978;
    /// H.264 constrained high: progressive high without B pictures.
    NV_ENC_H264_PROFILE_CONSTRAINED_HIGH_GUID = 0xaec1_bd87 0xe85b 0x48f2 0x84c3_98bc_a628_5072;
    /// Preset P1, the fastest.
    NV_ENC_PRESET_P1_GUID = 0xfc0a_8d3e 0x45f8 0x4cf8 0x80c7_2988_7159_0ebf;
    /// Preset P2.
    NV_ENC_PRESET_P2_GUID = 0xf581_cfb8 0x88d6 0x4381 0x93f0_df13_f9c2_7dab;
    /// Preset P3.
    NV_ENC_PRESET_P3_GUID = 0x3685_0110 0x3a07 0x441f 0x94d5_3670_631f_91f6;
    /// Preset P4.
    NV_ENC_PRESET_P4_GUID = 0x90a7_b826 0xdf06 0x4862 0xb9d2_cd6d_73a0_8681;
    /// Preset P5.
    NV_ENC_PRESET_P5_GUID = 0x21c6_e6b4 0x297a 0x4cba 0x998f_b6cb_de72_ade3;
    /// Preset P6.
    NV_ENC_PRESET_P6_GUID = 0x8e75_c279 0x6299 0x4ab6 0x8302_0b21_5a33_5cf5;
    /// Preset P7, the slowest.
    NV_ENC_PRESET_P7_GUID = 0x8484_8c12 0x6f71 0x4c13 0x931b_53e2_83f5_7974;
}
