//! A session from opening to end: every driver call of an encoder is made here or below. No call here has a limit;
//! `runner` limits them.
#![expect(unsafe_code, reason = "a session is set up, changed and ended by calls of the driver")]

mod device;
mod flight;
mod next;
mod picture;
mod recovery;

use std::sync::Arc;

use direct264_sys::nvenc::{
    NV_ENC_CONFIG, NV_ENC_PIC_FLAG_EOS, NV_ENC_PIC_PARAMS, NV_ENC_RECONFIGURE_PARAMS,
    NV_ENC_SEQUENCE_PARAM_PAYLOAD, NVENCSTATUS,
};

use flight::Flight;
pub(super) use next::{Next, Source};
pub(super) use picture::Output;
use picture::PictureParams;

use super::driver::OpenSession;
use super::ended::TellsItsEnd;
use super::params::Params;
use super::pixels::{Layout, Staging, SurfaceFormat};
use super::progress::{SessionProgress, SessionStep};
use super::seat::Seat;
use super::slot::{Completion, Completions, Foreign, Slot, Surface};
use crate::backend::Backend;
use crate::cuda::{CudaEvent, PinnedMemory, Stream};
use crate::error::{DriverError, Error, Internal};
use crate::remains::Remains;
use crate::units::FrameSize;

/// The pictures that can be prepared at the same time: one being encoded, one being written by a caller.
pub(super) const SLOTS: usize = 2;

/// An initialised session. It drops from top to bottom: the pictures, the session, its streams, and last the notice of
/// its end.
#[derive(Debug)]
pub(super) struct Session {
    /// The first [`SLOTS`] for pictures from the host, then as many for pictures in device memory, once one came.
    slots: Vec<Slot>,
    /// Surfaces that the driver did not take back in mid-stream: released again at the end.
    unreleased: Vec<Surface>,
    /// The caller's memory that is encoded in place.
    foreign: Foreign,
    completions: Completions,
    /// The completion of the end of stream.
    end_of_stream: Completion,
    open: Arc<OpenSession>,
    /// Whether the warning about pictures that are copied on the GPU was logged.
    has_told_of_copy: bool,
    /// What the stream waits for before it touches memory of the caller; made with the first such picture.
    written: Option<CudaEvent>,
    /// The stream that brings pictures to the encoder, which waits for it.
    stream: Stream,
    /// The stream on which the encoder orders its output. On `stream`, the next picture would wait for that output.
    output_stream: Stream,
    /// Whether the driver orders its work on the two streams. If not, the host waits for each upload.
    ordered: bool,
    size: FrameSize,
    largest: FrameSize,
    picture: PictureParams,
    /// The number of the next picture, by which the driver knows it.
    pictures: u64,
    /// Whether pictures were submitted since the last end of stream.
    unfinished: bool,
    flight: Flight,
    progress: SessionProgress,
    seat: Option<Seat>,
    _end: TellsItsEnd,
}

impl Session {
    /// Initialises an open session and makes the objects that pictures need.
    pub(super) fn new(
        open: Arc<OpenSession>,
        params: &Params,
        completions: Completions,
        progress: SessionProgress,
    ) -> Result<Self, Error> {
        progress.at(SessionStep::Initialise);
        let context = Arc::clone(open.context());
        let entered = context.enter()?;
        let mut stream = Stream::new(&context)?;
        let mut output_stream = Stream::new(&context)?;
        let flight = Flight::new(&context)?;
        // Moving `open` here drops it before the streams, as in a finished session.
        let open = open;
        initialise(&open, params)?;
        progress.at(SessionStep::Order);
        let ordered = order_on(&open, &mut stream, &mut output_stream);
        progress.at(SessionStep::MakeOutput);
        let slots = (0..SLOTS).map(|_| Slot::new(&open, completions)).collect::<Result<_, _>>()?;
        let end_of_stream = Completion::new(&open, completions.of_end())?;
        let coded = |width, height| {
            FrameSize::new(width, height).map_err(|error| {
                Error::from(Internal::new(format!("a session is initialised for a {error}")))
            })
        };
        let size = coded(params.init.encodeWidth, params.init.encodeHeight)?;
        let largest = coded(params.init.maxEncodeWidth, params.init.maxEncodeHeight)?;
        drop(entered);
        Ok(Self {
            size,
            largest,
            slots,
            foreign: Foreign::default(),
            completions,
            end_of_stream,
            has_told_of_copy: false,
            picture: PictureParams::new(open.api()),
            open,
            written: None,
            stream,
            output_stream,
            ordered,
            pictures: 0,
            unfinished: false,
            flight,
            unreleased: Vec::new(),
            progress,
            seat: None,
            _end: TellsItsEnd,
        })
    }

