//! Maps NVENC failures to the closed set of reasons.

use direct264_sys::DriverLoadError;
use direct264_sys::cuda::{CUDA_ERROR_NOT_INITIALIZED, InitError};
use direct264_sys::nvenc::{
    NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY, NV_ENC_ERR_NO_ENCODE_DEVICE, NV_ENC_ERR_OUT_OF_MEMORY,
    NV_ENC_ERR_UNSUPPORTED_DEVICE, NVENCSTATUS, NegotiateError, OpenError,
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
pub(super) fn encode_library_not_loaded(error: &DriverLoadError) -> Unavailable {
    not_loaded(error, Reason::NoVideoCapability)
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

/// The error of a session that did not open.
pub(super) fn not_opened(error: OpenError) -> Error {
    const OPEN: &str = "nvEncOpenEncodeSessionEx";
    match error {
        OpenError::MissingFunction(missing) => because(Reason::MissingSymbol, missing.to_string()).into(),
        OpenError::NoInstance(status) => refused("NvEncodeAPICreateInstance", status),
        OpenError::Refused(status) => {
            let told = |reason| because(reason, format!("{OPEN}: {status}")).advising(status.advice());
            match status {
                NV_ENC_ERR_NO_ENCODE_DEVICE | NV_ENC_ERR_UNSUPPORTED_DEVICE => {
                    told(Reason::NoEncoderOnGpu).into()
                }
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
    DriverError::refused(Backend::Nvenc, call, status.0, status.to_string()).advising(status.advice()).into()
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
    use direct264_sys::nvenc::{ApiVersion, DriverApi, NV_ENC_ERR_INVALID_VERSION};
    use direct264_sys::{DriverLibrary, LoaderMessage};

    fn library(library: DriverLibrary, said: &str) -> DriverLoadError {
        DriverLoadError::Library { library, said: LoaderMessage(said.to_owned()) }
    }

    fn opened(error: OpenError) -> Reason {
        as_unavailable(&not_opened(error)).reason
    }

    #[test]
    fn a_library_that_is_missing_is_told_by_which_one_it_is() {
        let cuda = library(DriverLibrary::Cuda, "libcuda.so.1: cannot open shared object file");
        assert_eq!(cuda_not_loaded(&cuda).reason, Reason::NoDriver);
        let nvcuvid = library(DriverLibrary::NvEncode, "libnvcuvid.so.1: cannot open shared object file");
        let why = encode_library_not_loaded(&nvcuvid);
        assert_eq!(why.reason, Reason::NoVideoCapability);
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
    fn a_refused_session_is_told_by_its_status() {
        for status in [NV_ENC_ERR_NO_ENCODE_DEVICE, NV_ENC_ERR_UNSUPPORTED_DEVICE] {
            assert_eq!(opened(OpenError::Refused(status)), Reason::NoEncoderOnGpu);
        }
        for status in [NV_ENC_ERR_OUT_OF_MEMORY, NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY] {
            assert_eq!(opened(OpenError::Refused(status)), Reason::SessionLimit);
        }
        for status in [NV_ENC_ERR_INVALID_VERSION, NVENCSTATUS(4711)] {
            match not_opened(OpenError::Refused(status)) {
                Error::Driver(why) => assert_eq!(why.status(), Some(i64::from(status.0))),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(opened(OpenError::NoHandle), Reason::DriverError);
    }
}
