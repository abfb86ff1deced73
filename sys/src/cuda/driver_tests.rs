use std::cell::{Cell, RefCell};

use super::super::functions::fake;
use super::super::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NO_DEVICE, CUDA_ERROR_UNKNOWN};
use super::*;

thread_local! {
    static INIT: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
    static COUNT: Cell<i32> = const { Cell::new(0) };
    static NAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static FAILING: Cell<(&'static str, u32)> = const { Cell::new(("", 0)) };
}

fn status_of(call: &str) -> u32 {
    let (failing, code) = FAILING.get();
    if failing == call { code } else { 0 }
}

unsafe extern "system" fn init(flags: u32) -> u32 {
    assert_eq!(flags, 0);
    let (answer, calls) = INIT.get();
    INIT.set((answer, calls + 1));
    answer
}

unsafe extern "system" fn device_count(count: *mut i32) -> u32 {
    // SAFETY: the caller passes a pointer to a live number.
    unsafe { count.write(COUNT.get()) };
    status_of("cuDeviceGetCount")
}

unsafe extern "system" fn device_get(device: *mut CUdevice, index: i32) -> u32 {
    // SAFETY: the caller passes a pointer to a live number.
    unsafe { device.write(index + 100) };
    status_of("cuDeviceGet")
}

unsafe extern "system" fn device_name(name: *mut c_char, length: i32, _: CUdevice) -> u32 {
    NAME.with_borrow(|text| {
        let written = text.len().min(length as usize);
        // SAFETY: the caller passes room for `length` bytes.
        unsafe { name.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), written) };
    });
    status_of("cuDeviceGetName")
}

unsafe extern "system" fn uuid(uuid: *mut [u8; 16], device: CUdevice) -> u32 {
    // SAFETY: the caller passes room for 16 bytes.
    unsafe { uuid.write([device as u8; 16]) };
    status_of("cuDeviceGetUuid")
}

unsafe extern "system" fn uuid_v2(uuid: *mut [u8; 16], _: CUdevice) -> u32 {
    // SAFETY: the caller passes room for 16 bytes.
    unsafe { uuid.write([0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8]) };
    status_of("cuDeviceGetUuid_v2")
}

unsafe extern "system" fn device_attribute(value: *mut i32, attribute: i32, _: CUdevice) -> u32 {
    // SAFETY: the caller passes a pointer to a live number.
    unsafe { value.write(attribute) };
    status_of("cuDeviceGetAttribute")
}

unsafe extern "system" fn error_name(status: u32, name: *mut *const c_char) -> u32 {
    let (code, text) = match status {
        100 => (0, c"CUDA_ERROR_NO_DEVICE".as_ptr()),
        // A driver that lies about its success.
        101 => (0, std::ptr::null()),
        _ => (CUDA_ERROR_INVALID_VALUE.0, std::ptr::null()),
    };
    // SAFETY: the caller passes a pointer to a live pointer.
    unsafe { name.write(text) };
    code
}

/// The driver of this thread, without the functions named.
fn driver_without(absent: &'static [&'static str]) -> Driver {
    let resolve = |name: &'static CStr| {
        let text = name.to_str().expect("the names are ASCII");
        if absent.contains(&text) {
            return Err(LoaderMessage("undefined symbol".to_owned()));
        }
        let address = match text {
            "cuInit" => init as *mut c_void,
            "cuDeviceGetCount" => device_count as *mut c_void,
            "cuDeviceGet" => device_get as *mut c_void,
            "cuDeviceGetName" => device_name as *mut c_void,
            "cuDeviceGetUuid" => uuid as *mut c_void,
            "cuDeviceGetUuid_v2" => uuid_v2 as *mut c_void,
            "cuDeviceGetAttribute" => device_attribute as *mut c_void,
            "cuGetErrorName" => error_name as *mut c_void,
            _ => return fake::address(name),
        };
        NonNull::new(address).ok_or_else(|| LoaderMessage(String::new()))
    };
    // SAFETY: the functions above and the fakes have the signatures of the names they stand for.
    unsafe { Driver::from_symbols(resolve) }.expect("a whole driver")
}

#[test]
fn cuda_is_initialised_once_whatever_it_answers() {
    for answer in [0, 100, 999, 4711, u32::MAX] {
        INIT.set((answer, 0));
        let driver = driver_without(&[]);
        for _ in 0..3 {
            assert_eq!(driver.initialise(), CUresult(answer).ok().map_err(InitError::Refused));
        }
        assert_eq!(INIT.get(), (answer, 1));
    }
}

#[test]
fn a_process_forked_after_cuda_was_initialised_is_told_so() {
    INIT.set((0, 0));
    let driver = driver_without(&[]);
    assert_eq!(driver.initialise_in(41), Ok(()));
    assert_eq!(driver.initialise_in(42), Err(InitError::Forked { initialised_in: 41 }));
    assert_eq!(driver.initialise_in(41), Ok(()));
    assert_eq!(INIT.get().1, 1);
    let said = InitError::Forked { initialised_in: 41 }.to_string();
    assert!(said.contains("41"), "{said}");
}

