//! The functions of the interface, and the list that hands them out.

use d264_double_common::Function;
use d264_double_common::pointer::Out;

use crate::bitstream::lock_output;
use crate::driver::{broke, settings};
use crate::gate::{Spoiled, call, session_call, shared_call, text_call};
use crate::guid::{self, Guid};
use crate::layout::{Struct, api_of};
use crate::session::{self, INSTANCE, Session, lock};
use crate::status::{
    INVALID_CALL, INVALID_PARAM, INVALID_PTR, INVALID_VERSION, UNIMPLEMENTED, UNSUPPORTED_PARAM,
};
use crate::view::{Address, View, view_of};
use crate::{caps, pixels, preset};

/// `NvEncodeAPIGetMaxSupportedVersion`.
#[unsafe(no_mangle)]
extern "C" fn NvEncodeAPIGetMaxSupportedVersion(version: Out<u32>) -> u32 {
    call(Function::NvEncodeAPIGetMaxSupportedVersion, || {
        let (major, minor) = settings().api;
        give(version, major << 4 | minor)
    })
}

/// `NvEncodeAPICreateInstance`. As measured: any API version passes, and the last one decides for the process.
#[unsafe(no_mangle)]
extern "C" fn NvEncodeAPICreateInstance(list: Address) -> u32 {
    call(Function::NvEncodeAPICreateInstance, || {
        if list == 0 {
            return Err(INVALID_PTR);
        }
        let list = view_of(list);
        let word = list.u32(0);
        *lock(&INSTANCE) = Some(api_of(word));
        if word >> 28 & 7 != 7 {
            return Err(INVALID_VERSION);
        }
        let settings = settings();
        for (slot, function) in functions(settings.api).into_iter().enumerate() {
            list.set_u64(8 + slot * 8, function as u64);
        }
        for name in &settings.without {
            match CAN_BE_LEFT_OUT.iter().find(|(known, _)| known == name) {
                Some((_, slot)) => list.set_u64(8 + slot * 8, 0),
                None => {
                    broke(Function::NvEncodeAPICreateInstance, 0, "the double cannot leave that out");
                }
            }
        }
        Ok(())
    })
}

/// Functions that can be told to be missing, and their slots.
const CAN_BE_LEFT_OUT: [(&str, usize); 6] = [
    ("nvEncEncodePicture", 16),
    ("nvEncGetSequenceParams", 22),
    ("nvEncRegisterAsyncEvent", 23),
    ("nvEncInvalidateRefFrames", 28),
    ("nvEncGetLastErrorString", 37),
    ("nvEncSetIOCudaStreams", 38),
];

/// Every slot that a driver of this API version knows, in order.
fn functions(api: (u32, u32)) -> Vec<usize> {
    macro_rules! addresses {
        ($($function:ident)*) => { vec![$($function as *const () as usize),*] };
    }
    let mut all = addresses! {
        open_session get_guid_count get_profile_count get_profiles get_guids get_format_count get_formats get_caps
        get_preset_count get_presets get_preset_config initialise create_input destroy_input create_bitstream
        destroy_bitstream encode_picture lock_bitstream unlock_bitstream lock_input unlock_input get_stats
        get_headers register_event unregister_event map unmap destroy_encoder invalidate open_session_ex register
        unregister reconfigure reserved create_mv destroy_mv estimate_motion last_error set_streams
        get_preset_config_ex get_headers_ex
    };
    if api >= (12, 1) {
        all.extend(addresses! { restore_state lookahead });
    }
    all
}

fn give<T>(out: Out<T>, value: T) -> Result<(), u32> {
    if out.set(value) { Ok(()) } else { Err(INVALID_PTR) }
}

fn give_list<T: Copy>(values: &[T], list: Out<T>, room: u32, count: Out<u32>) -> Result<(), u32> {
    if list.is_null() || count.is_null() {
        return Err(INVALID_PTR);
    }
    let taken = values.len().min(room as usize);
    list.set_many(values, taken);
    give(count, u32::try_from(taken).unwrap_or(0))
}

fn codecs() -> Vec<Guid> {
    let of = |name: &String| match name.as_str() {
        "h264" => Some(guid::H264),
        "hevc" => Some(guid::HEVC),
        _ => None,
    };
    settings().codecs.iter().filter_map(of).collect()
}

fn require_codec(codec: Guid) -> Result<(), u32> {
    if codec == guid::H264 && codecs().contains(&codec) { Ok(()) } else { Err(INVALID_PARAM) }
}

extern "C" fn open_session(_device: u64, _kind: u32, _encoder: Address) -> u32 {
    call(Function::nvEncOpenEncodeSession, || Err(INVALID_CALL))
}

