use std::cell::RefCell;

use super::super::functions::fake;
use super::super::{NV_ENC_ERR_OUT_OF_MEMORY, NV_ENC_ERR_UNSUPPORTED_DEVICE, NV_ENC_SUCCESS};
use super::*;

/// A driver that keeps the API version where the real one does: in the process, here in the thread of a test.
#[derive(Default)]
struct World {
    max_supported: (u32, u32),
    api_of_the_process: u32,
    /// How often another client still comes between our instance and our session, with API 11.0.
    intruders: u32,
    /// What opening answers once the version is right, and the handle that it leaves.
    open: (u32, usize),
    create_answer: u32,
    without: &'static str,
    calls: Vec<&'static str>,
    destroyed: Vec<usize>,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

fn set(world: World) {
    WORLD.set(world);
}

fn look<T>(at: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(at)
}

unsafe extern "system" fn max_supported(word: *mut u32) -> u32 {
    let (code, answer) = look(|world| world.max_supported);
    // SAFETY: the caller passes a pointer to a live number.
    unsafe { word.write(answer) };
    code
}

unsafe extern "system" fn create_instance(list: *mut NV_ENCODE_API_FUNCTION_LIST) -> u32 {
    // SAFETY: the caller passes a pointer to a live list.
    let list = unsafe { &mut *list };
    look(|world| {
        world.calls.push("create");
        world.api_of_the_process = list.version & 0xff00_00ff & !0x7000_0000;
        if world.intruders > 0 {
            world.intruders -= 1;
            world.api_of_the_process = ApiVersion::V11_0.word();
        }
        let mut filled = fake::list_without(world.without);
        filled.version = list.version;
        if world.without != "nvEncOpenEncodeSessionEx" {
            filled.nvEncOpenEncodeSessionEx = Some(open_session);
        }
        if world.without != "nvEncDestroyEncoder" {
            filled.nvEncDestroyEncoder = Some(destroy);
        }
        *list = filled;
        world.create_answer
    })
}

unsafe extern "system" fn open_session(
    params: *mut NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS,
    encoder: *mut NV_ENC_ENCODER_PTR,
) -> u32 {
    // SAFETY: the caller passes a pointer to a live struct.
    let params = unsafe { &*params };
    let (code, handle) = look(|world| {
        world.calls.push("open");
        let spoken = world.api_of_the_process;
        let words_agree = ApiVersion::ALL.into_iter().any(|api| {
            api.word() == spoken && params.version == api.words().NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS
        });
        if !words_agree || params.apiVersion != spoken { (15, 0) } else { world.open }
    });
    // SAFETY: the caller passes a pointer to a live handle.
    unsafe { encoder.write(std::ptr::without_provenance_mut(handle)) };
    code
}

unsafe extern "system" fn destroy(encoder: NV_ENC_ENCODER_PTR) -> u32 {
    look(|world| {
        world.calls.push("destroy");
        world.destroyed.push(encoder.addr());
    });
    20
}

fn driver() -> EncodeLibrary {
    let entry_points = EntryPoints {
        NvEncodeAPIGetMaxSupportedVersion: max_supported,
        NvEncodeAPICreateInstance: create_instance,
    };
    // SAFETY: the functions above write what they are documented to write.
    unsafe { EncodeLibrary::from_entry_points(entry_points) }
}

fn open(api: ApiVersion) -> Result<usize, OpenError> {
    // SAFETY: the driver above does not look at the context.
    let session = unsafe { driver().open_session(api, std::ptr::null_mut()) }?;
    assert_eq!(session.api, api);
    Ok(session.encoder.addr().get())
}

fn calls() -> Vec<&'static str> {
    look(|world| world.calls.clone())
}

#[test]
fn a_session_opens_with_the_words_of_its_version() {
    for api in ApiVersion::ALL {
        set(World { open: (0, 0x5e55), ..World::default() });
        assert_eq!(open(api), Ok(0x5e55));
        assert_eq!(calls(), ["create", "open"]);
        assert_eq!(look(|world| world.api_of_the_process), api.word());
    }
}

#[test]
fn another_client_of_the_process_with_another_version_costs_one_retry() {
    set(World { intruders: 1, open: (0, 0x5e55), ..World::default() });
    assert_eq!(open(ApiVersion::V12_1), Ok(0x5e55));
    assert_eq!(calls(), ["create", "open", "create", "open"]);

    set(World { intruders: 2, open: (0, 0x5e55), ..World::default() });
    assert_eq!(open(ApiVersion::V12_1), Err(OpenError::Refused(NV_ENC_ERR_INVALID_VERSION)));
    assert_eq!(calls(), ["create", "open", "create", "open"]);

    set(World { api_of_the_process: ApiVersion::V11_0.word(), open: (0, 0x5e55), ..World::default() });
    assert_eq!(open(ApiVersion::V12_0), Ok(0x5e55));
    assert_eq!(calls(), ["create", "open"]);
}

