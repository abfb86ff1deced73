//! A long stream of frames in device memory whose allocations come and go at random. Frames are read in place, copied
//! on the GPU or downloaded, with pitches, pools and planes of every kind. Memory is freed and allocated again at the
//! same address. Each access unit equals that of the same picture from host memory. No memory is left behind, and the
//! process does not grow.
//!
//! The stream has 2500 frames unless `DIRECT264_CUDA_FRAMES` says otherwise; `DIRECT264_SOAK_SEED` repeats a run. The
//! test is a program of its own, since it measures the memory of the process.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod common;

use common::counting::{Counting, held_bytes};
use common::device::{Device, DevicePicture, Memory, frame, nv12};
use common::soak::{Dice, resident_kb, setting};
use common::{config, picture, size};
use cudarc::driver::{CudaSlice, DevicePtr};
use d264_double::{Double, Stage};
use direct264::colour::{Colour, ColourMatrix, ColourRange};
use direct264::config::{CallForm, NvencConfig};
use direct264::frame::{CudaImage, RgbOrder};
use direct264::nvenc::NvencEncoder;
use direct264::{Encoder, EncoderConfig, FrameId, FrameSize, Picture, PixelFormat, Timestamp};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// So many places live at once, more than a session keeps.
const MOST_PLACES: usize = 40;
/// Frames between one encoder and the next.
const FRAMES_AN_ENCODER: u64 = 600;

/// Memory that a picture lies in. What it holds is freed with it.
enum Place {
    /// In one piece, to be registered.
    Whole(DevicePicture),
    /// Luma here and chroma there.
    Apart { luma: Memory, chroma: Memory, pitch: usize },
    /// Of a stream-ordered pool.
    Pooled(CudaSlice<u8>),
}

impl Place {
    fn image(&self, device: &Device, size: FrameSize) -> CudaImage {
        let stream = device.stream.cu_stream().addr();
        match self {
            Self::Whole(picture) => picture.image,
            Self::Apart { luma, chroma, pitch } => {
                CudaImage::nv12(luma.address, *pitch).chroma_at(chroma.address, *pitch).written_on(stream)
            }
            Self::Pooled(slice) => {
                let (address, _reading) = slice.device_ptr(&device.stream);
                CudaImage::nv12(address, size.width() as usize).written_on(stream)
            }
        }
    }
}

struct Soak {
    dice: Dice,
    device: Device,
    size: FrameSize,
    places: Vec<Place>,
    /// NV12 and BGRA.
    pictures: [Vec<Vec<u8>>; 2],
    made: u64,
    forgotten: u64,
}

impl Soak {
    fn new(seed: u64, size: FrameSize) -> Self {
        let camera = picture::Camera::new(size);
        let planar: Vec<Vec<u8>> = (0..8).map(|number| nv12(size, &camera.i420(number))).collect();
        let bgra = PixelFormat::Rgb(RgbOrder::Bgra).frame_bytes(size);
        let packed =
            planar.iter().map(|pixels| pixels.iter().copied().cycle().take(bgra).collect()).collect();
        Self {
            dice: Dice(seed | 1),
            device: Device::new(),
            size,
            places: Vec::new(),
            pictures: [planar, packed],
            made: 0,
            forgotten: 0,
        }
    }

    fn make_a_place(&mut self) {
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        let place = match self.dice.below(8) {
            0 => {
                let pitch = width + 4 * self.dice.below(40);
                let luma = self.device.memory(pitch * height);
                Place::Apart { luma, chroma: self.device.memory(pitch * height / 2), pitch }
            }
            1 => Place::Pooled(self.device.stream.clone_htod(&self.pictures[0][0]).unwrap()),
            2 => {
                // A pitch that no registration takes.
                let pitch = width + 1 + 4 * self.dice.below(40);
                Place::Whole(DevicePicture::new(&self.device, self.size, PixelFormat::Nv12, pitch))
            }
            3 => {
                let pitch = 4 * width + 4 * self.dice.below(40);
                let format = PixelFormat::Rgb(RgbOrder::Bgra);
                Place::Whole(DevicePicture::new(&self.device, self.size, format, pitch))
            }
            _ => {
                let pitch = width + 4 * self.dice.below(80);
                Place::Whole(DevicePicture::new(&self.device, self.size, PixelFormat::Nv12, pitch))
            }
        };
        self.made += 1;
        self.places.push(place);
    }

    /// Has the encoder let go of a place, or of all of them, and frees it.
    fn forget(&mut self, encoder: &mut dyn Encoder) {
        if self.dice.hits(50) {
            encoder.forget_cuda(None).unwrap();
            self.forgotten += self.places.len() as u64;
            self.places.clear();
        } else if !self.places.is_empty() {
            let at = self.dice.below(self.places.len());
            let place = self.places.swap_remove(at);
            encoder.forget_cuda(Some(place.image(&self.device, self.size).address())).unwrap();
            if let Place::Apart { chroma, .. } = &place {
                encoder.forget_cuda(Some(chroma.address)).unwrap();
            }
            self.forgotten += 1;
        }
    }

