//! The two driver libraries of this process, and an open session before its setup.
#![expect(unsafe_code, reason = "a session is opened, asked and destroyed by calls of the driver")]

use std::ffi::CStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use direct264_sys::cuda::{self, Device};
use direct264_sys::nvenc::{
    self as sys, ApiVersion, EncodeFunctions, GUID, NV_ENC_CAPS_PARAM, NV_ENC_CODEC_H264_GUID, NV_ENC_CONFIG,
    NV_ENC_ENCODER_PTR, NV_ENC_ERR_ENCODER_BUSY, NV_ENC_ERR_LOCK_BUSY, NV_ENC_ERR_OUT_OF_MEMORY,
    NV_ENC_PRESET_CONFIG, NVENCSTATUS, SessionHandle,
};

use super::availability;
use super::machine::{self, Machine};
use super::params::Params;
use crate::backend::Backend;
use crate::cuda::{Context, PitchedMemory, refused as refused_by_cuda};
use crate::error::{DriverError, Error, Unavailable};
use crate::reason::Reason;

/// Both libraries, with CUDA initialised and the API version that was negotiated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drivers {
    cuda: &'static cuda::Driver,
    encode: &'static sys::EncodeLibrary,
    api: ApiVersion,
}

/// Loads the CUDA library of this process, without initialising it.
pub(super) fn load_cuda() -> Result<&'static cuda::Driver, Unavailable> {
    cuda::load().map_err(availability::cuda_not_loaded)
}

pub(super) fn load_encode_library() -> Result<&'static sys::EncodeLibrary, Unavailable> {
    sys::load().map_err(|error| availability::encode_library_not_loaded(error, Machine::this().is_jetson()))
}

impl Drivers {
    /// Loads and initialises both libraries, once in a process.
    pub(super) fn load() -> Result<Self, Error> {
        let cuda = load_cuda()?;
        let encode = load_encode_library()?;
        let api = encode.negotiate().map_err(availability::not_negotiated)?;
        cuda.initialise().map_err(availability::not_initialised)?;
        Ok(Self { cuda, encode, api })
    }

    /// The devices that this process sees.
    pub(super) fn devices(&self) -> Result<Vec<Device>, Error> {
        devices(self.cuda)
    }

    /// Opens a session, which repeats the call of a busy driver for as long as `patience`.
    pub(super) fn open(&self, device: &Device, patience: Duration) -> Result<Arc<OpenSession>, Error> {
        let context = Context::primary(self.cuda, device.handle).map_err(availability::not_ready)?;
        // Some driver versions want the context current although it is an argument.
        let entered = context.enter().map_err(availability::not_ready)?;
        // SAFETY: the context is retained by `context`, which the session keeps.
        let session = unsafe { self.encode.open_session(self.api, context.handle()) };
        drop(entered);
        let hidden = || {
            let has_encoder = !self.cuda.compute_capability(device.handle).is_some_and(machine::lacks_nvenc);
            Machine::this().hidden_gpus(self.cuda.devices().ok()?.len()).filter(|_| has_encoder)
        };
        let session = session.map_err(|error| context.explain(availability::not_opened(error, hidden)))?;
        Ok(Arc::new(OpenSession { session, context, patience, outliving: Mutex::default() }))
    }
}

/// Lists the devices, without those that the driver refuses.
///
/// # Errors
/// The first refusal, where no device is left.
pub(super) fn devices(cuda: &cuda::Driver) -> Result<Vec<Device>, Error> {
    let not_listed =
        |error: cuda::CallError| availability::not_ready(refused_by_cuda(error.call, error.status));
    let mut refusal = None;
    let mut devices = Vec::new();
    for (index, device) in cuda.devices().map_err(not_listed)?.into_iter().enumerate() {
        match device {
            Ok(device) => devices.push(device),
            Err(error) => {
                tracing::warn!(gpu = index, status = %error.status, "GPU left out: {error}");
                refusal = refusal.or(Some(error));
            }
        }
    }
    match refusal {
        Some(error) if devices.is_empty() => Err(not_listed(error)),
        _ => Ok(devices),
    }
}

/// The driver's configuration of a preset.
#[derive(Debug, Clone)]
pub(super) struct PresetConfig(pub(super) Box<NV_ENC_CONFIG>);

// SAFETY: plain data. The pointers in it are reserved or unused fields, which nothing here follows.
unsafe impl Send for PresetConfig {}

// SAFETY: plain data. The one pointer that counts is null but for the length of a call, which sets it in a copy.
unsafe impl Send for Params {}

/// The pause between two tries of a busy driver.
const PAUSE: Duration = Duration::from_micros(500);

/// An open driver session. When its last holder drops it, the session is destroyed first, then its context released.
#[derive(Debug)]
pub(super) struct OpenSession {
    session: SessionHandle,
    context: Arc<Context>,
    /// The time limit for repeated calls of a busy driver.
    patience: Duration,
    /// Memory that the driver did not take back from registration, freed after the session.
    outliving: Mutex<Vec<Arc<PitchedMemory>>>,
}

// SAFETY: NVENC ties a session to no thread, as long as its context is current on the calling thread. Its holders rule
// out calls at the same time: they make one at a time, through `&mut`.
unsafe impl Send for OpenSession {}
// SAFETY: as above.
unsafe impl Sync for OpenSession {}

impl OpenSession {
    pub(super) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(super) fn api(&self) -> ApiVersion {
        self.session.api
    }

    pub(super) fn functions(&self) -> &EncodeFunctions {
        &self.session.functions
    }