    /// Gives the session its seat on the GPU, for as long as it lives.
    pub(super) fn sit(&mut self, mut seat: Seat) {
        seat.open();
        self.seat = Some(seat);
    }

    /// Adds to an error that ended the session whether its context is lost too.
    pub(super) fn explain(&self, error: Error) -> Error {
        self.open.context().explain(error)
    }

    /// The remains of the session: see [`SessionProgress::remains`].
    pub(super) fn remains(&self) -> Remains {
        self.progress.remains()
    }

    /// Ends the session, and frees `memory` once nothing reads it any more.
    pub(super) fn end(self, memory: Vec<PinnedMemory>) {
        let context = Arc::clone(self.open.context());
        // One entry around all parts, so that no part depends on entering the context again.
        let entered = context.enter();
        drop(self);
        drop(memory);
        drop(entered);
    }

    /// Prepares a slot for pictures of a format and the size in force, with staging memory. `old` is reused if it
    /// fits.
    pub(super) fn prepare(
        &mut self,
        slot: usize,
        format: SurfaceFormat,
        old: Option<Staging>,
    ) -> Result<Staging, Error> {
        self.progress.at(SessionStep::MakeSurface);
        let context = Arc::clone(self.open.context());
        let _entered = context.enter()?;
        self.prepare_surface(slot, format)?;
        self.progress.at(SessionStep::MakeStaging);
        let Self { slots, open, size, largest, .. } = self;
        let surface = slots.get(slot).and_then(|slot| slot.surface.as_ref()).ok_or_else(no_such_slot)?;
        let layout = Layout { format, size: *size, pitch: surface.memory().pitch() as usize };
        let needed = Layout { size: *largest, ..layout }.bytes();
        let memory = PinnedMemory::at_least(old.map(|staging| staging.memory), open.context(), needed)?;
        Ok(Staging { memory, layout })
    }

    /// Prepares the device memory of a slot for pictures of a format and the size in force. The context has to be
    /// current.
    fn prepare_surface(&mut self, slot: usize, format: SurfaceFormat) -> Result<(), Error> {
        let Self { slots, open, size, largest, unreleased, .. } = self;
        let slot = slots.get_mut(slot).ok_or_else(no_such_slot)?;
        if slot.surface.as_ref().is_some_and(|surface| (surface.format(), surface.size()) == (format, *size))
        {
            return Ok(());
        }
        let mut old = slot.surface.take();
        if let Some(surface) = &mut old
            && let Err(error) = surface.release()
        {
            tracing::debug!(%error, "a surface stays registered until the session ends");
            unreleased.extend(old.take());
        }
        slot.surface = Some(match old {
            Some(surface) if surface.format().has_layout_of(format) => surface.rebind(format, *size)?,
            other => {
                // The old memory goes first, since the device may not hold both.
                drop(other);
                Surface::new(open, format, *size, *largest)?
            }
        });
        Ok(())
    }

    /// Changes the settings from the next picture on. With another size that picture becomes an IDR.
    pub(super) fn reconfigure(&mut self, params: &Params, force_idr: bool) -> Result<(), Error> {
        self.progress.at(SessionStep::Reconfigure);
        let _entered = self.open.context().enter()?;
        let mut config = Box::new(params.config);
        let mut change = Box::new(NV_ENC_RECONFIGURE_PARAMS::versioned(self.open.api()));
        change.reInitEncodeParams = params.init;
        change.reInitEncodeParams.encodeConfig = &raw mut *config;
        if force_idr {
            change.flags = NV_ENC_RECONFIGURE_PARAMS::forceIDR;
        }
        change.zero_what_is_newer_than(self.open.api());
        let status = self.patiently(|open| {
            // SAFETY: the session is open; `change` and the configuration it points to are whole, of its version, and
            // live through the call.
            NVENCSTATUS(unsafe {
                (open.functions().nvEncReconfigureEncoder)(open.handle(), &raw mut *change)
            })
        });
        self.open.check("nvEncReconfigureEncoder", status.0)?;
        if let Ok(size) = FrameSize::new(params.init.encodeWidth, params.init.encodeHeight) {
            self.size = size;
        }
        Ok(())
    }

