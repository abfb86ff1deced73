//! The function list that the driver fills in, and the same functions sorted into required and optional.

use std::ffi::{c_char, c_void};
use std::fmt;

use super::version::ApiVersion;
use super::{
    GUID, NV_ENC_CAPS_PARAM, NV_ENC_CREATE_BITSTREAM_BUFFER, NV_ENC_CREATE_INPUT_BUFFER, NV_ENC_CUSTREAM_PTR,
    NV_ENC_ENCODER_PTR, NV_ENC_EVENT_PARAMS, NV_ENC_INITIALIZE_PARAMS, NV_ENC_INPUT_PTR,
    NV_ENC_LOCK_BITSTREAM, NV_ENC_LOCK_INPUT_BUFFER, NV_ENC_MAP_INPUT_RESOURCE,
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS, NV_ENC_OUTPUT_PTR, NV_ENC_PIC_PARAMS, NV_ENC_PRESET_CONFIG,
    NV_ENC_RECONFIGURE_PARAMS, NV_ENC_REGISTER_RESOURCE, NV_ENC_REGISTERED_PTR,
    NV_ENC_SEQUENCE_PARAM_PAYLOAD, NV_ENC_STAT,
};
use crate::structs::{Unused, driver_struct};

/// A required function whose slot in the list is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingFunction {
    /// The function's name in the list.
    pub name: &'static str,
}

impl fmt::Display for MissingFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the encode library has no function {}", self.name)
    }
}

impl std::error::Error for MissingFunction {}

