//! Pictures in device memory on the driver double, made with the crate cudarc.
#![expect(unsafe_code, reason = "device memory is made and written through raw addresses, as a caller would")]

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaStream, result, sys};
use direct264::frame::{CudaImage, Pixels, RgbOrder};
use direct264::{AccessUnit, Encoder, Error, Frame, FrameSize, Picture, PixelFormat, Timestamp};

/// A GPU, and a stream of the caller's own that no other call waits for by accident.
#[derive(Debug)]
pub struct Device {
    pub context: Arc<CudaContext>,
    pub stream: Arc<CudaStream>,
}

impl Device {
    pub fn new() -> Self {
        Self::on(0)
    }

    /// Opens the GPU at this place in CUDA's order.
    pub fn on(index: usize) -> Self {
        let context = CudaContext::new(index).unwrap();
        let stream = context.new_stream().unwrap();
        Self { context, stream }
    }

    /// Allocates memory that a session can register.
    pub fn memory(&self, bytes: usize) -> Memory {
        self.context.bind_to_thread().unwrap();
        // SAFETY: a picture is written to the memory before it is read.
        let address = unsafe { result::malloc_sync(bytes) }.unwrap();
        Memory { context: Arc::clone(&self.context), address, bytes }
    }

    /// Starts to write rows, `pitch` bytes apart. The source must live until the stream was waited for.
    pub fn write_rows(&self, address: u64, pitch: usize, rows: &[u8], row_bytes: usize) {
        self.context.bind_to_thread().unwrap();
        let copy = sys::CUDA_MEMCPY2D {
            srcXInBytes: 0,
            srcY: 0,
            srcMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_HOST,
            srcHost: rows.as_ptr().cast(),
            srcDevice: 0,
            srcArray: std::ptr::null_mut(),
            srcPitch: row_bytes,
            dstXInBytes: 0,
            dstY: 0,
            dstMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_DEVICE,
            dstHost: std::ptr::null_mut(),
            dstArray: std::ptr::null_mut(),
            dstDevice: address,
            dstPitch: pitch,
            WidthInBytes: row_bytes,
            Height: rows.len() / row_bytes,
        };
        // SAFETY: the tests write within memory of theirs.
        unsafe { sys::cuMemcpy2DAsync_v2(&raw const copy, self.stream.cu_stream()) }.result().unwrap();
    }
}

/// Device memory of the test.
#[derive(Debug)]
pub struct Memory {
    context: Arc<CudaContext>,
    pub address: u64,
    pub bytes: usize,
}

impl Drop for Memory {
    fn drop(&mut self) {
        let bound = self.context.bind_to_thread();
        if !std::thread::panicking() {
            bound.unwrap();
        }
        // SAFETY: made in `Device::memory`, and freed only here.
        let freed = unsafe { result::free_sync(self.address) };
        // A failing test must not end in an abort that hides its reason.
        if !std::thread::panicking() {
            freed.unwrap();
        }
    }
}

/// Converts an I420 picture to NV12 without padding.
pub fn nv12(size: FrameSize, i420: &[u8]) -> Vec<u8> {
    let (luma, chroma) = i420.split_at((size.width() * size.height()) as usize);
    let (u, v) = chroma.split_at(chroma.len() / 2);
    luma.iter().copied().chain(u.iter().zip(v).flat_map(|(&u, &v)| [u, v])).collect()
}

/// A picture whose pixels are only in device memory.
#[derive(Debug)]
pub struct DevicePicture {
    pub memory: Memory,
    pub image: CudaImage,
    pub size: FrameSize,
}

impl DevicePicture {
    /// Allocates one piece of memory for a picture in rows `pitch` bytes apart.
    pub fn new(device: &Device, size: FrameSize, format: PixelFormat, pitch: usize) -> Self {
        let rows = size.height() as usize;
        let stream = device.stream.cu_stream().addr();
        let (rows, make): (_, fn(u64, usize) -> CudaImage) = match format {
            PixelFormat::Nv12 => (rows + rows.div_ceil(2), CudaImage::nv12),
            PixelFormat::Rgb(RgbOrder::Rgba) => (rows, CudaImage::rgba),
            PixelFormat::Rgb(RgbOrder::Bgra) => (rows, CudaImage::bgra),
            other => panic!("{other:?} is nothing for a GPU"),
        };
        let memory = device.memory(pitch * rows);
        let image = make(memory.address, pitch).written_on(stream);
        Self { memory, image, size }
    }

