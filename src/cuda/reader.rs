//! Pictures in device memory for an encoder on the CPU, which a driver that hangs does not hold up.

mod fetcher;
mod thread;

use std::sync::Weak;

use super::download::frame_in;
use super::memory::PinnedMemory;
use crate::config::CallForm;
use crate::error::FrameError;
use crate::frame::{CudaImage, Frame};
use crate::remains::Remains;
use crate::units::{FrameSize, Timestamp};
use fetcher::Fetcher;
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
