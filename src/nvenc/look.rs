//! Looking for NVENC. Each step that fails says why, and what the others found is kept.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use direct264_sys::cuda::Device;
use direct264_sys::nvenc::{ApiVersion, DriverApi};

use super::availability::as_unavailable;
use super::driver::{self, Drivers};
use super::probe::{Capabilities, Gpu, Probe, Version};
use crate::backend::Backend;
use crate::config::GpuUuid;
use crate::error::{NoThread, Unavailable};
use crate::reason::Reason;

/// Looks on a thread of its own and tells what was found when `limit` is over. A driver that hangs keeps that thread.
pub(super) fn probe(limit: Duration) -> Probe {
    const THREAD: &str = "direct264-probe";
    let deadline = Instant::now().checked_add(limit);
    let (tell, told) = mpsc::channel();
    let thread = thread::Builder::new().name(THREAD.to_owned());
    let looking = match thread.spawn(move || look(limit, &tell)) {
        Ok(looking) => looking,
        Err(error) => {
            let why = as_unavailable(&NoThread::new(THREAD, &error).into());
            return Probe { unavailable: Some(why), ..Probe::default() };
        }
    };
    let mut found = Probe::default();
    loop {
        let left = deadline.map_or(limit, |deadline| deadline.saturating_duration_since(Instant::now()));
        match told.recv_timeout(left) {
            Ok(more) => found = more,
            Err(RecvTimeoutError::Disconnected) => {
                // It is at its end: nothing of it is left when this returns.
                let _ = looking.join();
                return found;
            }
            Err(RecvTimeoutError::Timeout) => {
                if found.gpus.is_empty() && found.unavailable.is_none() {
                    found.unavailable = Some(no_answer(limit));
                }
                return found;
            }
        }
    }
}

/// Tells what was found after each step that can take long.
fn look(limit: Duration, tell: &Sender<Probe>) {
    // Who has stopped waiting is not told any more.
    let tell = |found: &Probe| drop(tell.send(found.clone()));
    let mut found = Probe::default();
    if let Ok(library) = driver::load_encode_library() {
        found.driver_api = library.max_supported_api().ok().map(Version::from);
        found.api = library.negotiate().ok().map(Version::from);
    }
    found.cuda = driver::load_cuda().ok().and_then(|cuda| cuda.cuda_version().ok()).map(cuda_version);
    tell(&found);
    let drivers = Drivers::load().map_err(|error| as_unavailable(&error));
    // The GPUs are listed where the encode library is missing or too old, too: their names are worth knowing.
    let mut no_devices = None;
    if let Ok(cuda) = driver::load_cuda()
        && cuda.initialise().is_ok()
    {
        match driver::devices(cuda) {
            Ok(devices) if devices.is_empty() => {
                no_devices = Some(Unavailable::new(Backend::Nvenc, Reason::NoGpu, "CUDA lists no device"));
            }
            Ok(devices) => {
                found.gpus = devices.iter().map(|device| gpu(device, no_answer(limit))).collect();
                for (place, device) in devices.iter().enumerate() {
                    tell(&found);
                    found.gpus[place].encoder = encoder(&drivers, device);
                }
            }
            Err(why) => no_devices = Some(as_unavailable(&why)),
        }
    }
    found.unavailable = drivers.err().or(no_devices);
    tell(&found);
}

fn no_answer(limit: Duration) -> Unavailable {
    let detail = format!("the driver gave no answer within {} ms", limit.as_millis());
    Unavailable::new(Backend::Nvenc, Reason::TimedOut, detail)
}

/// A GPU of whose encoder nothing is known yet.
fn gpu(device: &Device, unknown: Unavailable) -> Gpu {
    Gpu {
        index: u32::try_from(device.index).unwrap_or(0),
        uuid: device.uuid.map(|uuid| GpuUuid(uuid.0)),
        name: device.name.clone(),
        encoder: Err(unknown),
    }
}

fn encoder(drivers: &Result<Drivers, Unavailable>, device: &Device) -> Result<Capabilities, Unavailable> {
    let session = drivers.as_ref().map_err(Unavailable::clone)?.open(device);
    session.and_then(|session| Capabilities::of(&session)).map_err(|error| as_unavailable(&error))
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
