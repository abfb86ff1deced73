//! A safe wrapper of the openh264 library: one C object, one owner, one `Drop`.

#![expect(
    unsafe_code,
    reason = "the raw API is the only way to fixed slices, CABAC and a quantiser per picture"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use openh264_sys2::{
    CONSTANT_ID, ENCODER_OPTION, ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, ENCODER_OPTION_TRACE_CALLBACK,
    ENCODER_OPTION_TRACE_CALLBACK_CONTEXT, ENCODER_OPTION_TRACE_LEVEL, ISVCEncoder, ISVCEncoderVtbl,
    SEncParamExt, SFrameBSInfo, SSourcePicture, WELS_LOG_INFO, WELS_LOG_WARNING, videoFormatI420,
    videoFrameTypeIDR,
};

use super::api::Api;
use super::planar::Planes;
use crate::backend::Backend;
use crate::error::{DriverError, Error, Internal};
use crate::units::FrameSize;

pub(super) struct RawEncoder {
    /// The library that made the handle.
    api: &'static Api,
    /// The handle from `WelsCreateSVCEncoder`, owned only here and destroyed in `drop`.
    handle: NonNull<ISVCEncoder>,
    /// The library's output of each picture; 5 KiB, so boxed and kept.
    info: Box<SFrameBSInfo>,
    /// The process of the library's threads, once this encoder uses them. A forked child has none of them, and the
    /// library would wait for them for ever.
    threads_in: Option<u32>,
}

// SAFETY: the library ties an encoder to no thread (no thread-local state, its workers are its own), and every
// call goes through `&mut self`, so that it is used by one thread at a time.
unsafe impl Send for RawEncoder {}

impl std::fmt::Debug for RawEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawEncoder").finish_non_exhaustive()
    }
}

impl RawEncoder {
    /// Makes an encoder without settings, whose messages go to `tracing`.
    pub(super) fn create(api: &'static Api) -> Result<Self, DriverError> {
        const CREATE: &str = "WelsCreateSVCEncoder";
        let (status, handle) = api.create();
        let Some(handle) = handle else {
            return Err(match status {
                0 => DriverError::unusable(Backend::OpenH264, CREATE, "no encoder"),
                status => refused(CREATE, status),
            });
        };
        let mut encoder = Self { api, handle, info: Box::default(), threads_in: None };
        if status != 0 {
            return Err(refused(CREATE, status));
        }
        // Without a level of its own the library writes its warnings to stderr.
        encoder.trace(WELS_LOG_WARNING, forward_trace, std::ptr::null_mut())?;
        Ok(encoder)
    }

    /// Returns the library's own defaults.
    pub(super) fn default_params(&mut self) -> Result<SEncParamExt, DriverError> {
        let function = self.function("GetDefaultParams", |table| table.GetDefaultParams)?;
        let mut params = SEncParamExt::default();
        // SAFETY: the handle is alive (owned by self) and the out-parameter is a whole struct of the right type.
        let status = unsafe { function(self.handle.as_ptr(), &raw mut params) };
        check("GetDefaultParams", status)?;
        Ok(params)
    }

    /// Opens the stream with settings.
    pub(super) fn initialize(&mut self, params: &SEncParamExt) -> Result<(), DriverError> {
        let function = self.function("InitializeExt", |table| table.InitializeExt)?;
        let params = within_reach(params);
        // SAFETY: the handle is alive, and the library copies the struct before it returns.
        let status = unsafe { function(self.handle.as_ptr(), &raw const params) };
        check("InitializeExt", status)?;
        self.note_threads(&params);
        Ok(())
    }

    fn note_threads(&mut self, params: &SEncParamExt) {
        if params.iMultipleThreadIdc > 1 && self.threads_in.is_none() {
            let process = std::process::id();
            self.threads_in = Some(process);
            THREADS_IN.store(process, Ordering::Relaxed);
        }
    }

    /// Whether the threads of this encoder are in the parent of this forked process.
    pub(super) fn has_lost_its_threads(&self) -> bool {
        self.threads_in.is_some_and(|process| process != std::process::id())
    }

    /// Changes the settings of an open stream. A change that needs an IDR (size, slices, a higher level) forces one.
    pub(super) fn apply(&mut self, params: &SEncParamExt) -> Result<(), DriverError> {
        let mut params = within_reach(params);
        self.note_threads(&params);
        self.set_option(ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, (&raw mut params).cast())
    }

    /// Makes the next picture an IDR.
    pub(super) fn force_idr(&mut self) -> Result<(), DriverError> {
        let function = self.function("ForceIntraFrame", |table| table.ForceIntraFrame)?;
        // SAFETY: the handle is alive.
        let status = unsafe { function(self.handle.as_ptr(), true) };
        check("ForceIntraFrame", status)
    }