    pub(super) fn parameter_sets(&self) -> Result<Vec<u8>, Error> {
        const CALL: &str = "nvEncGetSequenceParams";
        /// The size that the header calls enough is 512 bytes.
        const ROOM: u32 = 1024;
        self.progress.at(SessionStep::ParameterSets);
        let function = self
            .open
            .functions()
            .nvEncGetSequenceParams
            .ok_or_else(|| DriverError::missing(Backend::Nvenc, CALL))?;
        let _entered = self.open.context().enter()?;
        let mut bytes = vec![0_u8; ROOM as usize];
        let mut length = 0_u32;
        let mut params = NV_ENC_SEQUENCE_PARAM_PAYLOAD::versioned(self.open.api());
        params.inBufferSize = ROOM;
        params.spsppsBuffer = bytes.as_mut_ptr().cast();
        params.outSPSPPSPayloadSize = &raw mut length;
        // SAFETY: the session is open; `params` is whole, of its version, and lives through the call, as do the `ROOM`
        // bytes and the number that it points to.
        let code = unsafe { function(self.open.handle(), &raw mut params) };
        self.open.check(CALL, code)?;
        bytes.truncate(length as usize);
        Ok(bytes)
    }

    /// Repeats a call while the driver answers that it is busy, until patience ends.
    fn patiently(&self, mut call: impl FnMut(&OpenSession) -> NVENCSTATUS) -> NVENCSTATUS {
        self.open.patiently(|| call(&self.open))
    }

    /// Waits until neither this crate's work nor the driver's reads the memory of a picture. The status changes nothing,
    /// since this follows an error or precedes the end.
    fn synchronise(&self) {
        let _ = self.stream.synchronise();
        let _ = self.output_stream.synchronise();
    }

    fn end_of_stream(&mut self) {
        let mut params = NV_ENC_PIC_PARAMS::versioned(self.open.api());
        params.encodePicFlags = NV_ENC_PIC_FLAG_EOS;
        self.end_of_stream.name_in(&mut params);
        let status = self.patiently(|open| {
            // SAFETY: the session is open; `params` is whole, of its version, and lives through the call.
            NVENCSTATUS(unsafe { (open.functions().nvEncEncodePicture)(open.handle(), &raw mut params) })
        });
        // The outcome changes nothing, since the end follows.
        if status.0 == 0 {
            self.end_of_stream.submitted();
            let _ = self.end_of_stream.wait();
        }
    }
}

impl Drop for Session {
    /// Ends the session in the documented order: end of stream, reading of the pictures in flight, a second unlock
    /// where one has failed, then the drop of the fields. Those unmap, unregister, free, and destroy the output
    /// buffers, the session and the streams.
    fn drop(&mut self) {
        self.progress.at(SessionStep::Close);
        let context = Arc::clone(self.open.context());
        let entered = context.enter();
        if self.unfinished {
            self.end_of_stream();
        }
        self.end_flight();
        for slot in 0..self.slots.len() {
            // A buffer is destroyed unlocked. The status changes nothing, since the end follows.
            let _ = self.unlock(slot);
        }
        self.synchronise();
        drop(entered);
    }
}

fn initialise(open: &OpenSession, params: &Params) -> Result<(), DriverError> {
    let mut config: Box<NV_ENC_CONFIG> = Box::new(params.config);
    let mut init = Box::new(params.init);
    init.encodeConfig = &raw mut *config;
    // SAFETY: the session is open; `init` and the configuration it points to are whole, of its version, and live
    // through the call.
    let code = unsafe { (open.functions().nvEncInitializeEncoder)(open.handle(), &raw mut *init) };
    open.check("nvEncInitializeEncoder", code)
}

/// Makes the driver order its reads and writes on two streams; returns false if it cannot. The host then waits for each
/// copy.
fn order_on(open: &OpenSession, input: &mut Stream, output: &mut Stream) -> bool {
    let Some(function) = open.functions().nvEncSetIOCudaStreams else { return false };
    let (input, output) = (input.handle_place(), output.handle_place());
    // SAFETY: the session is open and initialised; both places hold the handle of a stream of its context, and all stay
    // where they are until the session is destroyed: see the order of the fields of `Session`.
    let code = unsafe { function(open.handle(), input, output) };
    match open.check("nvEncSetIOCudaStreams", code) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "NVENC takes no CUDA stream: the session waits for each copy");
            false
        }
    }
}

/// The internal error of a picture whose slot was not prepared.
fn no_such_slot() -> Error {
    Internal::new("no slot was prepared for this picture").into()
}
