//! The driver calls that bring a picture to host memory.
#![expect(unsafe_code, reason = "a picture is copied from an address that the caller vouches for")]

use std::sync::Arc;

use crate::bounded;
use crate::cuda::context::Context;
use crate::cuda::download::{bytes_of, download};
use crate::cuda::event::CudaEvent;
use crate::cuda::memory::PinnedMemory;
use crate::cuda::place::DevicePlace;
use crate::cuda::stream::Stream;
use crate::error::{DriverError, Error, FrameError, Unreadable};
use crate::frame::CudaImage;
use crate::units::FrameSize;

bounded::steps! {
    /// A stretch of a fetch, named by the driver call at its end.
    pub(super) enum FetchStep {
        Initialise = "cuInit",
        Find = "cuPointerGetAttributes",
        Enter = "cuDevicePrimaryCtxRetain",
        Prepare = "cuMemHostAlloc",
        Copy = "cuMemcpy2DAsync",
        Wait = "cuStreamQuery",
    }
}

pub(super) type FetchProgress = bounded::Progress<FetchStep>;

/// Makes the calls of a fetch and reports each step.
#[derive(Debug, Default)]
pub(super) struct Fetcher {
    gpu: Option<GpuReader>,
    progress: FetchProgress,
}

impl Fetcher {
    pub(super) const fn new(progress: FetchProgress) -> Self {
        Self { gpu: None, progress }
    }

    /// Copies a picture to the start of `memory`, which is reused if it is large enough.
    pub(super) fn fetch(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        memory: &mut Option<PinnedMemory>,
    ) -> Result<(), FrameError> {
        self.fetch_from_gpu(image, size, memory).map_err(|error| {
            let why = match self.explain(error) {
                Error::Frame(error) => return error,
                Error::Driver(why) => Unreadable::Driver(why),
                Error::Internal(why) => Unreadable::Internal(why),
                // Without CUDA, the address cannot be checked.
                _ => return FrameError::NoDeviceMemory { address: image.address() },
            };
            // A copy may write to the memory until the stream was waited for.
            self.gpu = None;
            *memory = None;
            why.into()
        })
    }

    /// Adds to the error of a failed call whether the context is lost.
    fn explain(&self, error: Error) -> Error {
        match &self.gpu {
            Some(gpu) => gpu.context.explain(error),
            None => error,
        }
    }

    fn fetch_from_gpu(
        &mut self,
        image: &CudaImage,
        size: FrameSize,
        memory: &mut Option<PinnedMemory>,
    ) -> Result<(), Error> {
        let Self { gpu, progress } = self;
        progress.at(FetchStep::Initialise);
        let driver = crate::cuda::driver()?;
        progress.at(FetchStep::Find);
        let nothing = || FrameError::NoDeviceMemory { address: image.address() };
        let first = image.planes(size).next().ok_or_else(nothing)?;
        let device = DevicePlace::of(driver.functions(), &first)?.device;
        let gpu = match gpu.take() {
            Some(known) if known.context.device() == device => gpu.insert(known),
            other => {
                drop(other);
                *memory = None;
                progress.at(FetchStep::Enter);
                let context = Context::primary(driver, device)?;
                let made = GpuReader::new(Arc::clone(&context));
                gpu.insert(made.map_err(|error| context.explain(error.into()))?)
            }
        };
        let place = DevicePlace::of_image(image, size, &gpu.context)?;
        progress.at(FetchStep::Prepare);
        let kept = PinnedMemory::at_least(memory.take(), &gpu.context, bytes_of(image, size))?;
        progress.at(FetchStep::Copy);
        let started = gpu.start(image, size, &place, memory.insert(kept));
        progress.at(FetchStep::Wait);
        gpu.stream.wait_asleep()?;
        started
    }
}

/// The objects that read from the memory of one GPU; dropped from top to bottom.
#[derive(Debug)]
struct GpuReader {
    event: CudaEvent,
    stream: Stream,
    context: Arc<Context>,
}

impl GpuReader {
    fn new(context: Arc<Context>) -> Result<Self, DriverError> {
        let stream = Stream::new(&context)?;
        let event = CudaEvent::new(&context)?;
        Ok(Self { event, stream, context })
    }

    fn start(
        &self,
        image: &CudaImage,
        size: FrameSize,
        place: &DevicePlace,
        memory: &mut PinnedMemory,
    ) -> Result<(), Error> {
        let _entered = self.context.enter()?;
        // SAFETY: the frame's maker vouches for its memory and its stream until `encode` returns. Where `encode`
        // returns before the copy is done, because of a limit, the maker vouches until `forget_cuda` has succeeded.
        // The memory written to is waited for before it is seen or freed: see `Fetcher::fetch`.
        unsafe { download(&self.stream, &self.event, image, size, place, memory) }
    }
}

impl Drop for GpuReader {
    /// Waits for the stream, since an unfinished copy may still write to the memory.
    fn drop(&mut self) {
        if !self.context.is_forked() {
            let _ = self.stream.synchronise();
        }
    }
}