    /// Allocates memory for a picture, and waits until the picture is written.
    pub fn written(
        device: &Device,
        size: FrameSize,
        format: PixelFormat,
        pitch: usize,
        pixels: &[u8],
    ) -> Self {
        let place = Self::new(device, size, format, pitch);
        place.write(device, pixels);
        device.stream.synchronize().unwrap();
        place
    }

    /// Starts to write the picture.
    pub fn write(&self, device: &Device, pixels: &[u8]) {
        let (address, pitch) = (self.image.address(), self.image.pitch_bytes());
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        if let PixelFormat::Rgb(order) = self.image.format() {
            return device.write_rows(address, pitch, pixels, order.bytes_per_pixel() * width);
        }
        let (luma, chroma) = pixels.split_at(width * height);
        device.write_rows(address, pitch, luma, width);
        let chroma_row = 2 * self.size.chroma().0 as usize;
        device.write_rows(address + (pitch * height) as u64, pitch, chroma, chroma_row);
    }

    pub fn frame(&self, number: i64) -> Frame<'_> {
        frame(self.size, self.image, number)
    }
}

/// Makes a frame of an image whose memory the test keeps for long enough.
pub fn frame<'a>(size: FrameSize, image: CudaImage, number: i64) -> Frame<'a> {
    // SAFETY: the tests keep memory and stream alive, and write only before they encode.
    unsafe { Frame::cuda(size, image, Timestamp(number)) }.unwrap()
}

/// An encoder that takes I420 pictures in host memory, possibly through device memory first, so that one test
/// covers both ways.
#[derive(Debug)]
pub struct Fed {
    encoder: Box<dyn Encoder>,
    /// The device memory on the way.
    device: Option<(Device, Vec<DevicePicture>)>,
}

impl Fed {
    pub fn from_host(encoder: Box<dyn Encoder>) -> Self {
        Self { encoder, device: None }
    }

    pub fn from_device(encoder: Box<dyn Encoder>) -> Self {
        Self { encoder, device: Some((Device::new(), Vec::new())) }
    }

    pub fn encode(&mut self, host: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error> {
        let Some((device, places)) = &mut self.device else { return self.encoder.encode(host, picture) };
        let size = host.size();
        let Pixels::I420 { y, u, v } = host.pixels() else { panic!("the tests encode I420") };
        assert_eq!(y.stride_bytes(), size.width() as usize, "the tests encode contiguous pictures");
        if !places.iter().any(|place| place.size == size) {
            let pitch = (size.width() as usize).next_multiple_of(256);
            places.push(DevicePicture::new(device, size, PixelFormat::Nv12, pitch));
        }
        let place = places.iter().find(|place| place.size == size).unwrap();
        place.write(device, &nv12(size, &[y, u, v].map(|plane| plane.bytes().unwrap()).concat()));
        device.stream.synchronize().unwrap();
        self.encoder.encode(&frame(size, place.image, host.timestamp().0), picture)
    }
}

/// An encoder, or one with device memory in front of it.
pub trait Takes {
    fn take(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error>;
    fn frame_size(&self) -> FrameSize;
}

impl<E: Encoder + ?Sized> Takes for E {
    fn take(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error> {
        self.encode(frame, picture)
    }

    fn frame_size(&self) -> FrameSize {
        self.size()
    }
}

impl Takes for Fed {
    fn take(&mut self, frame: &Frame<'_>, picture: Picture) -> Result<AccessUnit<'_>, Error> {
        self.encode(frame, picture)
    }

    fn frame_size(&self) -> FrameSize {
        self.size()
    }
}

impl Deref for Fed {
    type Target = dyn Encoder;

    fn deref(&self) -> &Self::Target {
        &*self.encoder
    }
}

impl DerefMut for Fed {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.encoder
    }
}
