//! direct264's NVENC backend: `ours FORM-SOURCE`, the form `direct` or `bounded`, the source `host`, `lent` or `cuda`.
//! And what a host frame costs in any case: `ours copy`, the rows of a picture into a buffer with a pitch.

use std::process::ExitCode;
use std::time::Duration;

use cudarc::driver::{CudaContext, result};
use direct264::config::{CallForm, CallLimits, NvencConfig};
use direct264::frame::CudaImage;
use direct264::nvenc::{LentFrame, NvencEncoder};
use direct264::{
    Bitrate, Encoder, EncoderConfig, Frame, FrameRate, FrameSize, Picture, PixelFormat, Timestamp,
};
use overhead_client::{BITS_PER_SECOND, HEIGHT, PICTURES, Result, WIDTH, host_pictures, run, serve};

fn main() -> ExitCode {
    run(|what| match what.split_once('-') {
        Some(("direct", source)) => encode(CallForm::Direct, source),
        // The limits are for drivers that hang, not for busy machines.
        Some(("bounded", source)) => {
            let limits = CallLimits::DEFAULT.rest(Duration::from_secs(1));
            encode(CallForm::Bounded(limits), source)
        }
        _ if what == "copy" => copy(),
        _ => Err("FORM-SOURCE, or copy".into()),
    })
}

fn encode(form: CallForm, source: &str) -> Result<()> {
    let size = FrameSize::new(WIDTH, HEIGHT)?;
    let config = EncoderConfig::new(size, FrameRate::hz(60)?, Bitrate::from_bps(BITS_PER_SECOND.into())?)
        .nvenc(NvencConfig::new().form(form));
    let mut encoder = NvencEncoder::new(&config)?;
    let nothing = |_| Ok(());
    match source {
        "host" => {
            let pictures = host_pictures();
            serve(nothing, |number| {
                let pixels = &pictures[number % PICTURES];
                let frame = Frame::contiguous(size, PixelFormat::Nv12, pixels, Timestamp(number as i64))?;
                Ok(encoder.encode(&frame, Picture::Auto)?.bytes.len())
            })
        }
        "lent" => {
            let encoder = std::cell::RefCell::new(encoder);
            let lent = std::cell::Cell::<Option<LentFrame>>::new(None);
            // To lend a frame and to write it is not what is asked about.
            let prepare = |_| {
                lent.set(Some(encoder.borrow_mut().lend(PixelFormat::Nv12)?));
                Ok(())
            };
            serve(prepare, |number| {
                let frame = lent.take().ok_or("no frame was lent")?;
                let timestamp = Timestamp(number as i64);
                Ok(encoder.borrow_mut().encode_lent(frame, timestamp, Picture::Auto)?.bytes.len())
            })
        }
        "cuda" => {
            let context = CudaContext::new(0)?;
            context.bind_to_thread()?;
            let mut places = Vec::new();
            for _ in 0..PICTURES {
                // SAFETY: what is in it does not matter; it is freed below.
                places.push(unsafe { result::malloc_sync((WIDTH * HEIGHT * 3 / 2) as usize) }?);
            }
            let done = serve(nothing, |number| {
                let image = CudaImage::nv12(places[number % PICTURES], WIDTH as usize);
                // SAFETY: the memory is there until the encoder has forgotten it, and nothing writes it.
                let frame = unsafe { Frame::cuda(size, image, Timestamp(number as i64)) }?;
                Ok(encoder.encode(&frame, Picture::Auto)?.bytes.len())
            });
            encoder.forget_cuda(None)?;
            for place in places {
                // SAFETY: made above, and forgotten by the encoder.
                unsafe { result::free_sync(place) }?;
            }
            done
        }
        _ => Err("no such source".into()),
    }
}

fn copy() -> Result<()> {
    const PITCH: usize = 2048;
    let pictures = host_pictures();
    let rows = (HEIGHT * 3 / 2) as usize;
    let mut buffer = vec![1; PITCH * rows];
    serve(
        |_| Ok(()),
        |number| {
            let from = pictures[number % PICTURES].chunks_exact(WIDTH as usize);
            for (from, to) in from.zip(buffer.chunks_exact_mut(PITCH)) {
                to[..from.len()].copy_from_slice(from);
            }
            Ok(std::hint::black_box(&buffer).len())
        },
    )
}
