//! Frames in device memory.

use std::time::Instant;

use super::NvencEncoder;
use crate::backend::Backend;
use crate::cuda::{PinnedMemory, frame_in};
use crate::encoder::{AccessUnit, Encoder, Picture, StageTimes};
use crate::error::{Error, Internal, StillInUse};
use crate::event::EventKind;
use crate::frame::CudaImage;
use crate::nvenc::job::Job;
use crate::nvenc::pixels::SurfaceFormat;
use crate::units::Timestamp;

impl NvencEncoder {
    /// Lets go of memory in the session; one that has failed is ended instead.
    pub(super) fn forget(&mut self, address: Option<u64>) -> Result<(), Error> {
        if self.spent.is_some() {
            self.close();
            return Ok(());
        }
        self.settle()?;
        let reply = self.run(Job::Forget { address })?;
        self.end(reply.result)
    }

    /// Whether every session that was left has ended.
    pub(super) fn all_have_ended(&mut self) -> Result<(), Error> {
        self.left.retain(|left| left.strong_count() > 0);
        if self.left.is_empty() {
            return Ok(());
        }
        Err(StillInUse::new(Backend::Nvenc).into())
    }

    pub(super) fn encode_cuda(
        &mut self,
        image: &CudaImage,
        timestamp: Timestamp,
        picture: Picture,
        start: Instant,
    ) -> Result<AccessUnit<'_>, Error> {
        let Some(format) = SurfaceFormat::for_device(image.format(), self.config.colour) else {
            return self.encode_fetched(image, timestamp, picture, start);
        };
        let is_idr = self.kind_of(picture)?;
        let (out, size) = (std::mem::take(&mut self.out), self.size());
        let reply = self.run(Job::EncodeDevice { image: *image, size, format, is_idr, out })?;
        self.out = reply.out;
        self.end(reply.result)?;
        if let Some(error) = reply.refused {
            return Err(error.into());
        }
        if picture == Picture::Idr {
            self.note(EventKind::IdrRequested);
        }
        Ok(self.access_unit(timestamp, StageTimes::default(), start))
    }

    /// Converts on the CPU what the GPU would turn into another colour than was asked for.
    fn encode_fetched(
        &mut self,
        image: &CudaImage,
        timestamp: Timestamp,
        picture: Picture,
        start: Instant,
    ) -> Result<AccessUnit<'_>, Error> {
        let memory = self.fetch(image)?;
        let (fetched, size) = (start.elapsed(), self.size());
        let staged = match frame_in(&memory, image, size, timestamp) {
            Ok(frame) => self.stage(&frame),
            Err(error) => Err(error.into()),
        };
        self.fetched = Some(memory);
        let (slot, staging, mut times) = staged?;
        times.upload += fetched;
        self.encode_staged(slot, staging, timestamp, picture, times, start)
    }

    /// Brings a picture to page-locked memory.
    pub(super) fn fetch(&mut self, image: &CudaImage) -> Result<PinnedMemory, Error> {
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(
                "RGB in device memory is downloaded, converted and uploaded: NVENC itself makes nothing of it but \
                 BT.601 at limited range"
            );
        }
        let (memory, size) = (self.fetched.take(), self.size());
        let reply = self.run(Job::Fetch { image: *image, size, memory })?;
        self.fetched = reply.fetched;
        self.end(reply.result)?;
        if let Some(error) = reply.refused {
            return Err(error.into());
        }
        self.fetched.take().ok_or_else(|| Internal::new("a picture was fetched to no memory").into())
    }
}
