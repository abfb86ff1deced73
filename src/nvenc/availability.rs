//! Maps NVENC failures to the closed set of reasons.

use direct264_sys::DriverLoadError;
use direct264_sys::cuda::{CUDA_ERROR_NOT_INITIALIZED, InitError};
use direct264_sys::nvenc::{
    NV_ENC_ERR_DEVICE_NOT_EXIST, NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY, NV_ENC_ERR_INVALID_PARAM,
    NV_ENC_ERR_INVALID_VERSION, NV_ENC_ERR_MAP_FAILED, NV_ENC_ERR_NO_ENCODE_DEVICE, NV_ENC_ERR_OUT_OF_MEMORY,
    NV_ENC_ERR_RESOURCE_REGISTER_FAILED, NV_ENC_ERR_UNIMPLEMENTED, NV_ENC_ERR_UNSUPPORTED_DEVICE,
    NV_ENC_ERR_UNSUPPORTED_PARAM, NVENCSTATUS, NegotiateError, OpenError,
};

use crate::backend::Backend;
use crate::error::{DriverError, Error, Unavailable};
use crate::reason::Reason;

fn because(reason: Reason, detail: impl Into<String>) -> Unavailable {
    Unavailable::new(Backend::Nvenc, reason, detail)
}

/// The finding that `libcuda` did not load.
pub(super) fn cuda_not_loaded(error: &DriverLoadError) -> Unavailable {
    not_loaded(error, Reason::NoDriver)
}

/// The finding that `libnvidia-encode` did not load, while `libcuda` did.
pub(super) fn encode_library_not_loaded(error: &DriverLoadError, is_jetson: bool) -> Unavailable {
    const ON_A_JETSON: &str =
        "Jetsons before Thor have no NVENC library, only an encoder behind V4L2: take openh264 there";
    not_loaded(error, Reason::NoVideoCapability).advising(is_jetson.then_some(ON_A_JETSON))
}

fn not_loaded(error: &DriverLoadError, missing_library: Reason) -> Unavailable {
    match error.symbol() {
        Some(symbol) => because(Reason::MissingSymbol, format!("{} lacks {symbol}", error.library())),
        None => because(missing_library, error.said().to_string()),
    }
}

/// The finding that `cuInit` was refused, or ran in another process. Any status means that CUDA is unavailable here.
pub(super) fn not_initialised(error: InitError) -> Unavailable {
    match error {
        InitError::Refused(CUDA_ERROR_NOT_INITIALIZED) => {
            because(Reason::Forked, format!("cuInit: {CUDA_ERROR_NOT_INITIALIZED}"))
                .advising(CUDA_ERROR_NOT_INITIALIZED.advice())
        }
        InitError::Refused(status) => {
            because(Reason::NoGpu, format!("cuInit: {status}")).advising(status.advice())
        }
        forked => because(Reason::Forked, forked.to_string()),
    }
}

/// The error of a driver and a crate that share no API version.
pub(super) fn not_negotiated(error: NegotiateError) -> Error {
    match error {
        NegotiateError::TooOld(versions) => because(Reason::DriverTooOld, versions.to_string()).into(),
        NegotiateError::Refused(status) => refused("NvEncodeAPIGetMaxSupportedVersion", status),
        _ => because(Reason::DriverError, error.to_string()).into(),
    }
}

/// The error of a session that did not open. `hidden` tells whether GPUs are hidden from this process, and is asked
/// where that can be the cause.
pub(super) fn not_opened(error: OpenError, hidden: impl FnOnce() -> Option<String>) -> Error {
    const OPEN: &str = "nvEncOpenEncodeSessionEx";
    match error {
        OpenError::MissingFunction(missing) => because(Reason::MissingSymbol, missing.to_string()).into(),
        OpenError::NoInstance(status) => refused("NvEncodeAPICreateInstance", status),
        OpenError::Refused(status) => {
            let told = |reason| because(reason, format!("{OPEN}: {status}")).advising(status.advice());
            match status {
                NV_ENC_ERR_NO_ENCODE_DEVICE => told(Reason::NoEncoderOnGpu).into(),
                NV_ENC_ERR_UNSUPPORTED_DEVICE => match hidden() {
                    Some(hidden) => because(Reason::GpusHidden, format!("{OPEN}: {status}; {hidden}")).into(),
                    None => told(Reason::NoEncoderOnGpu).into(),
                },
                NV_ENC_ERR_OUT_OF_MEMORY | NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY => {
                    told(Reason::SessionLimit).into()
                }
                _ => refused(OPEN, status),
            }
        }
        OpenError::Occupied(limit) => {
            because(Reason::TimedOut, format!("{error}; the limit is {} ms", limit.as_millis())).into()
        }
        _ => DriverError::unusable(Backend::Nvenc, OPEN, "no session").into(),
    }
}