    /// One frame at a place of those that there are, against the same one from host memory.
    fn frame(&mut self, encoders: [&mut NvencEncoder; 2], number: u64) {
        let [encoder, reference] = encoders;
        if self.places.is_empty() || (self.places.len() < MOST_PLACES && self.dice.hits(3)) {
            self.make_a_place();
        }
        let at = self.dice.below(self.places.len());
        let of_picture = self.dice.below(8);
        let place = &mut self.places[at];
        let mut format = PixelFormat::Nv12;
        match place {
            Place::Whole(picture) => {
                format = picture.image.format();
                let is_packed = format != PixelFormat::Nv12;
                picture.write(&self.device, &self.pictures[usize::from(is_packed)][of_picture]);
            }
            Place::Apart { luma, chroma, pitch } => {
                let row = self.size.width() as usize;
                let (y, uv) = self.pictures[0][of_picture].split_at(row * self.size.height() as usize);
                self.device.write_rows(luma.address, *pitch, y, row);
                self.device.write_rows(chroma.address, *pitch, uv, row);
            }
            Place::Pooled(slice) => {
                self.device.stream.memcpy_htod(&self.pictures[0][of_picture], slice).unwrap();
            }
        }
        let mut image = place.image(&self.device, self.size);
        if self.dice.hits(6) {
            image = image.freed_soon();
        }
        let kind = if self.dice.hits(200) { Picture::Idr } else { Picture::Auto };
        if number > 4 && self.dice.hits(40) {
            let lost = FrameId(number - 1 - self.dice.below(3) as u64);
            let recoveries = [&mut *encoder, &mut *reference].map(|one| one.invalidate(lost..=lost).unwrap());
            assert_eq!(recoveries[0], recoveries[1]);
        }
        let pixels = &self.pictures[usize::from(format != PixelFormat::Nv12)][of_picture];
        let timestamp = Timestamp(number as i64);
        let host = direct264::Frame::contiguous(self.size, format, pixels, timestamp).unwrap();
        let expected = reference.encode(&host, kind).unwrap();
        let unit = encoder.encode(&frame(self.size, image, number as i64), kind).unwrap();
        assert!(unit.bytes == expected.bytes, "frame {number}, {image:?}");
        if self.dice.hits(4) {
            self.forget(encoder);
        }
    }
}

/// The encoders of one stretch: from device memory, and from the host.
fn open(config: &EncoderConfig) -> [NvencEncoder; 2] {
    [NvencEncoder::new(config).unwrap(), NvencEncoder::new(config).unwrap()]
}

fn run(soak: &mut Soak, config: &[EncoderConfig; 2], frames: u64) {
    let mut done = 0;
    let mut stretch = 0;
    while done < frames {
        let [mut encoder, mut reference] = open(&config[stretch % 2]);
        let length = FRAMES_AN_ENCODER.min(frames - done);
        for number in 0..length {
            soak.frame([&mut encoder, &mut reference], number);
        }
        // Dropped or told to forget first: memory may go either way.
        if stretch % 3 == 0 {
            encoder.forget_cuda(None).unwrap();
        } else {
            drop(encoder);
        }
        soak.places.clear();
        done += length;
        stretch += 1;
    }
}

fn stage() -> Stage {
    let stage = Double::get().load();
    stage.set("CAPS=WIDTH_MIN=16,HEIGHT_MIN=16");
    stage
}

#[test]
fn frames_from_places_that_come_and_go_are_those_of_the_host_and_nothing_is_left_of_them() {
    let frames: u64 = setting("DIRECT264_CUDA_FRAMES", 2_500);
    let seed: u64 = setting("DIRECT264_SOAK_SEED", 264);
    let stage = stage();
    let size = size(64, 48);
    let keeping = NvencConfig::new().reference_frames(std::num::NonZeroU8::new(4).unwrap());
    let bounded = config(size, 30, 300);
    // RGB is read in place for the one colour, and fetched for the other.
    let bt601 = Colour { matrix: ColourMatrix::Bt601, range: ColourRange::Limited };
    let direct = bounded.clone().colour(bt601).nvenc(keeping.form(CallForm::Direct));
    let configs = [bounded, direct];
    let mut soak = Soak::new(seed, size);
    run(&mut soak, &configs, frames * 2 / 5);
    let (early_kb, early_held) = (resident_kb(), held_bytes());
    run(&mut soak, &configs, frames - frames * 2 / 5);
    let (late_kb, late_held) = (resident_kb(), held_bytes());
    println!(
        "seed {seed}: {frames} frames, {} places made, {} forgotten, {early_kb} to {late_kb} kB in all, {early_held} to {late_held} \
         bytes held by what is not the double",
        soak.made, soak.forgotten
    );
    drop(soak);
    let report = stage.report();
    report.assert_clean("a soak with frames in device memory");
    let calls = |name: &str| report.calls(name);
    assert_eq!(calls("nvEncRegisterResource"), calls("nvEncUnregisterResource"));
    // The double keeps a note of each session for its report.
    let noted_kb = frames / FRAMES_AN_ENCODER * 256;
    assert!(late_kb < early_kb + 16_384 + noted_kb, "memory grew from {early_kb} to {late_kb} kB");
    assert!(late_held < early_held + 16_384, "{early_held} to {late_held} bytes");
}
