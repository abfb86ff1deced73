//! Frames whose pixels lie in host memory, in device memory, or in both by turns.

use direct264::{Frame, FrameSize, PixelFormat, Timestamp};

use super::device::{self, Device, DevicePicture};

/// The memory of the frames' pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    Host,
    Device,
    /// Host and device by turns; device frames are copied there first.
    Both,
}

/// Memory for the pictures of a stream. Each device picture has its own memory, which lives as long as this, so that
/// none is written while it may be read.
#[derive(Debug)]
pub struct Places {
    pixels: Where,
    pub on_device: Vec<DevicePicture>,
    /// The device, dropped after its pictures.
    device: Option<Device>,
}

impl Places {
    pub fn new(pixels: Where) -> Self {
        let device = (pixels != Where::Host).then(Device::new);
        Self { pixels, on_device: Vec::new(), device }
    }

    /// Puts picture `number` of a stream into its memory, and calls `act` with the frame.
    pub fn with_frame<T>(
        &mut self,
        (size, i420): (FrameSize, &[u8]),
        number: usize,
        timestamp: Timestamp,
        act: impl FnOnce(&Frame<'_>) -> T,
    ) -> T {
        let is_on_device = self.pixels == Where::Device || (self.pixels == Where::Both && number % 2 == 1);
        let Some(device) = self.device.as_ref().filter(|_| is_on_device) else {
            return act(&Frame::contiguous(size, PixelFormat::I420, i420, timestamp).unwrap());
        };
        let place = DevicePicture::new(device, size, PixelFormat::Nv12, 512);
        place.write(device, &device::nv12(size, i420));
        let image = if self.pixels == Where::Both { place.image.freed_soon() } else { place.image };
        let done = act(&device::frame(size, image, timestamp.0));
        device.stream.synchronize().unwrap();
        self.on_device.push(place);
        done
    }
}

/// Whether a call in the trace is the library's. A test that makes pictures on the GPU also makes calls of its own.
pub fn is_ours(function: &str, pixels: Where) -> bool {
    const OURS: [&str; 5] = [
        "cuEventRecord",
        "cuStreamWaitEvent",
        "cuPointerGetAttributes",
        "cuMemcpyHtoDAsync",
        "cuCtxPopCurrent",
    ];
    pixels == Where::Host || function.starts_with("nvEnc") || OURS.contains(&function)
}