extern "C" fn open_session_ex(parameters: Address, encoder: Address) -> u32 {
    call(Function::nvEncOpenEncodeSessionEx, || session::open(parameters, encoder))
}

extern "C" fn get_guid_count(encoder: u64, count: Out<u32>) -> u32 {
    session_call(Function::nvEncGetEncodeGUIDCount, encoder, |_| {
        give(count, u32::try_from(codecs().len()).unwrap_or(0))
    })
}

extern "C" fn get_guids(encoder: u64, list: Out<Guid>, room: u32, count: Out<u32>) -> u32 {
    session_call(Function::nvEncGetEncodeGUIDs, encoder, |_| give_list(&codecs(), list, room, count))
}

extern "C" fn get_profile_count(encoder: u64, codec: Guid, count: Out<u32>) -> u32 {
    session_call(Function::nvEncGetEncodeProfileGUIDCount, encoder, |_| {
        require_codec(codec)?;
        give(count, u32::try_from(guid::PROFILES.len()).unwrap_or(0))
    })
}

extern "C" fn get_profiles(encoder: u64, codec: Guid, list: Out<Guid>, room: u32, count: Out<u32>) -> u32 {
    session_call(Function::nvEncGetEncodeProfileGUIDs, encoder, |_| {
        require_codec(codec)?;
        give_list(&guid::PROFILES, list, room, count)
    })
}

extern "C" fn get_format_count(encoder: u64, codec: Guid, count: Out<u32>) -> u32 {
    session_call(Function::nvEncGetInputFormatCount, encoder, |_| {
        require_codec(codec)?;
        give(count, u32::try_from(pixels::FORMATS.len()).unwrap_or(0))
    })
}

extern "C" fn get_formats(encoder: u64, codec: Guid, list: Out<u32>, room: u32, count: Out<u32>) -> u32 {
    session_call(Function::nvEncGetInputFormats, encoder, |_| {
        require_codec(codec)?;
        give_list(&pixels::FORMATS, list, room, count)
    })
}

extern "C" fn get_caps(encoder: u64, codec: Guid, parameters: Address, value: Out<i32>) -> u32 {
    const FUNCTION: Function = Function::nvEncGetEncodeCaps;
    session_call(FUNCTION, encoder, |session| {
        require_codec(codec)?;
        let view = session.view(parameters, Struct::Caps, FUNCTION)?;
        let number = view.u32(4) as usize;
        let known = caps::value(&settings(), number, session.version).ok_or_else(|| {
            broke(FUNCTION, INVALID_PARAM, &format!("capability {number} is not in this API version"))
        })?;
        give(value, known)
    })
}

/// The presets in the driver's list: P1 to P7, and the older ones.
fn presets() -> Vec<Guid> {
    [&guid::PRESETS[..], &guid::OLD_PRESETS[..]].concat()
}

extern "C" fn get_preset_count(encoder: u64, codec: Guid, count: Out<u32>) -> u32 {
    session_call(Function::nvEncGetEncodePresetCount, encoder, |_| {
        require_codec(codec)?;
        give(count, u32::try_from(presets().len()).unwrap_or(0))
    })
}

extern "C" fn get_presets(encoder: u64, codec: Guid, list: Out<Guid>, room: u32, count: Out<u32>) -> u32 {
    session_call(Function::nvEncGetEncodePresetGUIDs, encoder, |_| {
        require_codec(codec)?;
        give_list(&presets(), list, room, count)
    })
}

extern "C" fn get_preset_config(encoder: u64, codec: Guid, preset: Guid, to: Address) -> u32 {
    const FUNCTION: Function = Function::nvEncGetEncodePresetConfig;
    session_call(FUNCTION, encoder, |session| {
        if guid::PRESETS.contains(&preset) {
            return Err(broke(FUNCTION, UNSUPPORTED_PARAM, "P1 to P7 are asked for without a tuning"));
        }
        if !guid::OLD_PRESETS.contains(&preset) {
            return Err(UNSUPPORTED_PARAM);
        }
        fill_preset(session, codec, preset, preset::old_tuning(preset), to, FUNCTION).map(drop)
    })
}

fn fill_preset(
    session: &Session,
    codec: Guid,
    preset: Guid,
    tuning: u32,
    to: Address,
    function: Function,
) -> Result<View, u32> {
    require_codec(codec)?;
    let view = session.view(to, Struct::PresetConfig, function)?;
    let config = view.part(8);
    if config.u32(0) != Struct::Config.word(session.version) {
        return Err(broke(function, INVALID_VERSION, "presetCfg carries the wrong version word"));
    }
    preset::fill(config, preset, tuning, session.version);
    Ok(config)
}