#[test]
fn a_refusal_is_passed_on_with_its_code_known_or_not() {
    for code in [2, 10, 21, 27, 999, u32::MAX] {
        set(World { open: (code, 0), ..World::default() });
        assert_eq!(open(ApiVersion::V11_1), Err(OpenError::Refused(NVENCSTATUS(code))));
        assert_eq!(calls(), ["create", "open"], "no retry and nothing to destroy");
    }
}

#[test]
fn a_session_left_behind_by_a_refusal_is_destroyed_and_only_then() {
    set(World { open: (NV_ENC_ERR_OUT_OF_MEMORY.0, 0x1ef7), ..World::default() });
    assert_eq!(open(ApiVersion::V12_1), Err(OpenError::Refused(NV_ENC_ERR_OUT_OF_MEMORY)));
    assert_eq!(look(|world| world.destroyed.clone()), [0x1ef7]);

    set(World { open: (NV_ENC_ERR_UNSUPPORTED_DEVICE.0, 0), ..World::default() });
    assert!(open(ApiVersion::V12_1).is_err());
    assert_eq!(calls(), ["create", "open"]);
}

#[test]
fn success_without_a_session_is_an_error() {
    set(World { open: (NV_ENC_SUCCESS.0, 0), ..World::default() });
    assert_eq!(open(ApiVersion::V12_1), Err(OpenError::NoHandle));
}

#[test]
fn an_instance_that_is_refused_or_not_complete_opens_nothing() {
    set(World { create_answer: 4711, ..World::default() });
    assert_eq!(open(ApiVersion::V12_1), Err(OpenError::NoInstance(NVENCSTATUS(4711))));
    assert_eq!(calls(), ["create"]);

    for name in ["nvEncDestroyEncoder", "nvEncOpenEncodeSessionEx", "nvEncEncodePicture"] {
        set(World { without: name, open: (0, 1), ..World::default() });
        let missing = MissingFunction { name };
        assert_eq!(open(ApiVersion::V12_1), Err(OpenError::MissingFunction(missing)));
        assert_eq!(calls(), ["create"]);
    }
}

#[test]
fn the_version_is_negotiated_and_a_refusal_is_a_value() {
    let negotiate = |code, word| {
        set(World { max_supported: (code, word), ..World::default() });
        driver().negotiate()
    };
    assert_eq!(negotiate(0, 0xb1), Ok(ApiVersion::V11_1));
    assert_eq!(negotiate(0, 0xd0), Ok(ApiVersion::V12_1));
    assert!(matches!(negotiate(0, 0xa0), Err(NegotiateError::TooOld(_))));
    assert_eq!(negotiate(12345, 0xc1), Err(NegotiateError::Refused(NVENCSTATUS(12345))));
}

#[test]
fn two_threads_open_one_after_the_other_and_wait_for_it_so_long() {
    let held = lock_api_version(PATIENCE).expect("nobody holds it for long");
    let (done, waiting) = std::sync::mpsc::channel();
    let opener = thread::spawn(move || {
        set(World { open: (0, 0x5e55), ..World::default() });
        let opened = open(ApiVersion::V12_1);
        done.send(()).expect("the test waits");
        opened
    });
    let early = waiting.recv_timeout(Duration::from_millis(50));
    assert!(early.is_err(), "a session was opened although the lock is held");
    let little = Duration::from_millis(20);
    // SAFETY: the driver above does not look at the context.
    let hurried = unsafe { driver().open_session_within(little, ApiVersion::V12_1, std::ptr::null_mut()) };
    assert!(matches!(hurried, Err(OpenError::Occupied(limit)) if limit == little));
    drop(held);
    assert_eq!(opener.join().expect("no panic"), Ok(0x5e55));
}

#[test]
fn entry_points_are_found_by_name_and_the_missing_one_is_named() {
    let nowhere = |_: &'static CStr| Err(LoaderMessage("not here".to_owned()));
    let (missing, said) = EntryPoints::find(nowhere).expect_err("nothing resolves");
    assert_eq!((missing, said.0.as_str()), ("NvEncodeAPIGetMaxSupportedVersion", "not here"));

    let half = |name: &'static CStr| match name.to_bytes() {
        b"NvEncodeAPICreateInstance" => Err(LoaderMessage("not here".to_owned())),
        _ => NonNull::new(max_supported as *mut c_void).ok_or(LoaderMessage(String::new())),
    };
    let (missing, _) = EntryPoints::find(half).expect_err("one does not resolve");
    assert_eq!(missing, "NvEncodeAPICreateInstance");
}