    /// The handle, valid while this value lives.
    pub(super) fn handle(&self) -> NV_ENC_ENCODER_PTR {
        self.session.encoder.as_ptr()
    }

    /// Returns `Ok` for success, else the error of this call with the driver's own words.
    #[inline]
    pub(super) fn check(&self, call: &'static str, code: u32) -> Result<(), DriverError> {
        NVENCSTATUS(code).ok().map_err(|status| self.refused(call, status))
    }

    #[cold]
    fn refused(&self, call: &'static str, status: NVENCSTATUS) -> DriverError {
        let reason = match status {
            NV_ENC_ERR_OUT_OF_MEMORY => Reason::OutOfMemory,
            _ => Reason::DriverError,
        };
        let detail = match self.last_error() {
            Some(said) => format!("{status}; the driver says: {said}"),
            None => status.to_string(),
        };
        let advice = availability::advice(call, status);
        DriverError::refused(Backend::Nvenc, call, status.0, detail).because(reason).advising(advice)
    }

    /// Repeats a call while the driver answers that it is busy, until patience ends.
    #[inline]
    pub(super) fn patiently(&self, mut call: impl FnMut() -> NVENCSTATUS) -> NVENCSTATUS {
        let status = call();
        if is_busy(status) { self.repeat(status, &mut call) } else { status }
    }

    #[cold]
    fn repeat(&self, mut status: NVENCSTATUS, call: &mut dyn FnMut() -> NVENCSTATUS) -> NVENCSTATUS {
        let start = Instant::now();
        while is_busy(status) && start.elapsed() < self.patience {
            std::thread::sleep(PAUSE);
            status = call();
        }
        status
    }

    /// Keeps memory until the session is destroyed.
    pub(super) fn keep_until_destroyed(&self, memory: Arc<PitchedMemory>) {
        // Ignores poison, since no code that holds the lock can panic.
        self.outliving.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    /// Returns the driver's text for its last error, if it has one.
    fn last_error(&self) -> Option<String> {
        let function = self.functions().nvEncGetLastErrorString?;
        // SAFETY: the session is open.
        let text = unsafe { function(self.handle()) };
        if text.is_null() {
            return None;
        }
        // SAFETY: the driver hands out a text of its own that ends with a zero; it is copied before the next call
        // can change it.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        let text = text.trim_start_matches(':').trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Whether H.264 is among the codecs. The context has to be current, as for every call below.
    ///
    /// # Errors
    /// The refusal of the list, which says nothing about the codecs.
    pub(super) fn encodes_h264(&self) -> Result<bool, DriverError> {
        let mut count = 0;
        // SAFETY: the session is open; `count` lives through the call.
        let code = unsafe { (self.functions().nvEncGetEncodeGUIDCount)(self.handle(), &raw mut count) };
        self.check("nvEncGetEncodeGUIDCount", code)?;
        // A larger number of codecs is nonsense, and must not become an allocation.
        let room = count.min(64);
        let mut codecs = vec![GUID::ZERO; room as usize];
        let mut written = 0;
        // SAFETY: the session is open; `codecs` has `room` places, and both live through the call.
        let code = unsafe {
            (self.functions().nvEncGetEncodeGUIDs)(self.handle(), codecs.as_mut_ptr(), room, &raw mut written)
        };
        self.check("nvEncGetEncodeGUIDs", code)?;
        Ok(codecs.iter().take(written as usize).any(|&codec| codec == NV_ENC_CODEC_H264_GUID))
    }

    pub(super) fn capability(&self, which: u32) -> Result<i32, DriverError> {
        let mut params = NV_ENC_CAPS_PARAM::versioned(self.api());
        params.capsToQuery = which;
        let mut value = 0;
        // SAFETY: the session is open; `params` is whole and of the session's version, and lives through the call
        // as `value` does.
        let code = unsafe {
            (self.functions().nvEncGetEncodeCaps)(
                self.handle(),
                NV_ENC_CODEC_H264_GUID,
                &raw mut params,
                &raw mut value,
            )
        };
        self.check("nvEncGetEncodeCaps", code)?;
        Ok(value)
    }

    pub(super) fn preset_config(&self, preset: GUID, tuning: u32) -> Result<PresetConfig, DriverError> {
        let mut config = Box::new(NV_ENC_PRESET_CONFIG::versioned(self.api()));
        // SAFETY: the session is open; `config` is whole and of the session's version, and lives through the call.
        let code = unsafe {
            (self.functions().nvEncGetEncodePresetConfigEx)(
                self.handle(),
                NV_ENC_CODEC_H264_GUID,
                preset,
                tuning,
                &raw mut *config,
            )
        };
        self.check("nvEncGetEncodePresetConfigEx", code)?;
        // The driver writes words of its own, which are not always those of the session's version.
        let expected = NV_ENC_CONFIG::versioned(self.api());
        let mut config = Box::new(config.presetCfg);
        (config.version, config.rcParams.version) = (expected.version, expected.rcParams.version);
        Ok(PresetConfig(config))
    }
}

impl Drop for OpenSession {
    /// Ignores the status: a destructor cannot return it.
    fn drop(&mut self) {
        let entered = self.context.enter();
        // A context that cannot be entered is dead, and the session must be destroyed all the same.
        // SAFETY: opened in `Drivers::open`, and destroyed only here, after everything that holds it.
        let _ = unsafe { (self.functions().nvEncDestroyEncoder)(self.handle()) };
        drop(entered);
    }
}

const fn is_busy(status: NVENCSTATUS) -> bool {
    matches!(status, NV_ENC_ERR_ENCODER_BUSY | NV_ENC_ERR_LOCK_BUSY)
}