#[test]
fn a_process_forked_after_a_failure_is_told_the_failure() {
    INIT.set((CUDA_ERROR_NO_DEVICE.0, 0));
    let driver = driver_without(&[]);
    for process in [41, 42] {
        assert_eq!(driver.initialise_in(process), Err(InitError::Refused(CUDA_ERROR_NO_DEVICE)));
    }
    assert_eq!(INIT.get().1, 1);
}

/// The devices that a driver without these functions gives.
fn devices_without(absent: &'static [&'static str]) -> Vec<Device> {
    let listed = driver_without(absent).devices().expect("a list");
    listed.into_iter().map(|device| device.expect("a device")).collect()
}

#[test]
fn devices_are_listed_with_index_name_and_uuid() {
    COUNT.set(2);
    NAME.set(b"NVIDIA L4\0left over".to_vec());
    let devices = devices_without(&[]);
    let seen: Vec<_> = devices.iter().map(|device| (device.index, device.handle, &*device.name)).collect();
    assert_eq!(seen, [(0, 100, "NVIDIA L4"), (1, 101, "NVIDIA L4")]);
    let uuid = devices[0].uuid.expect("the driver has a function for it");
    assert_eq!(uuid.to_string(), "12345678-9abc-def0-0102-030405060708");
}

#[test]
fn the_uuid_comes_from_the_function_that_is_there_or_is_none() {
    COUNT.set(1);
    NAME.set(Vec::new());
    let older = devices_without(&["cuDeviceGetUuid_v2"]);
    assert_eq!(older[0].uuid, Some(Uuid([100; 16])));
    let none = devices_without(&["cuDeviceGetUuid_v2", "cuDeviceGetUuid"]);
    assert_eq!(none[0].uuid, None);
}

#[test]
fn a_name_without_an_end_or_without_sense_is_still_a_name() {
    COUNT.set(1);
    NAME.set(vec![b'x'; 300]);
    assert_eq!(devices_without(&[])[0].name.len(), 256);
    NAME.set(vec![0xff, 0xfe, b'!', 0]);
    assert_eq!(devices_without(&[])[0].name, "\u{fffd}\u{fffd}!");
}

#[test]
fn a_refused_call_is_named_with_its_code_known_or_not() {
    COUNT.set(1);
    for code in [3, 999, 4711] {
        for call in ["cuDeviceGetCount", "cuDeviceGet"] {
            FAILING.set((call, code));
            let listed = driver_without(&[]).devices().map(|mut listed| listed.remove(0));
            let refused = listed.flatten().expect_err("a call is refused");
            assert_eq!(refused, CallError { call, status: CUresult(code) });
            assert_eq!(refused.to_string(), format!("{call} was refused"));
        }
    }
    FAILING.set(("", 0));
}

#[test]
fn a_device_without_a_name_or_a_uuid_is_a_device() {
    COUNT.set(2);
    NAME.set(b"NVIDIA L4\0".to_vec());
    for code in [1, 999, u32::MAX] {
        FAILING.set(("cuDeviceGetName", code));
        let devices = devices_without(&[]);
        assert_eq!((devices.len(), &*devices[1].name, devices[1].uuid.is_some()), (2, "", true));
        FAILING.set(("cuDeviceGetUuid_v2", code));
        let devices = devices_without(&[]);
        assert_eq!((devices.len(), &*devices[1].name), (2, "NVIDIA L4"));
        assert_eq!(devices[1].uuid, Some(Uuid([101; 16])), "of the older function");
        let devices = devices_without(&["cuDeviceGetUuid"]);
        assert_eq!((devices.len(), devices[1].uuid), (2, None));
    }
    FAILING.set(("", 0));
}

#[test]
fn the_compute_capability_is_told_unless_the_driver_refuses_it() {
    let driver = driver_without(&[]);
    let both = (CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    assert_eq!(driver.compute_capability(100), Some(both));
    FAILING.set(("cuDeviceGetAttribute", 1));
    assert_eq!(driver.compute_capability(100), None);
    FAILING.set(("", 0));
}

#[test]
fn a_count_below_zero_is_no_device() {
    COUNT.set(-1);
    assert_eq!(driver_without(&[]).devices(), Ok(Vec::new()));
}

#[test]
fn the_driver_s_text_is_taken_only_when_there_is_one() {
    let driver = driver_without(&[]);
    assert_eq!(driver.error_name(CUDA_ERROR_NO_DEVICE).as_deref(), Some("CUDA_ERROR_NO_DEVICE"));
    assert_eq!(driver.error_name(CUresult(101)), None);
    assert_eq!(driver.error_name(CUresult(4711)), None);
    assert_eq!(driver.error_string(CUDA_ERROR_UNKNOWN), None, "the fake succeeds and writes nothing");
}

#[test]
fn the_version_of_the_driver_needs_no_initialisation() {
    INIT.set((CUDA_ERROR_NO_DEVICE.0, 0));
    let driver = driver_without(&[]);
    assert_eq!(driver.cuda_version(), Ok(0));
    let refused = crate::fake::with_answer(77, || driver.cuda_version());
    assert_eq!(refused, Err(CallError { call: "cuDriverGetVersion", status: CUresult(77) }));
    assert_eq!(INIT.get().1, 0);
}
