//! Frames of a stream, whose pixels lie in host memory, in device memory, or by turns.

use direct264::{Frame, FrameSize, PixelFormat, Timestamp};

use super::device::{self, Device, DevicePicture};

/// Where the pixels of the frames lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    Host,
    Device,
    /// By turns, and those on the GPU are copied there.
    Both,
}

/// Places for pictures. Those on the GPU have one each, so that none is written while it may be read, and stay until
/// this is dropped.
#[derive(Debug)]
pub struct Places {
    pixels: Where,
    pub on_device: Vec<DevicePicture>,
    /// Behind the pictures in it.
    device: Option<Device>,
}

impl Places {
    pub fn new(pixels: Where) -> Self {
        let device = (pixels != Where::Host).then(Device::new);
        Self { pixels, on_device: Vec::new(), device }
    }

    /// Puts picture `number` of a stream where it belongs, and has something done with it.
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

/// Whether a call of the trace is the library's. Where pictures are made on the GPU, others can be the test's own.
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
