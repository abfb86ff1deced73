//! The GUIDs of the interface.

/// A GUID as C passes it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guid {
    pub(crate) a: u32,
    pub(crate) b: u16,
    pub(crate) c: u16,
    pub(crate) d: [u8; 8],
}

const fn guid(a: u32, b: u16, c: u16, d: u64) -> Guid {
    Guid { a, b, c, d: d.to_be_bytes() }
}

pub(crate) const H264: Guid = guid(0x6bc8_2762, 0x4e63, 0x4ca4, 0xaa85_1e50_f321_f6bf);
pub(crate) const HEVC: Guid = guid(0x790c_dc88, 0x4522, 0x4d7b, 0x9425_bda9_975f_7603);

pub(crate) const PROFILE_AUTO: Guid = guid(0xbfd6_f8e7, 0x233c, 0x4341, 0x8b3e_4818_5238_03f4);
pub(crate) const PROFILE_BASELINE: Guid = guid(0x0727_bcaa, 0x78c4, 0x4c83, 0x8c2f_ef3d_ff26_7c6a);
pub(crate) const PROFILE_MAIN: Guid = guid(0x60b5_c1d4, 0x67fe, 0x4790, 0x94d5_c472_6d7b_6e6d);
pub(crate) const PROFILE_HIGH: Guid = guid(0xe7cb_c309, 0x4f7a, 0x4b89, 0xaf2a_d537_c92b_e310);
pub(crate) const PROFILE_PROGRESSIVE_HIGH: Guid = guid(0xb405_afac, 0xf32b, 0x417b, 0x89c4_9abe_ed3e_5978);
pub(crate) const PROFILE_CONSTRAINED_HIGH: Guid = guid(0xaec1_bd87, 0xe85b, 0x48f2, 0x84c3_98bc_a628_5072);

/// The profiles that can be asked for.
pub(crate) const PROFILES: [Guid; 6] = [
    PROFILE_AUTO,
    PROFILE_BASELINE,
    PROFILE_MAIN,
    PROFILE_HIGH,
    PROFILE_PROGRESSIVE_HIGH,
    PROFILE_CONSTRAINED_HIGH,
];

/// P1 to P7.
pub(crate) const PRESETS: [Guid; 7] = [
    guid(0xfc0a_8d3e, 0x45f8, 0x4cf8, 0x80c7_2988_7159_0ebf),
    guid(0xf581_cfb8, 0x88d6, 0x4381, 0x93f0_df13_f9c2_7dab),
    guid(0x3685_0110, 0x3a07, 0x441f, 0x94d5_3670_631f_91f6),
    guid(0x90a7_b826, 0xdf06, 0x4862, 0xb9d2_cd6d_73a0_8681),
    guid(0x21c6_e6b4, 0x297a, 0x4cba, 0x998f_b6cb_de72_ade3),
    guid(0x8e75_c279, 0x6299, 0x4ab6, 0x8302_0b21_5a33_5cf5),
    guid(0x8484_8c12, 0x6f71, 0x4c13, 0x931b_53e2_83f5_7974),
];

/// The presets before P1 to P7, which go without a tuning: default, high performance, high quality, Blu-ray, low latency
/// (default, high quality, high performance), lossless (default, high performance).
pub(crate) const OLD_PRESETS: [Guid; 9] = [
    guid(0xb2df_b705, 0x4ebd, 0x4c49, 0x9b5f_24a7_77d3_e587),
    guid(0x60e4_c59f, 0xe846, 0x4484, 0xa56d_cd45_be9f_ddf6),
    guid(0x34db_a71d, 0xa77b, 0x4b8f, 0x9c3e_b6d5_da24_c012),
    guid(0x82e3_e450, 0xbdbb, 0x4e40, 0x989c_82a9_0df9_ef32),
    guid(0x49df_21c5, 0x6dfa, 0x4feb, 0x9787_6acc_9eff_b726),
    guid(0xc5f7_33b9, 0xea97, 0x4cf9, 0xbec2_bf78_a74f_d105),
    guid(0x6708_2a44, 0x4bad, 0x48fa, 0x98ea_9305_6d15_0a58),
    guid(0xd5bf_b716, 0xc604, 0x44e7, 0x9bb8_dea5_510f_c3ac),
    guid(0x1499_98e7, 0x2364, 0x411d, 0x82ef_1798_8809_3409),
];

/// The low-latency ones among the old presets.
pub(crate) fn is_old_low_latency(preset: Guid) -> bool {
    OLD_PRESETS[4..7].contains(&preset)
}
