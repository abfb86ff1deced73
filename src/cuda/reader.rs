//! Reads pictures in device memory for an encoder on the CPU, with a limit on a driver that hangs.

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

/// Reads pictures from the memory of any GPU. Its objects are made with the first picture.
#[derive(Debug)]
pub(crate) struct Reader {
    form: CallForm,
    hands: Option<Hands>,
    /// The memory of the last picture.
    memory: Option<PinnedMemory>,
    /// The remains of a call that passed its limit, and its error.
    left: Option<(Remains, FrameError)>,
}

/// The thread that makes the calls.
#[derive(Debug)]
enum Hands {
    Caller(Fetcher),
    Thread(ReaderThread),
}

impl Reader {
    pub(crate) const fn new(form: CallForm) -> Self {
        Self { form, hands: None, memory: None, left: None }
    }

    /// Returns the picture in host memory.
    ///
    /// # Errors
    /// [`FrameError`] for a picture that does not exist, cannot be read, or is not read within the limit.
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

    /// Refuses pictures while a call hangs: each further call would cost another thread and the limit.
    fn refuse_while_one_hangs(&mut self) -> Result<(), FrameError> {
        match &self.left {
            Some((left, error)) if left.strong_count() > 0 => Err(error.clone()),
            _ => {
                self.left = None;
                Ok(())
            }
        }
    }

    /// The remains of a call that may still read a picture, dead once it cannot.
    pub(crate) fn remains(&self) -> Remains {
        self.left.as_ref().map_or_else(|| Weak::<()>::new() as Remains, |(left, _)| left.clone())
    }
}

impl Drop for Reader {
    /// The thread that made the memory frees it.
    fn drop(&mut self) {
        if let Some(Hands::Thread(thread)) = self.hands.take() {
            thread.close(self.memory.take());
        }
    }
}
