//! The crate moq-nvenc: `moq host` or `moq cuda`, as its own examples and tests use it. Buffers are made once, though its
//! user, moq-video, makes them for each frame.

use std::process::ExitCode;

use cudarc::driver::{CudaContext, result};
use moq_nvenc::sys::nvEncodeAPI as sys;
use moq_nvenc::{Bitstream, EncodePictureParams, Encoder, EncoderInitParams, EncoderInput, Session};
use overhead_client::{BITS_PER_SECOND, HEIGHT, PICTURES, Result, WIDTH, host_pictures, run, serve};

fn main() -> ExitCode {
    run(|source| {
        Encoder::load()?;
        let context = CudaContext::new(0)?;
        // It makes no context current by itself.
        context.bind_to_thread()?;
        let encoder = Encoder::initialize_with_cuda(context)?;
        let session = start(encoder)?;
        match source {
            "host" => host(&session),
            "cuda" => cuda(&session),
            _ => Err("no such source".into()),
        }
    })
}

fn start(encoder: Encoder) -> Result<Session> {
    let (codec, preset) = (sys::NV_ENC_CODEC_H264_GUID, sys::NV_ENC_PRESET_P1_GUID);
    let tuning = sys::NV_ENC_TUNING_INFO::NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY;
    let mut config = encoder.get_preset_config(codec, preset, tuning)?.presetCfg;
    config.gopLength = sys::NVENC_INFINITE_GOPLENGTH;
    config.frameIntervalP = 1;
    config.rcParams.rateControlMode = sys::NV_ENC_PARAMS_RC_MODE::NV_ENC_PARAMS_RC_CBR;
    config.rcParams.averageBitRate = BITS_PER_SECOND;
    let mut init = EncoderInitParams::new(codec, WIDTH, HEIGHT);
    init.preset_guid(preset).tuning_info(tuning).framerate(60, 1).enable_picture_type_decision();
    // SAFETY: the configuration of a preset holds no pointers.
    unsafe { init.encode_config(config) };
    Ok(encoder.start_session(sys::NV_ENC_BUFFER_FORMAT::NV_ENC_BUFFER_FORMAT_NV12, init)?)
}

fn host(session: &Session) -> Result<()> {
    let pictures = host_pictures();
    let mut buffers = Some((session.create_input_buffer()?, session.create_output_bitstream()?));
    serve(
        |_| Ok(()),
        |number| {
            let (mut input, output) = buffers.take().ok_or("the buffers are gone")?;
            let mut lock = input.lock()?;
            let (pitch, rows) = (lock.pitch() as usize, (HEIGHT * 3 / 2) as usize);
            // SAFETY: the buffer was made for a picture of this size and format, whose rows are `pitch` bytes apart.
            unsafe { lock.write_rows(0, pitch, &pictures[number % PICTURES], WIDTH as usize, rows) };
            drop(lock);
            let (bytes, input, output) = submit(session, input, output, number)?;
            buffers = Some((input, output));
            Ok(bytes)
        },
    )
}

fn cuda(session: &Session) -> Result<()> {
    let output = session.create_output_bitstream()?;
    let (mut inputs, mut places) = (Vec::new(), Vec::new());
    for _ in 0..PICTURES {
        // SAFETY: what is in it does not matter; it is freed below.
        let place = unsafe { result::malloc_sync((WIDTH * HEIGHT * 3 / 2) as usize) }?;
        let kind = sys::NV_ENC_INPUT_RESOURCE_TYPE::NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR;
        // SAFETY: the memory holds a picture of this size and format, and outlives its registration.
        inputs.push(Some(unsafe { session.register_generic_resource((), kind, place as *mut _, WIDTH) }?));
        places.push(place);
    }
    let mut output = Some(output);
    let done = serve(
        |_| Ok(()),
        |number| {
            let input = inputs[number % PICTURES].take().ok_or("the input is gone")?;
            let (bytes, input, back) =
                submit(session, input, output.take().ok_or("the output is gone")?, number)?;
            (inputs[number % PICTURES], output) = (Some(input), Some(back));
            Ok(bytes)
        },
    );
    drop(inputs);
    for place in places {
        // SAFETY: made above, and no longer registered.
        unsafe { result::free_sync(place) }?;
    }
    done
}

fn submit<I: EncoderInput>(
    session: &Session,
    input: I,
    output: Bitstream,
    number: usize,
) -> Result<(usize, I, Bitstream)> {
    let params = EncodePictureParams { input_timestamp: number as u64, ..Default::default() };
    let (bytes, input, output) = session.encode_picture(input, output, params)?.finish()?;
    Ok((bytes.len(), input, output))
}
