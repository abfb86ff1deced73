//! Probes NVENC step by step. A failed step gives its reason, and the findings of the others are kept.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use direct264_sys::cuda::Device;
use direct264_sys::nvenc::{ApiVersion, DriverApi};

use super::availability::as_unavailable;
use super::driver::{self, Drivers};
use super::probe::{Capabilities, Gpu, Probe, Version};
use crate::backend::Backend;
use crate::bounded::{Bounded, NotOpened, Progress, TimedOut, Worker};
use crate::config::GpuUuid;
use crate::error::{NoThread, Unavailable};
use crate::reason::Reason;

/// Probes on a thread of its own, and returns the findings at the latest after `limit`. A driver that hangs keeps the
/// thread.
pub(super) fn probe(limit: Duration) -> Probe {
    let found = Arc::new(Mutex::new(Probe::default()));
    let seed = Look { limit, found: Arc::clone(&found) };
    const THREAD: &str = "direct264-probe";
    match Bounded::<Looked>::open(THREAD, seed, limit) {
        Ok((bounded, ())) => {
            if let Some(thread) = bounded.close((), limit) {
                // No trace of the probe is left on return.
                let _ = thread.join();
            }
        }
        Err(NotOpened::NoThread(error)) => {
            lock(&found).unavailable = Some(as_unavailable(&NoThread::new(THREAD, &error).into()));
        }
        Err(NotOpened::TimedOut(_)) => {
            let mut found = lock(&found);
            if found.gpus.is_empty() && found.unavailable.is_none() {
                found.unavailable = Some(no_answer(limit));
            }
        }
    }
    lock(&found).clone()
}

/// A probe to run, and the place for its findings after each step that can take long.
#[derive(Debug)]
struct Look {
    limit: Duration,
    found: Arc<Mutex<Probe>>,
}

#[derive(Debug)]
struct Looked;

impl Worker for Looked {
    type Step = ();
    type Seed = Look;
    type Opened = ();
    type Failure = Infallible;
    type Job = Infallible;
    type Reply = Infallible;
    type Lost = TimedOut;
    type Memory = ();

    fn open(look: Look, _: &Progress<()>) -> Result<(Self, ()), Infallible> {
        look.take();
        Ok((Self, ()))
    }

    fn run(&mut self, job: Infallible) -> Infallible {
        job
    }

    fn end(self, (): ()) {}
}

impl Look {
    fn tell(&self, found: &Probe) {
        lock(&self.found).clone_from(found);
    }

    fn take(&self) {
        let mut found = Probe::default();
        if let Ok(library) = driver::load_encode_library() {
            found.driver_api = library.max_supported_api().ok().map(Version::from);
            found.api = library.negotiate().ok().map(Version::from);
        }
        found.cuda = driver::load_cuda().ok().and_then(|cuda| cuda.cuda_version().ok()).map(cuda_version);
        self.tell(&found);
        let drivers = Drivers::load().map_err(|error| as_unavailable(&error));
        // The GPUs are listed even if the encode library is missing or too old, since their names are worth knowing.
        let mut no_devices = None;
        if let Ok(cuda) = driver::load_cuda()
            && cuda.initialise().is_ok()
        {
            match driver::devices(cuda) {
                Ok(devices) if devices.is_empty() => {
                    no_devices =
                        Some(Unavailable::new(Backend::Nvenc, Reason::NoGpu, "CUDA lists no device"));
                }
                Ok(devices) => {
                    found.gpus = devices.iter().map(|device| gpu(device, no_answer(self.limit))).collect();
                    for (place, device) in devices.iter().enumerate() {
                        self.tell(&found);
                        found.gpus[place].encoder = encoder(&drivers, device);
                    }
                }
                Err(why) => no_devices = Some(as_unavailable(&why)),
            }
        }
        found.unavailable = drivers.err().or(no_devices);
        self.tell(&found);
    }
}

/// Ignores poison, since no code that holds the lock can panic.
fn lock(found: &Mutex<Probe>) -> MutexGuard<'_, Probe> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_answer(limit: Duration) -> Unavailable {
    let detail = format!("the driver gave no answer within {} ms", limit.as_millis());
    Unavailable::new(Backend::Nvenc, Reason::TimedOut, detail)
}

/// A GPU whose encoder is still unknown.
fn gpu(device: &Device, unknown: Unavailable) -> Gpu {
    Gpu {
        index: u32::try_from(device.index).unwrap_or(0),
        uuid: device.uuid.map(|uuid| GpuUuid(uuid.0)),
        name: device.name.clone(),
        encoder: Err(unknown),
    }
}

fn encoder(drivers: &Result<Drivers, Unavailable>, device: &Device) -> Result<Capabilities, Unavailable> {
    let session = drivers.as_ref().map_err(Unavailable::clone)?.open(device, Duration::ZERO);
    session.and_then(|session| Capabilities::of(&session)).map_err(|error| as_unavailable(&error))
}

/// Unpacks a CUDA version: 12.4 is 12040.
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