    /// Encodes one picture, to be fetched with [`RawEncoder::copy_coded`]. Returns whether the picture is an IDR.
    pub(super) fn encode(
        &mut self,
        size: FrameSize,
        planes: &Planes<'_>,
        milliseconds: i64,
    ) -> Result<bool, Error> {
        let function = self.function("EncodeFrame", |table| table.EncodeFrame)?;
        let (width, height) = (size.width() as usize, size.height() as usize);
        // `Planes` cannot be made shorter than this; the check stands beside the pointers that rely on it.
        if !planes.hold(size) || width % 2 != 0 || height % 2 != 0 {
            return Err(Internal::new("planes shorter than the picture").into());
        }
        let chroma_stride = to_int(planes.chroma_stride);
        let picture = SSourcePicture {
            iColorFormat: videoFormatI420,
            iPicWidth: to_int(width),
            iPicHeight: to_int(height),
            iStride: [to_int(planes.y_stride), chroma_stride, chroma_stride, 0],
            pData: [
                planes.y.as_ptr().cast_mut(),
                planes.u.as_ptr().cast_mut(),
                planes.v.as_ptr().cast_mut(),
                std::ptr::null_mut(),
            ],
            uiTimeStamp: milliseconds,
            ..SSourcePicture::default()
        };
        // SAFETY: the handle is alive; the planes hold `size` at their strides (checked above) and stay borrowed
        // during the call; the library copies the picture before it works on it, so it writes to none of them.
        let status = unsafe { function(self.handle.as_ptr(), &raw const picture, &raw mut *self.info) };
        check("EncodeFrame", status)?;
        Ok(self.info.eFrameType == videoFrameTypeIDR)
    }

    /// Appends the last coded access unit to `out`, and the place of each NAL unit to `nals`.
    pub(super) fn copy_coded(&mut self, out: &mut Vec<u8>, nals: &mut Vec<Range<usize>>) {
        let layers = usize::try_from(self.info.iLayerNum).unwrap_or(0);
        for layer in self.info.sLayerInfo.iter().take(layers) {
            let count = usize::try_from(layer.iNalCount).unwrap_or(0);
            if count == 0 || layer.pNalLengthInByte.is_null() || layer.pBsBuf.is_null() {
                continue;
            }
            // SAFETY: the library filled in `iNalCount` lengths, in memory that it keeps until its next call,
            // which the exclusive borrow of self holds off.
            let lengths = unsafe { std::slice::from_raw_parts(layer.pNalLengthInByte, count) };
            let bytes: usize = lengths.iter().map(|&length| usize::try_from(length).unwrap_or(0)).sum();
            // SAFETY: the NAL units of a layer lie one after the other from `pBsBuf` on, in memory as above.
            let layer_bytes = unsafe { std::slice::from_raw_parts(layer.pBsBuf, bytes) };
            let mut start = out.len();
            out.extend_from_slice(layer_bytes);
            for &length in lengths {
                let end = start + usize::try_from(length).unwrap_or(0);
                nals.push(start..end);
                start = end;
            }
        }
    }

    /// Codes SPS and PPS, to be fetched with [`RawEncoder::copy_coded`].
    pub(super) fn encode_parameter_sets(&mut self) -> Result<(), DriverError> {
        let function = self.function("EncodeParameterSets", |table| table.EncodeParameterSets)?;
        // SAFETY: the handle is alive and the out-parameter a whole struct, owned by self.
        let status = unsafe { function(self.handle.as_ptr(), &raw mut *self.info) };
        check("EncodeParameterSets", status)
    }

    fn trace(
        &mut self,
        level: i32,
        callback: TraceCallback,
        context: *mut c_void,
    ) -> Result<(), DriverError> {
        let mut level: c_int = level;
        let mut callback = callback;
        let mut context = context;
        self.set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast())?;
        self.set_option(ENCODER_OPTION_TRACE_CALLBACK_CONTEXT, (&raw mut context).cast())?;
        self.set_option(ENCODER_OPTION_TRACE_CALLBACK, (&raw mut callback).cast())
    }

    /// Sets an option; `value` points at the documented type of the option.
    fn set_option(&mut self, option: ENCODER_OPTION, value: *mut c_void) -> Result<(), DriverError> {
        let function = self.function("SetOption", |table| table.SetOption)?;
        // SAFETY: the handle is alive; the callers in this file pass a live value of the option's type, which the
        // library copies before it returns.
        let status = unsafe { function(self.handle.as_ptr(), option, value) };
        check("SetOption", status)
    }

    fn function<F>(
        &self,
        name: &'static str,
        pick: impl FnOnce(&ISVCEncoderVtbl) -> Option<F>,
    ) -> Result<F, DriverError> {
        // SAFETY: a handle made by the library points at a pointer to its table, which lives as long.
        let table = unsafe { *self.handle.as_ptr() };
        // SAFETY: as above; the table is not written to after the encoder was made.
        let table = unsafe { table.as_ref() };
        table.and_then(pick).ok_or_else(|| DriverError::missing(Backend::OpenH264, name))
    }
}

