//! Pictures in device memory for an encoder on the CPU, which a driver that hangs does not hold up.
#![expect(unsafe_code, reason = "a picture is copied from an address that the caller vouches for")]

mod thread;

use std::sync::{Arc, Weak};

use super::{Context, Event, PinnedMemory, Place, Stream, bytes_of, download, frame_in};
use crate::bounded;
use crate::config::CallForm;
use crate::error::{DriverError, Error, FrameError, Unreadable};
use crate::frame::{CudaImage, Frame};
use crate::remains::Remains;
use crate::units::{FrameSize, Timestamp};
use thread::ReaderThread;

/// Reads pictures from the memory of whichever GPU they lie on. What that takes is made with the first one.
#[derive(Debug)]
pub(crate) struct Reader {
    form: CallForm,
    hands: Option<Hands>,
    /// With the picture that was read last.
    memory: Option<PinnedMemory>,
    /// What is left of a call that did not come back in time, and the error that it was.
    left: Option<(Remains, FrameError)>,
}

/// Who makes the calls.
#[derive(Debug)]
enum Hands {
    Caller(Fetcher),
    Thread(ReaderThread),
}

impl Reader {
    pub(crate) const fn new(form: CallForm) -> Self {
        Self { form, hands: None, memory: None, left: None }
    }

    /// The picture in host memory.
    ///
    /// # Errors
    /// [`FrameError`] for a picture that is not there, cannot be read, or is not read within the limit.
    pub(crate) fn read(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        timestamp: Timestamp,
    ) -> Result<Frame<'_>, FrameError> {
        self.fetch(image, size)?;
        let nothing = FrameError::NoDeviceMemory { address: image.address() };
        frame_in(self.memory.as_ref().ok_or(nothing)?, image, size, timestamp)
    }

    fn fetch(&mut self, image: &CudaImage, size: FrameSize) -> Result<(), FrameError> {
        let hands = match self.hands.take() {
            Some(hands) => hands,
            None => match self.form {
                CallForm::Direct => Hands::Caller(Fetcher::default()),
                CallForm::Bounded(limits) => {
                    self.refuse_while_one_hangs()?;
                    Hands::Thread(ReaderThread::new(limits.first)?)
                }
            },
        };
        match self.hands.insert(hands) {
            Hands::Caller(fetcher) => fetcher.fetch(image, size, &mut self.memory),
            Hands::Thread(thread) => {
                let fetched = thread.fetch(*image, size, &mut self.memory);
                if let Err(error @ FrameError::TimedOut { .. }) = &fetched {
                    self.left = Some((thread.remains(), error.clone()));
                    self.hands = None;
                }
                fetched
            }
        }
    }

    /// A driver that hangs would take one thread after the other, and the limit from each frame.
    fn refuse_while_one_hangs(&mut self) -> Result<(), FrameError> {
        match &self.left {
            Some((left, error)) if left.strong_count() > 0 => Err(error.clone()),
            _ => {
                self.left = None;
                Ok(())
            }
        }
    }

    /// What is left of a call that may still read a picture; gone once it does not.
    pub(crate) fn remains(&self) -> Remains {
        self.left.as_ref().map_or_else(|| Weak::<()>::new() as Remains, |(left, _)| left.clone())
    }
}

impl Drop for Reader {
    /// Memory is freed by who made it.
    fn drop(&mut self) {
        if let Some(Hands::Thread(thread)) = self.hands.take() {
            thread.close(self.memory.take());
        }
    }
}

bounded::steps! {
    /// A stretch of a fetch, by the driver call that it ends with.
    pub(super) enum FetchStep {
        Initialise = "cuInit",
        Find = "cuPointerGetAttributes",
        Enter = "cuDevicePrimaryCtxRetain",
        Prepare = "cuMemHostAlloc",
        Copy = "cuMemcpy2DAsync",
        Wait = "cuStreamQuery",
    }
}

/// The step that a fetch is at.
type Progress = bounded::Progress<FetchStep>;

/// Makes the calls, and tells which one it is in.
#[derive(Debug, Default)]
struct Fetcher {
    gpu: Option<Gpu>,
    progress: Progress,
}

impl Fetcher {
    /// Brings a picture to the start of `memory`, which is what was there before where that is large enough.
    fn fetch(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        memory: &mut Option<PinnedMemory>,
    ) -> Result<(), FrameError> {
        self.fetch_from_gpu(image, size, memory).map_err(|error| {
            let why = match error {
                Error::Frame(error) => return error,
                Error::Driver(why) => Unreadable::Driver(why),
                Error::Internal(why) => Unreadable::Internal(why),
                // CUDA is not there: what the address is worth, nobody can say.
                _ => return FrameError::NoDeviceMemory { address: image.address() },
            };
            // A copy may still write to the memory until the stream was waited for.
            self.gpu = None;
            *memory = None;
            why.into()
        })
    }

    fn fetch_from_gpu(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        memory: &mut Option<PinnedMemory>,
    ) -> Result<(), Error> {
        let Self { gpu, progress } = self;
        progress.at(FetchStep::Initialise);
        let driver = super::driver()?;
        progress.at(FetchStep::Find);
        let nothing = || FrameError::NoDeviceMemory { address: image.address() };
        let first = image.planes(size).next().ok_or_else(nothing)?;
        let device = Place::of(driver.functions(), &first)?.device;
        let gpu = match gpu.take() {
            Some(known) if known.context.device() == device => gpu.insert(known),
            other => {
                drop(other);
                *memory = None;
                progress.at(FetchStep::Enter);
                gpu.insert(Gpu::new(Context::primary(driver, device)?)?)
            }
        };
        let place = Place::of_image(image, size, &gpu.context)?;
        progress.at(FetchStep::Prepare);
        let kept = PinnedMemory::at_least(memory.take(), &gpu.context, bytes_of(image, size))?;
        progress.at(FetchStep::Copy);
        let started = gpu.start(image, size, &place, memory.insert(kept));
        progress.at(FetchStep::Wait);
        gpu.stream.wait_asleep()?;
        started
    }
}

/// What it takes to read from the memory of one GPU. Drops from top to bottom.
#[derive(Debug)]
struct Gpu {
    event: Event,
    stream: Stream,
    context: Arc<Context>,
}

impl Gpu {
    fn new(context: Arc<Context>) -> Result<Self, DriverError> {
        let stream = Stream::new(&context)?;
        let event = Event::new(&context)?;
        Ok(Self { event, stream, context })
    }

    fn start(
        &self,
        image: &CudaImage,
        size: FrameSize,
        place: &Place,
        memory: &mut PinnedMemory,
    ) -> Result<(), Error> {
        let _entered = self.context.enter()?;
        // SAFETY: whoever made the frame vouches for its memory and its stream until `encode` returns; and where that
        // returns before the copy is done, because of a limit, until `forget_cuda` has succeeded. The memory written to
        // is waited for before anybody sees it or frees it: see `Fetcher::fetch`.
        unsafe { download(&self.stream, &self.event, image, size, place, memory) }
    }
}

impl Drop for Gpu {
    /// A copy that was not waited for may still write to the memory.
    fn drop(&mut self) {
        if !self.context.is_forked() {
            let _ = self.stream.synchronise();
        }
    }
}