extern "C" fn get_preset_config_ex(encoder: u64, codec: Guid, preset: Guid, tuning: u32, to: Address) -> u32 {
    const FUNCTION: Function = Function::nvEncGetEncodePresetConfigEx;
    session_call(FUNCTION, encoder, |session| {
        if !guid::PRESETS.contains(&preset) || !(1..=4).contains(&tuning) {
            return Err(UNSUPPORTED_PARAM);
        }
        let config = fill_preset(session, codec, preset, tuning, to, FUNCTION)?;
        // As drivers do, with the word of a version that is not the client's.
        config.set_u32(0, Struct::Config.word(usize::from(session.version == 0)));
        Ok(())
    })
}

/// Functions that take one struct, or one handle.
macro_rules! of_session {
    ($($name:ident as $function:ident($argument:ident: $kind:ty) = $method:ident;)*) => {
        $(
            extern "C" fn $name(encoder: u64, $argument: $kind) -> u32 {
                session_call(Function::$function, encoder, |session| Session::$method(session, $argument))
            }
        )*
    };
}

of_session! {
    initialise as nvEncInitializeEncoder(parameters: Address) = initialise;
    reconfigure as nvEncReconfigureEncoder(parameters: Address) = reconfigure;
    create_input as nvEncCreateInputBuffer(parameters: Address) = create_input;
    destroy_input as nvEncDestroyInputBuffer(handle: u64) = destroy_input;
    lock_input as nvEncLockInputBuffer(parameters: Address) = lock_input;
    unlock_input as nvEncUnlockInputBuffer(handle: u64) = unlock_input;
    create_bitstream as nvEncCreateBitstreamBuffer(parameters: Address) = create_bitstream;
    destroy_bitstream as nvEncDestroyBitstreamBuffer(handle: u64) = destroy_bitstream;
    unlock_bitstream as nvEncUnlockBitstream(handle: u64) = unlock_output;
    register as nvEncRegisterResource(parameters: Address) = register;
    unregister as nvEncUnregisterResource(handle: u64) = unregister;
    map as nvEncMapInputResource(parameters: Address) = map;
    unmap as nvEncUnmapInputResource(handle: u64) = unmap;
    register_event as nvEncRegisterAsyncEvent(parameters: Address) = register_event;
    unregister_event as nvEncUnregisterAsyncEvent(parameters: Address) = unregister_event;
    invalidate as nvEncInvalidateRefFrames(timestamp: u64) = invalidate;
    get_headers as nvEncGetSequenceParams(parameters: Address) = sequence_headers;
}

extern "C" fn encode_picture(encoder: u64, parameters: Address) -> u32 {
    shared_call(Function::nvEncEncodePicture, encoder, |session, spoiled| {
        let mut session = lock(session);
        session.events.are_silent = spoiled == Spoiled::Silent;
        session.submit(parameters)
    })
}

extern "C" fn lock_bitstream(encoder: u64, parameters: Address) -> u32 {
    shared_call(Function::nvEncLockBitstream, encoder, |session, spoiled| {
        lock_output(session, parameters, spoiled)
    })
}

extern "C" fn set_streams(encoder: u64, input: Address, output: Address) -> u32 {
    session_call(Function::nvEncSetIOCudaStreams, encoder, |session| session.set_streams(input, output))
}

extern "C" fn destroy_encoder(encoder: u64) -> u32 {
    shared_call(Function::nvEncDestroyEncoder, encoder, |session, _| {
        lock(session).check_end();
        session::close(encoder);
        Ok(())
    })
}

extern "C" fn last_error(encoder: u64) -> usize {
    text_call(Function::nvEncGetLastErrorString, || {
        session::find(encoder)
            .map_or(c"EncodeAPI Internal Error.".as_ptr() as usize, |session| lock(&session).last_error())
    })
}

/// Functions of the interface that no client of this project calls: each answers `NV_ENC_ERR_UNIMPLEMENTED`.
macro_rules! answer_unimplemented {
    ($($name:ident as $function:ident;)*) => {
        $(
            extern "C" fn $name(encoder: u64) -> u32 {
                session_call(Function::$function, encoder, |_| Err(UNIMPLEMENTED))
            }
        )*
    };
}

answer_unimplemented! {
    get_stats as nvEncGetEncodeStats;
    get_headers_ex as nvEncGetSequenceParamEx;
    create_mv as nvEncCreateMVBuffer;
    destroy_mv as nvEncDestroyMVBuffer;
    estimate_motion as nvEncRunMotionEstimationOnly;
    restore_state as nvEncRestoreEncoderState;
    lookahead as nvEncLookaheadPicture;
    reserved as nvEncGetEncodeStats;
}