impl Drop for RawEncoder {
    fn drop(&mut self) {
        if self.has_lost_its_threads() {
            return;
        }
        if let Ok(function) = self.function("Uninitialize", |table| table.Uninitialize) {
            // SAFETY: the handle is alive; on a stream that was never opened this does nothing. The status tells
            // nothing that a destructor could act on.
            let _ = unsafe { function(self.handle.as_ptr()) };
        }
        // SAFETY: made by this library, owned by self alone, and not used after this.
        unsafe { self.api.destroy(self.handle) };
    }
}

/// The process in which a library uses threads, or 0. A library has one pool of them for all its encoders.
static THREADS_IN: AtomicU32 = AtomicU32::new(0);

/// Returns the settings with one thread if the library's threads are in the parent of this forked process. The stream
/// depends on the slices, not on the threads.
fn within_reach(params: &SEncParamExt) -> SEncParamExt {
    let has_threads = [0, std::process::id()].contains(&THREADS_IN.load(Ordering::Relaxed));
    let threads = if has_threads { params.iMultipleThreadIdc } else { 1 };
    SEncParamExt { iMultipleThreadIdc: threads, ..*params }
}

/// The CPU features that the library's SIMD code found, as its own bit set; 0 without SIMD code, `None` if the library
/// does not open. The library itself is asked once, since a build can differ from its intention.
pub(super) fn cpu_features(api: &'static Api) -> Option<u32> {
    *api.cpu_features.get_or_init(|| {
        // On x86 the library logs its features in one line at opening, if the SIMD code is there.
        let seen = AtomicU32::new(0);
        let mut encoder = RawEncoder::create(api).ok()?;
        let mut params = encoder.default_params().ok()?;
        (params.iPicWidth, params.iPicHeight, params.iTargetBitrate) = (16, 16, 100_000);
        params.eSpsPpsIdStrategy = CONSTANT_ID;
        params.sSpatialLayers[0].iVideoWidth = 16;
        params.sSpatialLayers[0].iVideoHeight = 16;
        params.sSpatialLayers[0].iSpatialBitrate = 100_000;
        params.sSpatialLayers[0].fFrameRate = params.fMaxFrameRate;
        encoder.trace(WELS_LOG_INFO, note_cpu_features, (&raw const seen).cast_mut().cast()).ok()?;
        encoder.initialize(&params).ok()?;
        // The encoder may log until it is dropped, and its log writes to `seen`, so it goes first.
        drop(encoder);
        Some(seen.into_inner())
    })
}

type TraceCallback = extern "C" fn(*mut c_void, c_int, *const c_char);

/// Receives each message of the library at or above the set level.
extern "C" fn forward_trace(_context: *mut c_void, _level: c_int, message: *const c_char) {
    // A subscriber is the caller's code, and its panic must not cross the C border.
    let _ = std::panic::catch_unwind(|| {
        tracing::debug!(target: "direct264::openh264", message = %text(&message));
    });
}

/// Receives messages as [`forward_trace`] does, and keeps the line that holds `features/capacities (0x..)`.
extern "C" fn note_cpu_features(context: *mut c_void, _level: c_int, message: *const c_char) {
    let message = text(&message);
    let Some((_, rest)) = message.split_once("features/capacities (0x") else { return };
    let Some((digits, _)) = rest.split_once(')') else { return };
    let Ok(features) = u32::from_str_radix(digits, 16) else { return };
    // SAFETY: `cpu_features` passes a pointer to an atomic that outlives the encoder, and nothing else.
    let seen = unsafe { context.cast::<AtomicU32>().as_ref() };
    if let Some(seen) = seen {
        seen.store(features, Ordering::Relaxed);
    }
}

/// Returns the message as text, borrowed for as long as the caller's pointer is.
fn text(message: &*const c_char) -> std::borrow::Cow<'_, str> {
    if message.is_null() {
        return "".into();
    }
    // SAFETY: the library passes a NUL-terminated string that lives during the callback.
    unsafe { CStr::from_ptr(*message) }.to_string_lossy()
}

fn to_int(value: usize) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}

fn check(call: &'static str, status: c_int) -> Result<(), DriverError> {
    if status == 0 { Ok(()) } else { Err(refused(call, status)) }
}

fn refused(call: &'static str, status: c_int) -> DriverError {
    let meaning = match status {
        1 => "a parameter is invalid",
        2 => "unknown reason",
        3 => "out of memory",
        4 => "not initialised",
        5 => "unsupported data",
        _ => "",
    };
    DriverError::refused(Backend::OpenH264, call, status, meaning)
}