/// Declares the functions that this crate uses: the C name, the type of the function, and the slot of the
/// list. A field of [`EncodeFunctions`] is the function itself where it is required, and an `Option` where it is
/// optional.
macro_rules! functions {
    (
        required {$(
            $(#[$about:meta])*
            $name:ident($($argument:ident: $type:ty),*) -> $result:ty as $alias:ident;
        )+}
        optional {$(
            $(#[$optional_about:meta])*
            $optional:ident($($optional_argument:ident: $optional_type:ty),*)
                -> $optional_result:ty as $optional_alias:ident;
        )+}
    ) => {
        $(
            #[doc = concat!("The type of `", stringify!($name), "`.")]
            pub type $alias = unsafe extern "system" fn($($argument: $type),*) -> $result;
        )+
        $(
            #[doc = concat!("The type of `", stringify!($optional), "`.")]
            pub type $optional_alias =
                unsafe extern "system" fn($($optional_argument: $optional_type),*) -> $optional_result;
        )+

        /// The functions of one driver, sorted into required and optional.
        ///
        /// Each function is `unsafe` to call. NVIDIA's documentation of NvEncodeAPI states its contract; in
        /// particular, the driver dereferences the session handle without a check. A function that returns
        /// `u32` returns a [`super::NVENCSTATUS`].
        #[derive(Debug, Clone, Copy)]
        #[non_exhaustive]
        pub struct EncodeFunctions {
            $($(#[$about])* pub $name: $alias,)+
            $($(#[$optional_about])* pub $optional: Option<$optional_alias>,)+
        }

        impl EncodeFunctions {
            /// Takes the functions out of a list that the driver has filled in.
            ///
            /// # Errors
            ///
            /// [`MissingFunction`] for the first required slot that is null.
            pub const fn from_list(list: &NV_ENCODE_API_FUNCTION_LIST) -> Result<Self, MissingFunction> {
                Ok(Self {
                    $($name: match list.$name {
                        Some(function) => function,
                        None => return Err(MissingFunction { name: stringify!($name) }),
                    },)+
                    $($optional: list.$optional,)+
                })
            }
        }

        /// A driver whose functions all give the same answer.
        #[cfg(test)]
        pub(crate) mod fake {
            use super::*;
            use crate::fake::FakeAnswer;

            $(pub(crate) unsafe extern "system" fn $name($(_: $type),*) -> $result { FakeAnswer::given() })+
            $(
                pub(crate) unsafe extern "system" fn $optional($(_: $optional_type),*) -> $optional_result {
                    FakeAnswer::given()
                }
            )+

            /// The names of the required slots, and then of the optional ones.
            pub(crate) const REQUIRED: &[&str] = &[$(stringify!($name),)+];

            /// A list with every slot filled but the one of this name.
            pub(crate) fn list_without(name: &str) -> NV_ENCODE_API_FUNCTION_LIST {
                let mut list = NV_ENCODE_API_FUNCTION_LIST::zeroed();
                $(list.$name = (name != stringify!($name)).then_some($name as $alias);)+
                $(list.$optional =
                    (name != stringify!($optional)).then_some($optional as $optional_alias);)+
                list
            }

            /// Calls each function once with zeros for arguments, and returns the names with the answers.
            pub(crate) fn call_each(functions: &EncodeFunctions) -> Vec<(&'static str, u64)> {
                vec![
                    $((stringify!($name), {
                        // SAFETY: the function is the fake above, which ignores its arguments; zeros are
                        // valid for every argument type here.
                        unsafe { (functions.$name)($(std::mem::zeroed::<$type>()),*) }.widened()
                    }),)+
                    $((stringify!($optional), functions.$optional.map_or(u64::MAX, |function| {
                        // SAFETY: as above.
                        unsafe { function($(std::mem::zeroed::<$optional_type>()),*) }.widened()
                    })),)+
                ]
            }
        }
    };
}

functions! {
    required {
        /// Opens a session. Call it through [`super::EncodeLibrary::open_session`].
        nvEncOpenEncodeSessionEx(
            params: *mut NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS,
            encoder: *mut NV_ENC_ENCODER_PTR
        ) -> u32 as PNVENCOPENENCODESESSIONEX;
        /// The number of codecs that the GPU encodes.
        nvEncGetEncodeGUIDCount(
            encoder: NV_ENC_ENCODER_PTR,
            count: *mut u32
        ) -> u32 as PNVENCGETENCODEGUIDCOUNT;
        /// The codecs that the GPU encodes.
        nvEncGetEncodeGUIDs(
            encoder: NV_ENC_ENCODER_PTR,
            guids: *mut GUID,
            size: u32,
            count: *mut u32
        ) -> u32 as PNVENCGETENCODEGUIDS;
        /// One capability of the GPU for one codec.
        nvEncGetEncodeCaps(
            encoder: NV_ENC_ENCODER_PTR,
            codec: GUID,
            params: *mut NV_ENC_CAPS_PARAM,
            value: *mut i32
        ) -> u32 as PNVENCGETENCODECAPS;
        /// The configuration that a preset and a tuning stand for.
        nvEncGetEncodePresetConfigEx(
            encoder: NV_ENC_ENCODER_PTR,
            codec: GUID,
            preset: GUID,
            tuning: u32,
            config: *mut NV_ENC_PRESET_CONFIG
        ) -> u32 as PNVENCGETENCODEPRESETCONFIGEX;
        /// Initialises the session.
        nvEncInitializeEncoder(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_INITIALIZE_PARAMS
        ) -> u32 as PNVENCINITIALIZEENCODER;
        /// Changes the session.
        nvEncReconfigureEncoder(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_RECONFIGURE_PARAMS
        ) -> u32 as PNVENCRECONFIGUREENCODER;
        /// Makes an output buffer.
        nvEncCreateBitstreamBuffer(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_CREATE_BITSTREAM_BUFFER
        ) -> u32 as PNVENCCREATEBITSTREAMBUFFER;
        /// Frees an output buffer.
        nvEncDestroyBitstreamBuffer(
            encoder: NV_ENC_ENCODER_PTR,
            buffer: NV_ENC_OUTPUT_PTR
        ) -> u32 as PNVENCDESTROYBITSTREAMBUFFER;
        /// Registers memory of the caller.
        nvEncRegisterResource(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_REGISTER_RESOURCE
        ) -> u32 as PNVENCREGISTERRESOURCE;
        /// Unregisters memory of the caller.
        nvEncUnregisterResource(
            encoder: NV_ENC_ENCODER_PTR,
            registration: NV_ENC_REGISTERED_PTR
        ) -> u32 as PNVENCUNREGISTERRESOURCE;
        /// Makes registered memory an input.
        nvEncMapInputResource(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_MAP_INPUT_RESOURCE
        ) -> u32 as PNVENCMAPINPUTRESOURCE;
        /// Gives registered memory back.
        nvEncUnmapInputResource(
            encoder: NV_ENC_ENCODER_PTR,
            input: NV_ENC_INPUT_PTR
        ) -> u32 as PNVENCUNMAPINPUTRESOURCE;
        /// Encodes a picture.
        nvEncEncodePicture(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_PIC_PARAMS
        ) -> u32 as PNVENCENCODEPICTURE;
        /// Waits for an access unit.
        nvEncLockBitstream(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_LOCK_BITSTREAM
        ) -> u32 as PNVENCLOCKBITSTREAM;
        /// Gives an access unit back.
        nvEncUnlockBitstream(
            encoder: NV_ENC_ENCODER_PTR,
            buffer: NV_ENC_OUTPUT_PTR
        ) -> u32 as PNVENCUNLOCKBITSTREAM;
        /// Closes the session.
        nvEncDestroyEncoder(encoder: NV_ENC_ENCODER_PTR) -> u32 as PNVENCDESTROYENCODER;
    }
    optional {
        /// The number of profiles that the GPU encodes.
        nvEncGetEncodeProfileGUIDCount(
            encoder: NV_ENC_ENCODER_PTR,
            codec: GUID,
            count: *mut u32
        ) -> u32 as PNVENCGETENCODEPROFILEGUIDCOUNT;
        /// The profiles that the GPU encodes.
        nvEncGetEncodeProfileGUIDs(
            encoder: NV_ENC_ENCODER_PTR,
            codec: GUID,
            guids: *mut GUID,
            size: u32,
            count: *mut u32
        ) -> u32 as PNVENCGETENCODEPROFILEGUIDS;
        /// The number of input formats that the GPU takes.
        nvEncGetInputFormatCount(
            encoder: NV_ENC_ENCODER_PTR,
            codec: GUID,
            count: *mut u32
        ) -> u32 as PNVENCGETINPUTFORMATCOUNT;
        /// The input formats that the GPU takes.
        nvEncGetInputFormats(
            encoder: NV_ENC_ENCODER_PTR,
            codec: GUID,
            formats: *mut u32,
            size: u32,
            count: *mut u32
        ) -> u32 as PNVENCGETINPUTFORMATS;
        /// The number of presets that the driver has.
        nvEncGetEncodePresetCount(
            encoder: NV_ENC_ENCODER_PTR,
            codec: GUID,
            count: *mut u32
        ) -> u32 as PNVENCGETENCODEPRESETCOUNT;
        /// The presets that the driver has.
        nvEncGetEncodePresetGUIDs(
            encoder: NV_ENC_ENCODER_PTR,
            codec: GUID,
            guids: *mut GUID,
            size: u32,
            count: *mut u32
        ) -> u32 as PNVENCGETENCODEPRESETGUIDS;
        /// Makes an input buffer.
        nvEncCreateInputBuffer(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_CREATE_INPUT_BUFFER
        ) -> u32 as PNVENCCREATEINPUTBUFFER;
        /// Frees an input buffer.
        nvEncDestroyInputBuffer(
            encoder: NV_ENC_ENCODER_PTR,
            buffer: NV_ENC_INPUT_PTR
        ) -> u32 as PNVENCDESTROYINPUTBUFFER;
        /// Gives access to an input buffer.
        nvEncLockInputBuffer(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_LOCK_INPUT_BUFFER
        ) -> u32 as PNVENCLOCKINPUTBUFFER;
        /// Gives an input buffer back.
        nvEncUnlockInputBuffer(
            encoder: NV_ENC_ENCODER_PTR,
            buffer: NV_ENC_INPUT_PTR
        ) -> u32 as PNVENCUNLOCKINPUTBUFFER;
        /// Statistics of a picture.
        nvEncGetEncodeStats(
            encoder: NV_ENC_ENCODER_PTR,
            stats: *mut NV_ENC_STAT
        ) -> u32 as PNVENCGETENCODESTATS;
        /// SPS and PPS of the session.
        nvEncGetSequenceParams(
            encoder: NV_ENC_ENCODER_PTR,
            payload: *mut NV_ENC_SEQUENCE_PARAM_PAYLOAD
        ) -> u32 as PNVENCGETSEQUENCEPARAMS;
        /// Makes an event signal the end of pictures, in asynchronous mode.
        nvEncRegisterAsyncEvent(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_EVENT_PARAMS
        ) -> u32 as PNVENCREGISTERASYNCEVENT;
        /// Takes an event back.
        nvEncUnregisterAsyncEvent(
            encoder: NV_ENC_ENCODER_PTR,
            params: *mut NV_ENC_EVENT_PARAMS
        ) -> u32 as PNVENCUNREGISTERASYNCEVENT;
        /// Invalidates a reference, named by its `inputTimeStamp`: no later picture is predicted from it.
        nvEncInvalidateRefFrames(
            encoder: NV_ENC_ENCODER_PTR,
            timestamp: u64
        ) -> u32 as PNVENCINVALIDATEREFFRAMES;
        /// The driver's last error in words; null on drivers before API 10.0. Without a session it says
        /// nothing of use.
        nvEncGetLastErrorString(encoder: NV_ENC_ENCODER_PTR) -> *const c_char as PNVENCGETLASTERROR;
        /// The CUDA streams that input and output are ordered on. Since API 10.0.
        nvEncSetIOCudaStreams(
            encoder: NV_ENC_ENCODER_PTR,
            input: NV_ENC_CUSTREAM_PTR,
            output: NV_ENC_CUSTREAM_PTR
        ) -> u32 as PNVENCSETIOCUDASTREAMS;
    }
}

driver_struct! {
    /// The list that `NvEncodeAPICreateInstance` fills in. A driver writes every slot that it knows, whatever
    /// API version it is asked for, and leaves the others as they were: so the list is made of zeros, and of
    /// the greatest size that any version has. The zeros are `None`.
    NV_ENCODE_API_FUNCTION_LIST: 2552 bytes {
        /// The struct word.
        0 named pub version: u32,
        4 unused _reserved: Unused<u32>,
        8 unused _nvEncOpenEncodeSession: Unused<*mut c_void>,
        /// See [`EncodeFunctions`], as for every slot.
        16 named pub nvEncGetEncodeGUIDCount: Option<PNVENCGETENCODEGUIDCOUNT>,
        /// See [`EncodeFunctions`].
        24 named pub nvEncGetEncodeProfileGUIDCount: Option<PNVENCGETENCODEPROFILEGUIDCOUNT>,
        /// See [`EncodeFunctions`].
        32 named pub nvEncGetEncodeProfileGUIDs: Option<PNVENCGETENCODEPROFILEGUIDS>,
        /// See [`EncodeFunctions`].
        40 named pub nvEncGetEncodeGUIDs: Option<PNVENCGETENCODEGUIDS>,
        /// See [`EncodeFunctions`].
        48 named pub nvEncGetInputFormatCount: Option<PNVENCGETINPUTFORMATCOUNT>,
        /// See [`EncodeFunctions`].
        56 named pub nvEncGetInputFormats: Option<PNVENCGETINPUTFORMATS>,
        /// See [`EncodeFunctions`].
        64 named pub nvEncGetEncodeCaps: Option<PNVENCGETENCODECAPS>,
        /// See [`EncodeFunctions`].
        72 named pub nvEncGetEncodePresetCount: Option<PNVENCGETENCODEPRESETCOUNT>,
        /// See [`EncodeFunctions`].
        80 named pub nvEncGetEncodePresetGUIDs: Option<PNVENCGETENCODEPRESETGUIDS>,
        88 unused _nvEncGetEncodePresetConfig: Unused<*mut c_void>,
        /// See [`EncodeFunctions`].
        96 named pub nvEncInitializeEncoder: Option<PNVENCINITIALIZEENCODER>,
        /// See [`EncodeFunctions`].
        104 named pub nvEncCreateInputBuffer: Option<PNVENCCREATEINPUTBUFFER>,
        /// See [`EncodeFunctions`].
        112 named pub nvEncDestroyInputBuffer: Option<PNVENCDESTROYINPUTBUFFER>,
        /// See [`EncodeFunctions`].
        120 named pub nvEncCreateBitstreamBuffer: Option<PNVENCCREATEBITSTREAMBUFFER>,
        /// See [`EncodeFunctions`].
        128 named pub nvEncDestroyBitstreamBuffer: Option<PNVENCDESTROYBITSTREAMBUFFER>,
        /// See [`EncodeFunctions`].
        136 named pub nvEncEncodePicture: Option<PNVENCENCODEPICTURE>,
        /// See [`EncodeFunctions`].
        144 named pub nvEncLockBitstream: Option<PNVENCLOCKBITSTREAM>,
        /// See [`EncodeFunctions`].
        152 named pub nvEncUnlockBitstream: Option<PNVENCUNLOCKBITSTREAM>,
        /// See [`EncodeFunctions`].
        160 named pub nvEncLockInputBuffer: Option<PNVENCLOCKINPUTBUFFER>,
        /// See [`EncodeFunctions`].
        168 named pub nvEncUnlockInputBuffer: Option<PNVENCUNLOCKINPUTBUFFER>,
        /// See [`EncodeFunctions`].
        176 named pub nvEncGetEncodeStats: Option<PNVENCGETENCODESTATS>,
        /// See [`EncodeFunctions`].
        184 named pub nvEncGetSequenceParams: Option<PNVENCGETSEQUENCEPARAMS>,
        /// See [`EncodeFunctions`].
        192 named pub nvEncRegisterAsyncEvent: Option<PNVENCREGISTERASYNCEVENT>,
        /// See [`EncodeFunctions`].
        200 named pub nvEncUnregisterAsyncEvent: Option<PNVENCUNREGISTERASYNCEVENT>,
        /// See [`EncodeFunctions`].
        208 named pub nvEncMapInputResource: Option<PNVENCMAPINPUTRESOURCE>,
        /// See [`EncodeFunctions`].
        216 named pub nvEncUnmapInputResource: Option<PNVENCUNMAPINPUTRESOURCE>,
        /// See [`EncodeFunctions`].
        224 named pub nvEncDestroyEncoder: Option<PNVENCDESTROYENCODER>,
        /// See [`EncodeFunctions`].
        232 named pub nvEncInvalidateRefFrames: Option<PNVENCINVALIDATEREFFRAMES>,
        /// See [`EncodeFunctions`].
        240 named pub nvEncOpenEncodeSessionEx: Option<PNVENCOPENENCODESESSIONEX>,
        /// See [`EncodeFunctions`].
        248 named pub nvEncRegisterResource: Option<PNVENCREGISTERRESOURCE>,
        /// See [`EncodeFunctions`].
        256 named pub nvEncUnregisterResource: Option<PNVENCUNREGISTERRESOURCE>,
        /// See [`EncodeFunctions`].
        264 named pub nvEncReconfigureEncoder: Option<PNVENCRECONFIGUREENCODER>,
        272 unused _reserved1: Unused<*mut c_void>,
        280 unused _nvEncCreateMVBuffer: Unused<*mut c_void>,
        288 unused _nvEncDestroyMVBuffer: Unused<*mut c_void>,
        296 unused _nvEncRunMotionEstimationOnly: Unused<*mut c_void>,
        /// See [`EncodeFunctions`].
        304 named pub nvEncGetLastErrorString: Option<PNVENCGETLASTERROR>,
        /// See [`EncodeFunctions`].
        312 named pub nvEncSetIOCudaStreams: Option<PNVENCSETIOCUDASTREAMS>,
        /// See [`EncodeFunctions`].
        320 named pub nvEncGetEncodePresetConfigEx: Option<PNVENCGETENCODEPRESETCONFIGEX>,
        328 unused _nvEncGetSequenceParamEx: Unused<*mut c_void>,
        336 unused _nvEncRestoreEncoderState: Unused<*mut c_void>,
        344 unused _nvEncLookaheadPicture: Unused<*mut c_void>,
        352 unused _reserved2: Unused<[*mut c_void; 275]>,
    }
}

super::versioned! { NV_ENCODE_API_FUNCTION_LIST, }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn every_function_hands_on_codes_that_no_table_knows() {
        let functions = EncodeFunctions::from_list(&super::fake::list_without("")).expect("a full list");
        for code in [0, 1, 27, 999, 0x8000_0000, u32::MAX] {
            let answers = fake::with_answer(code, || super::fake::call_each(&functions));
            assert_eq!(answers.len(), 34);
            for (name, answer) in answers {
                let expected = if name == "nvEncGetLastErrorString" { 0 } else { u64::from(code) };
                assert_eq!(answer, expected, "{name}");
            }
        }
    }

    #[test]
    fn a_list_without_a_required_function_is_refused_by_its_name() {
        for &name in super::fake::REQUIRED {
            let refused = EncodeFunctions::from_list(&super::fake::list_without(name));
            assert_eq!(refused.err(), Some(MissingFunction { name }));
        }
        let empty = NV_ENCODE_API_FUNCTION_LIST::versioned(ApiVersion::V11_0);
        assert!(EncodeFunctions::from_list(&empty).is_err());
    }

    #[test]
    fn a_list_without_an_optional_function_says_so_in_its_option() {
        let list = super::fake::list_without("nvEncSetIOCudaStreams");
        let functions = EncodeFunctions::from_list(&list).expect("it is optional");
        assert!(functions.nvEncSetIOCudaStreams.is_none());
        assert!(functions.nvEncGetLastErrorString.is_some());
    }
}
