//! What P1 to P7 stand for. Only what clients keep of a preset is filled in.

use crate::caps;
use crate::config::INFINITE;
use crate::driver::settings;
use crate::guid::{self, Guid};
use crate::layout::Struct;
use crate::view::{View, view_of};

/// `NV_ENC_TUNING_INFO_LOW_LATENCY` and `_ULTRA_LOW_LATENCY`.
const LOW_LATENCY: u32 = 2;
const ULTRA_LOW_LATENCY: u32 = 3;

/// An `NV_ENC_CONFIG` of the double's own.
pub(crate) struct OwnConfig(Box<[u64; 448]>);

impl OwnConfig {
    pub(crate) fn view(&self) -> View {
        view_of(self.0.as_ptr() as usize)
    }
}

/// The tuning that an old preset stands for.
pub(crate) fn old_tuning(preset: Guid) -> u32 {
    if guid::is_old_low_latency(preset) { LOW_LATENCY } else { 1 }
}

/// The configuration of a preset.
pub(crate) fn config(preset: Guid, tuning: u32, version: usize) -> OwnConfig {
    let mut own = OwnConfig(Box::new([0; 448]));
    fill(view_of(own.0.as_mut_ptr() as usize), preset, tuning, version);
    own
}

/// Fills in an `NV_ENC_CONFIG` that is zero.
pub(crate) fn fill(config: View, preset: Guid, tuning: u32, version: usize) {
    let fast = matches!(tuning, LOW_LATENCY | ULTRA_LOW_LATENCY);
    let number = guid::PRESETS.iter().position(|known| *known == preset).unwrap_or(0);
    config.set_u32(0, Struct::Config.word(version));
    config.set_guid(4, if number == 0 && fast { guid::PROFILE_MAIN } else { guid::PROFILE_HIGH });
    let period = if fast { INFINITE } else { 250 };
    config.set_u32(20, period);
    config.set_u32(24, 1);
    config.set_u32(32, 1);
    // Quarter-sample motion, which is also what zero means.
    config.set_u32(36, 3);
    let rate = config.part(40);
    // The rate control part carries a word of its own, of struct version 1 like that of the capabilities.
    rate.set_u32(0, Struct::Caps.word(version));
    rate.set_u32(4, if fast { 2 } else { 1 });
    for at in [8, 12, 16] {
        rate.set_u32(at, 28);
    }
    rate.set_byte(
        92,
        match tuning {
            ULTRA_LOW_LATENCY => 1,
            LOW_LATENCY => 2,
            _ => 0,
        },
    );
    let h264 = config.part(168);
    h264.set_u32(8, period);
    // Adaptive transform and CABAC where they pay.
    let settings = settings();
    let can = |capability| caps::of(&settings, capability) != 0;
    h264.set_u32(32, if can(caps::TRANSFORM_8X8) { 2 } else { 1 });
    h264.set_u32(44, if can(caps::CABAC) { 1 } else { 2 });
    h264.set_u32(64, 3);
    h264.set_u32(68, 1);
    h264.set_u32(192, 1);
}