fn refused(call: &'static str, status: NVENCSTATUS) -> Error {
    let refused = DriverError::refused(Backend::Nvenc, call, status.0, status.to_string());
    refused.advising(advice(call, status)).into()
}

/// Advice for a call that was refused with a status, where there is more to say than for the reason. What the status
/// tells a programmer of the driver's API is no advice for a user of this crate.
pub(super) fn advice(call: &'static str, status: NVENCSTATUS) -> Option<&'static str> {
    const OF_SETTINGS: &str =
        "leave out the setting that the driver names; `direct264 probe --json` lists what the GPU can do";
    const OF_LOCK: &str =
        "the picture is lost with its session: open another one; look for GPU errors (Xid) in the kernel log";
    const OF_DEVICE: &str = "the GPU has gone: look for GPU errors (Xid) in the kernel log";
    match (call, status) {
        (_, NV_ENC_ERR_OUT_OF_MEMORY) => None,
        (_, NV_ENC_ERR_DEVICE_NOT_EXIST) => Some(OF_DEVICE),
        ("nvEncLockBitstream", _) => Some(OF_LOCK),
        (
            "nvEncInitializeEncoder" | "nvEncReconfigureEncoder",
            NV_ENC_ERR_INVALID_PARAM | NV_ENC_ERR_UNSUPPORTED_PARAM | NV_ENC_ERR_UNIMPLEMENTED,
        ) => Some(OF_SETTINGS),
        (_, NV_ENC_ERR_INVALID_VERSION | NV_ENC_ERR_MAP_FAILED | NV_ENC_ERR_RESOURCE_REGISTER_FAILED) => {
            status.advice()
        }
        _ => None,
    }
}

/// The error of a session that opened, and then refused a call on the way to the first picture.
///
/// A known reason makes it [`Error::Unavailable`]; any other error stays [`Error::Driver`].
pub(super) fn not_ready(error: impl Into<Error>) -> Error {
    match error.into() {
        Error::Driver(why) if why.reason != Reason::DriverError => {
            let detail = why.clause().to_string();
            Unavailable::after(&why, detail).into()
        }
        other => other,
    }
}

/// The same error as an [`Unavailable`] in any case.
#[must_use]
pub(super) fn as_unavailable(error: &Error) -> Unavailable {
    error.passes_over(Backend::Nvenc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use direct264_sys::cuda::{CUDA_ERROR_NO_DEVICE, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH};
    use direct264_sys::nvenc::{ApiVersion, DriverApi, NV_ENC_ERR_GENERIC};
    use direct264_sys::{DriverLibrary, LoaderMessage};

    fn library(library: DriverLibrary, said: &str) -> DriverLoadError {
        DriverLoadError::Library { library, said: LoaderMessage(said.to_owned()) }
    }

    fn opened(error: OpenError) -> Reason {
        as_unavailable(&not_opened(error, || None)).reason
    }

    #[test]
    fn a_library_that_is_missing_is_told_by_which_one_it_is() {
        let cuda = library(DriverLibrary::Cuda, "libcuda.so.1: cannot open shared object file");
        assert_eq!(cuda_not_loaded(&cuda).reason, Reason::NoDriver);
        let nvcuvid = library(DriverLibrary::NvEncode, "libnvcuvid.so.1: cannot open shared object file");
        let why = encode_library_not_loaded(&nvcuvid, false);
        assert_eq!(
            (why.reason, why.advice()),
            (Reason::NoVideoCapability, Reason::NoVideoCapability.advice())
        );
        let on_a_jetson = encode_library_not_loaded(&nvcuvid, true).advice();
        assert!(on_a_jetson.contains("Jetson") && !on_a_jetson.contains("container"), "{on_a_jetson}");
        assert!(why.detail.contains("libnvcuvid.so.1"), "{why}");
    }

    #[test]
    fn a_symbol_that_is_missing_is_named_with_its_library() {
        let said = LoaderMessage("undefined symbol".to_owned());
        let error = DriverLoadError::Symbol { library: DriverLibrary::Cuda, symbol: "cuMemHostAlloc", said };
        let why = cuda_not_loaded(&error);
        assert_eq!(why.reason, Reason::MissingSymbol);
        assert!(why.detail.contains("cuMemHostAlloc") && why.detail.contains("cuda"), "{why}");
    }

    #[test]
    fn any_refusal_of_cuinit_means_no_gpu_but_the_one_of_a_fork() {
        for status in [CUDA_ERROR_NO_DEVICE, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH] {
            let why = not_initialised(InitError::Refused(status));
            assert_eq!(why.reason, Reason::NoGpu);
            assert!(why.detail.contains(&status.0.to_string()), "{why}");
            assert_eq!(Some(why.advice()), status.advice());
        }
        assert_eq!(not_initialised(InitError::Refused(CUDA_ERROR_NOT_INITIALIZED)).reason, Reason::Forked);
        assert_eq!(not_initialised(InitError::Forked { initialised_in: 1 }).reason, Reason::Forked);
    }

    #[test]
    fn a_driver_that_is_too_old_is_told_with_both_versions_and_the_driver_to_install() {
        let too_old = ApiVersion::negotiate(DriverApi { major: 10, minor: 0 }).unwrap_err();
        let why = as_unavailable(&not_negotiated(NegotiateError::TooOld(too_old)));
        assert_eq!(why.reason, Reason::DriverTooOld);
        for part in ["10.0", "11.0", ApiVersion::OLDEST.oldest_driver()] {
            assert!(why.detail.contains(part), "{why}");
        }
    }

    #[test]
    fn an_unsupported_gpu_may_be_one_whose_neighbours_are_hidden() {
        let hidden = || Some("driver 570 knows 2 GPUs, and this process sees 1".to_owned());
        let why = as_unavailable(&not_opened(OpenError::Refused(NV_ENC_ERR_UNSUPPORTED_DEVICE), hidden));
        assert_eq!((why.reason, why.advice()), (Reason::GpusHidden, Reason::GpusHidden.advice()));
        assert!(why.detail.contains("nvEncOpenEncodeSessionEx") && why.detail.contains("2 GPUs"), "{why}");
        let taken = NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY;
        assert_eq!(
            as_unavailable(&not_opened(OpenError::Refused(taken), hidden)).reason,
            Reason::SessionLimit
        );
    }

    #[test]
    fn advice_is_for_the_call_that_was_refused() {
        let lock = |status| advice("nvEncLockBitstream", status).unwrap();
        assert!(lock(NV_ENC_ERR_INVALID_PARAM).contains("open another one"));
        assert_eq!(lock(NV_ENC_ERR_INVALID_PARAM), lock(NV_ENC_ERR_GENERIC));
        // That of the reason holds, which says nothing about session limits.
        assert_eq!(advice("nvEncEncodePicture", NV_ENC_ERR_OUT_OF_MEMORY), None);
        assert_eq!(advice("nvEncLockBitstream", NV_ENC_ERR_OUT_OF_MEMORY), None);
        assert!(advice("nvEncInitializeEncoder", NV_ENC_ERR_INVALID_PARAM).unwrap().contains("probe"));
        assert_eq!(advice("nvEncGetEncodeCaps", NV_ENC_ERR_INVALID_PARAM), None);
        assert_eq!(advice("nvEncEncodePicture", NVENCSTATUS(4711)), None);
    }

    #[test]
    fn a_refused_session_is_told_by_its_status() {
        for status in [NV_ENC_ERR_NO_ENCODE_DEVICE, NV_ENC_ERR_UNSUPPORTED_DEVICE] {
            assert_eq!(opened(OpenError::Refused(status)), Reason::NoEncoderOnGpu);
        }
        for status in [NV_ENC_ERR_OUT_OF_MEMORY, NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY] {
            assert_eq!(opened(OpenError::Refused(status)), Reason::SessionLimit);
        }
        for status in [NV_ENC_ERR_INVALID_VERSION, NVENCSTATUS(4711)] {
            match not_opened(OpenError::Refused(status), || None) {
                Error::Driver(why) => assert_eq!(why.status(), Some(i64::from(status.0))),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(opened(OpenError::NoHandle), Reason::DriverError);
    }
}
