//! The encoder as Python sees it.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use direct264::error::Unavailable;
use direct264::{
    Encoder as _, Error, Event, EventKind, FailoverEncoder, FrameId, OwnedAccessUnit, Picture, Reason,
    Timestamp,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::access_unit::AccessUnit;
use crate::frame::{self, Source, Told};
use crate::held::Held;
use crate::settings::{self, Arguments};
use crate::shared::Shared;
use crate::{errors, facts, log};

/// One H.264 stream: one frame in, one access unit out, in order.
///
/// Any thread may call it; calls take turns, and the GIL is free while a frame is encoded. Properties never wait for a
/// frame that another thread encodes. Setting `bitrate`, `fps`, `size` or `qp_range` takes effect with the next frame.
///
/// >>> import direct264
/// >>> encoder = direct264.Encoder(640, 360, fps=30, bitrate=800_000, backend="openh264")
/// >>> frame = bytes(640 * 360 * 3 // 2)
/// >>> [encoder.encode(frame, format="nv12").is_idr for _ in range(3)]
/// [True, False, False]
/// >>> encoder.bitrate = 1_200_000
/// >>> encoder.encode(frame, format="nv12", idr=True)
/// <AccessUnit IDR ... bytes pts=3 openh264>
/// >>> encoder.close()
#[pyclass(frozen, module = "direct264")]
pub(crate) struct Encoder {
    /// Locked by threads without the GIL alone, so that no thread waits for one while it holds the other.
    encoder: Mutex<Option<FailoverEncoder>>,
    shared: Shared,
    held: Held,
    passed_over: Vec<Unavailable>,
    /// The time base of frames without one.
    frame_time: Py<PyAny>,
    is_full_range: bool,
}

/// No code that holds a lock of this file can panic, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a driver call of these events' frame passed its limit, so that the GPU may still read the frame.
fn timed_out(events: &[Event]) -> bool {
    events.iter().any(|event| {
        matches!(
            event.kind,
            EventKind::FellBack { reason: Reason::TimedOut, .. }
                | EventKind::PassedOver { reason: Reason::TimedOut, .. }
        )
    })
}

impl Encoder {
    /// Calls the encoder without the GIL, then takes in what the encoder tells. Returns the events of the call too.
    fn with<T: Send, L: Send>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&mut FailoverEncoder) -> Result<T, Error> + Send,
        look: impl FnOnce(&[Event], bool) -> L + Send,
    ) -> PyResult<(Result<T, Error>, L)> {
        let done = py.detach(|| {
            let mut held = lock(&self.encoder);
            let encoder = held.as_mut()?;
            let done = act(encoder);
            let is_leaving = encoder.is_leaving();
            let looked = self.shared.note(encoder, |events| look(events, is_leaving));
            Some((done, looked))
        });
        log::flush(py);
        done.ok_or_else(errors::closed)
    }

    fn call<T: Send>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&mut FailoverEncoder) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let (done, ()) = self.with(py, act, |_, _| ())?;
        done.map_err(|error| errors::from_library(py, &error))
    }

    /// Encodes the picture, with the changes that wait.
    fn code(
        &self,
        py: Python<'_>,
        source: Source,
        timestamp: Timestamp,
        picture: Picture,
        keep: bool,
    ) -> PyResult<OwnedAccessUnit> {
        let source = match source {
            Source::Device(mut frame) if !keep => {
                frame.image = frame.image.freed_soon();
                Source::Device(frame)
            }
            other => other,
        };
        let frame = source.frame(timestamp).map_err(|error| errors::from_library(py, &error.into()))?;
        let (done, (is_late, is_leaving)) = self.with(
            py,
            |encoder| {
                let change = self.shared.take_change();
                if change != Default::default() {
                    encoder.change(change)?;
                }
                Ok(encoder.encode(&frame, picture)?.to_owned())
            },
            |events, is_leaving| (timed_out(events), is_leaving),
        )?;
        if !is_leaving && self.held.awaits_sessions() {
            self.held.sessions_are_gone();
        }
        if let Source::Device(frame) = source {
            let is_late = is_late || done.as_ref().is_err_and(|error| error.reason() == Reason::TimedOut);
            let address = frame.image.address();
            if keep {
                self.held.register(address, frame.owner);
            } else if is_late {
                self.held.after_time_out(address, frame.owner);
            }
        }
        done.map_err(|error| errors::from_library(py, &error))
    }
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(
        signature = (
            width, height, *, fps, bitrate, backend = None, max_size = None, max_bitrate = None, max_memory = None,
            idr_period = None, profile = "constrained_baseline", matrix = "bt709", full_range = false,
            sample_aspect = None, temporal_layers = 1, slices = None, threads = None, qp_range = (10, 51),
            nvenc = None, failover = None
        ),
        text_signature = "(width, height, *, fps, bitrate, backend='auto', max_size=None, max_bitrate=None, \
            max_memory=None, idr_period=None, profile='constrained_baseline', matrix='bt709', full_range=False, \
            sample_aspect=None, temporal_layers=1, slices=None, threads=None, qp_range=(10, 51), nvenc=None, \
            failover=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        width: u32,
        height: u32,
        fps: &Bound<'_, PyAny>,
        bitrate: u64,
        backend: Option<&Bound<'_, PyAny>>,
        max_size: Option<(u32, u32)>,
        max_bitrate: Option<u64>,
        max_memory: Option<u64>,
        idr_period: Option<u32>,
        profile: &str,
        matrix: &str,
        full_range: bool,
        sample_aspect: Option<(u16, u16)>,
        temporal_layers: u8,
        slices: Option<u8>,
        threads: Option<u8>,
        qp_range: (u8, u8),
        nvenc: Option<&Bound<'_, PyAny>>,
        failover: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let arguments = Arguments {
            width,
            height,
            fps,
            bitrate,
            max_size,
            max_bitrate,
            max_memory,
            idr_period,
            profile,
            matrix,
            full_range,
            sample_aspect,
            temporal_layers,
            slices,
            threads,
            qp_range,
            nvenc,
            failover,
        };
        let config = arguments.config()?;
        let order = backend.map(settings::order).transpose()?.unwrap_or_default();
        log::follow_level(py)?;
        let opened = py.detach(|| direct264::open(&config, &order));
        log::flush(py);
        let mut opened = opened.map_err(|error| errors::from_library(py, &error))?;
        Ok(Self {
            shared: Shared::new(&mut opened.encoder),
            encoder: Mutex::new(Some(opened.encoder)),
            held: Held::default(),
            passed_over: opened.passed_over,
            frame_time: facts::frame_time(py, config.frame_rate())?.unbind(),
            is_full_range: full_range,
        })
    }

    /// Encodes one frame and returns its access unit.
    ///
    /// `frame` is an `av.VideoFrame`; an array of bytes of height x width x 3 or 4 (RGB, see `format`) or of
    /// height * 3 / 2 x width (`format` "nv12" or "i420"); bytes of a whole frame without padding, with `format`; or an
    /// array on a CUDA device (NV12, RGBA, BGRA). A frame of another size than the encoder's changes the size.
    ///
    /// `idr` forces an IDR. `refresh_frames` starts an intra refresh over so many pictures, where the backend has one.
    /// `pts` and `time_base` default to the frame's own, and to the number of the frame and the duration of a frame at
    /// the opening rate. `stream` is the handle of the CUDA stream that writes the array, if the array does not tell it.
    ///
    /// Device memory is copied once on the GPU, so that it may be freed at any time afterwards. With `keep` it is
    /// registered and read in place, and the encoder keeps the array until `forget_cuda`.
    ///
    /// Raises `FrameError` (a `ValueError`) for a frame that does not fit, `FrameTypeError` (a `TypeError`) for an
    /// object that is no frame, `ConfigError` for a change that the backend cannot take, and `EncodeError` when the
    /// encoder is spent.
    #[pyo3(signature = (
        frame, *, idr = false, refresh_frames = None, pts = None, time_base = None, format = None, stream = None,
        keep = false
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn encode(
        &self,
        frame: &Bound<'_, PyAny>,
        idr: bool,
        refresh_frames: Option<u32>,
        pts: Option<i64>,
        time_base: Option<Py<PyAny>>,
        format: Option<&str>,
        stream: Option<usize>,
        keep: bool,
    ) -> PyResult<AccessUnit> {
        let py = frame.py();
        let told = Told {
            format: format.map(frame::format).transpose()?,
            stream,
            encoder_size: self.shared.settings().size,
            is_full_range: self.is_full_range,
        };
        let source = Source::of(frame, &told)?;
        let of_frame = |name| frame.getattr_opt(name).map(|value| value.filter(|value| !value.is_none()));
        let picture = match (idr, refresh_frames.map(NonZeroU32::new)) {
            (true, _) => Picture::Idr,
            (false, Some(Some(frames))) => Picture::IntraRefresh { frames },
            (false, Some(None)) => return Err(errors::config("refresh_frames=0: 1 or more is taken")),
            (false, None) => Picture::Auto,
        };
        let own = match pts {
            Some(pts) => Some(pts),
            None => of_frame(intern!(py, "pts"))?.map(|pts| pts.extract()).transpose()?,
        };
        let time_base = match (time_base, own) {
            (Some(given), _) => given,
            (None, Some(_)) => match of_frame(intern!(py, "time_base"))? {
                Some(of_frame) => of_frame.unbind(),
                None => self.frame_time.clone_ref(py),
            },
            (None, None) => self.frame_time.clone_ref(py),
        };
        let unit = self.code(py, source, Timestamp(own.unwrap_or(0)), picture, keep)?;
        Ok(AccessUnit::new(unit, own, time_base))
    }

    /// Reports that the receiver did not get the access units `first` to `last` (`frame_id`), so that the next frame is
    /// predicted only from frames that the receiver has. Returns "not_needed", "older_reference" or "idr". Waits for a
    /// frame that another thread encodes.
    #[pyo3(signature = (first, last = None))]
    fn invalidate(&self, py: Python<'_>, first: u64, last: Option<u64>) -> PyResult<&'static str> {
        let lost = FrameId(first)..=FrameId(last.unwrap_or(first));
        self.call(py, |encoder| encoder.invalidate(lost)).map(|recovery| recovery.as_str())
    }

    /// Returns SPS and PPS in Annex B format. Every IDR carries the same bytes. Waits for a frame that another thread
    /// encodes.
    fn parameter_sets(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        self.call(py, |encoder| encoder.parameter_sets())
    }

    /// Returns the events since the last call, at most 256.
    fn take_events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.shared.take_events().iter().map(|event| facts::event(py, event)).collect()
    }

    /// Lets go of device memory that was encoded with `keep`: of the array at `address`, or of all. The memory may be
    /// freed afterwards.
    ///
    /// Raises `StillInUseError` if a driver that hangs may still read the memory. Waits for a frame that another thread
    /// encodes.
    #[pyo3(signature = (address = None))]
    fn forget_cuda(&self, py: Python<'_>, address: Option<u64>) -> PyResult<()> {
        self.call(py, |encoder| encoder.forget_cuda(address))?;
        self.held.forgotten(address);
        Ok(())
    }

    /// The backend that encodes: "nvenc" or "openh264".
    #[getter]
    fn backend(&self) -> &'static str {
        self.shared.backend().as_str()
    }

    /// The better backends that were passed over at opening, each with the reason.
    #[getter]
    fn passed_over<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.passed_over.iter().map(|why| facts::passed_over(py, why)).collect()
    }

    /// Width and height in pixels. A new size holds from the next frame on, which becomes an IDR.
    #[getter]
    fn size(&self) -> (u32, u32) {
        let size = self.shared.settings().size;
        (size.width(), size.height())
    }

    #[setter]
    fn set_size(&self, size: (u32, u32)) -> PyResult<()> {
        let size = settings::size(size)?;
        self.shared.change(|change| change.size(size));
        Ok(())
    }

    /// The target bitrate in bit/s. A new one holds from the next frame on, without an IDR.
    #[getter]
    fn bitrate(&self) -> u32 {
        self.shared.settings().bitrate.bps()
    }

    #[setter]
    fn set_bitrate(&self, bitrate: u64) -> PyResult<()> {
        let bitrate = settings::bitrate(bitrate)?;
        self.shared.change(|change| change.bitrate(bitrate));
        Ok(())
    }

    /// The frame rate by which the bits are shared out, as a `Fraction`. A new one holds from the next frame on.
    #[getter]
    fn fps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rate = self.shared.settings().frame_rate;
        facts::fraction(py, rate.numerator(), rate.denominator())
    }

    #[setter]
    fn set_fps(&self, fps: &Bound<'_, PyAny>) -> PyResult<()> {
        let rate = settings::frame_rate(fps)?;
        self.shared.change(|change| change.frame_rate(rate));
        Ok(())
    }

    /// The finest and the coarsest quantiser, 0 to 51. New ones hold from the next frame on.
    #[getter]
    fn qp_range(&self) -> (u8, u8) {
        let range = self.shared.settings().qp_range;
        (range.min(), range.max())
    }

    #[setter]
    fn set_qp_range(&self, qp_range: (u8, u8)) -> PyResult<()> {
        let range = settings::qp_range(qp_range)?;
        self.shared.change(|change| change.qp_range(range));
        Ok(())
    }

    /// The counters of the stream so far.
    #[getter]
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        facts::counters(py, &self.shared.counters())
    }

    /// Encode times of the frames so far. Waits for a frame that another thread encodes.
    #[getter]
    fn latency<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let latency = self.call(py, |encoder| Ok(encoder.latency()))?;
        facts::latency(py, latency)
    }

    /// Whether `close` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Ends the encoder, after a frame that another thread encodes; every later call raises `ClosedError`. Returns when
    /// the session has ended, or after 2 s if a driver hangs. An encoder that is no longer referred to ends by itself,
    /// on a thread of its own.
    fn close(&self, py: Python<'_>) {
        self.shared.close();
        py.detach(|| {
            let Some(mut encoder) = lock(&self.encoder).take() else { return };
            let held = self.held.take();
            if held.is_let_go_of(&mut encoder) {
                drop(encoder);
                held.release_all();
            } else {
                end(Some(encoder), held);
            }
        });
        log::flush(py);
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        let settings = self.shared.settings();
        let (size, rate, bitrate) = (settings.size, settings.frame_rate.as_f64(), settings.bitrate);
        format!("<Encoder {size} at {rate:.3} fps, {} bit/s by {}>", bitrate.bps(), self.shared.backend())
    }
}

/// Ends an encoder on a thread of its own: a driver may take its time, and the caller may be an event loop.
fn end(encoder: Option<FailoverEncoder>, held: Held) {
    let Some(encoder) = encoder else { return };
    let thread = std::thread::Builder::new().name("direct264-end".to_owned());
    // Without a thread the encoder is dropped here, with the closure.
    drop(thread.spawn(move || held.end(encoder)));
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let encoder = self.encoder.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        end(encoder, self.held.take());
    }
}
