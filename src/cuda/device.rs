//! Chooses the devices that a setting allows.

use direct264_sys::cuda::Device;

use crate::backend::Backend;
use crate::config::GpuChoice;
use crate::error::Unavailable;
use crate::reason::Reason;

/// Returns the devices that a choice allows, in the order in which to try them; never empty.
pub(crate) fn choose(devices: Vec<Device>, choice: &GpuChoice) -> Result<Vec<Device>, Unavailable> {
    let found = devices.len();
    let no_gpu = |detail: String| Unavailable::new(Backend::Nvenc, Reason::NoGpu, detail);
    let chosen: Vec<Device> = devices
        .into_iter()
        .filter(|device| match choice {
            GpuChoice::Any | GpuChoice::Spread => true,
            GpuChoice::Index(index) => i64::from(device.index) == i64::from(*index),
            GpuChoice::Uuid(uuid) => device.uuid.is_some_and(|of_device| of_device.0 == uuid.0),
        })
        .collect();
    if chosen.is_empty() {
        return Err(no_gpu(match choice {
            GpuChoice::Any | GpuChoice::Spread => "CUDA lists no device".to_owned(),
            GpuChoice::Index(_) | GpuChoice::Uuid(_) => {
                format!("{choice} is not among the {found} that CUDA lists")
            }
        }));
    }
    Ok(chosen)
}
