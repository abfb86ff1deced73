//! Looking for NVENC. Each step that fails says why, and what the others found is kept.

use direct264_sys::cuda::Device;
use direct264_sys::nvenc::{ApiVersion, DriverApi};

use super::availability::as_unavailable;
use super::driver::{self, Drivers};
use super::probe::{Capabilities, Gpu, Probe, Version};
use crate::config::GpuUuid;
use crate::encoder::Backend;
use crate::error::Unavailable;
use crate::reason::Reason;

pub(super) fn probe() -> Probe {
    let drivers = Drivers::load().map_err(as_unavailable);
    let mut found = Probe { cuda: None, driver_api: None, api: None, gpus: Vec::new(), unavailable: None };
    if let Ok(library) = driver::load_encode_library() {
        found.driver_api = library.max_supported_api().ok().map(Version::from);
        found.api = library.negotiate().ok().map(Version::from);
    }
    // The GPUs are listed where the encode library is missing or too old, too: their names are worth knowing.
    let mut no_devices = None;
    if let Ok(cuda) = driver::load_cuda() {
        found.cuda = cuda.cuda_version().ok().map(cuda_version);
        if cuda.initialise().is_ok() {
            match driver::devices(cuda) {
                Ok(devices) if devices.is_empty() => {
                    no_devices =
                        Some(Unavailable::new(Backend::Nvenc, Reason::NoGpu, "CUDA lists no device"));
                }
                Ok(devices) => found.gpus = devices.into_iter().map(|device| gpu(&drivers, device)).collect(),
                Err(why) => no_devices = Some(as_unavailable(why)),
            }
        }
    }
    found.unavailable = drivers.err().or(no_devices);
    found
}

fn gpu(drivers: &Result<Drivers, Unavailable>, device: Device) -> Gpu {
    let encoder = match drivers {
        Ok(drivers) => {
            let opened = drivers.open(&device);
            opened.and_then(|session| Capabilities::of(&session)).map_err(as_unavailable)
        }
        Err(why) => Err(why.clone()),
    };
    Gpu {
        index: u32::try_from(device.index).unwrap_or(0),
        uuid: device.uuid.map(|uuid| GpuUuid(uuid.0)),
        name: device.name,
        encoder,
    }
}

/// CUDA packs 12.4 as 12040.
fn cuda_version(packed: i32) -> Version {
    let packed = u32::try_from(packed).unwrap_or(0);
    Version { major: packed / 1000, minor: packed % 1000 / 10 }
}

impl From<DriverApi> for Version {
    fn from(api: DriverApi) -> Self {
        Self { major: api.major, minor: api.minor }
    }
}

impl From<ApiVersion> for Version {
    fn from(api: ApiVersion) -> Self {
        api.as_driver_api().into()
    }
}
