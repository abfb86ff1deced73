//! The real user-space drivers of four generations, on a machine that need not have a GPU.
//!
//! `.ci/fetch-drivers FOLDER` fetches them; `DIRECT264_REAL_DRIVERS=FOLDER` makes these tests use them, and
//! without it they say that they are skipped. Each generation is loaded by a process of its own: this test
//! program again, with that generation in the loader's path and, for root, without the right to make device
//! nodes, since a failing `cuInit` would leave one behind.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "it plays a second client of the driver")]
#![expect(clippy::expect_used, clippy::print_stdout, reason = "helpers of tests fail and print as tests do")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use direct264_sys::nvenc::{
    ApiVersion, DriverApi, NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS, NV_ENCODE_API_FUNCTION_LIST, OpenError,
};
use direct264_sys::{DriverLibrary, cuda, nvenc};

/// Generation, newest API that it speaks, the API that is negotiated, and its CUDA version.
const GENERATIONS: [(&str, DriverApi, ApiVersion, i32); 4] = [
    ("470", DriverApi { major: 11, minor: 1 }, ApiVersion::V11_1, 11040),
    ("525", DriverApi { major: 12, minor: 0 }, ApiVersion::V12_0, 12000),
    ("535", DriverApi { major: 12, minor: 1 }, ApiVersion::V12_1, 12020),
    ("550", DriverApi { major: 12, minor: 2 }, ApiVersion::V12_1, 12040),
];

const FOLDER: &str = "DIRECT264_REAL_DRIVERS";
const CHILD: &str = "DIRECT264_REAL_DRIVER_GENERATION";

fn skipped(test: &str, why: &str) {
    // Straight to the handle: what goes through the macros is shown for failing tests only.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// The folder of each generation that is there.
fn generations(test: &str) -> Vec<(&'static str, PathBuf)> {
    let Some(folder) = std::env::var_os(FOLDER) else {
        skipped(test, &format!("{FOLDER} names no folder with drivers (.ci/fetch-drivers makes one)"));
        return Vec::new();
    };
    let there = GENERATIONS.iter().filter_map(|&(generation, ..)| {
        let folder = Path::new(&folder).join(generation);
        if !folder.is_dir() {
            skipped(test, &format!("{} is not there", folder.display()));
        }
        folder.is_dir().then_some((generation, folder))
    });
    let there: Vec<_> = there.collect();
    assert!(!there.is_empty(), "{FOLDER} is set, and none of the generations is in it");
    there
}

/// Runs one of the child tests below with `libraries` in the loader's path.
fn run_child(child: &str, generation: &str, libraries: &Path) {
    let this = std::env::current_exe().expect("the path of this program");
    let is_root = fs::metadata("/proc/self").expect("Linux has it").uid() == 0;
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set=-mknod").arg("--").arg(this);
        command
    } else {
        Command::new(this)
    };
    let node_was_there = Path::new("/dev/nvidiactl").exists();
    let output = command
        .args([child, "--exact", "--ignored", "--nocapture"])
        .env("LD_LIBRARY_PATH", libraries)
        .env(CHILD, generation)
        .output()
        .expect("this program runs again");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "driver {generation}: {}\n{out}\n{err}", output.status);
    assert!(out.contains("1 passed"), "driver {generation}: no test ran\n{out}");
    assert_eq!(
        Path::new("/dev/nvidiactl").exists(),
        node_was_there,
        "driver {generation} left a device node"
    );
    println!("driver {generation}:\n{out}");
}

#[test]
fn each_generation_loads_negotiates_and_refuses_without_a_gpu() {
    for (generation, folder) in generations("each_generation_loads_negotiates_and_refuses_without_a_gpu") {
        run_child("child_with_a_driver", generation, &folder);
    }
}

#[test]
fn without_libnvcuvid_each_generation_names_that_file() {
    for (generation, folder) in generations("without_libnvcuvid_each_generation_names_that_file") {
        let part = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("without-nvcuvid-{generation}"));
        let _ = fs::remove_dir_all(&part);
        fs::create_dir_all(&part).expect("the folder for tests can be written");
        let encode = fs::canonicalize(folder.join("libnvidia-encode.so.1")).expect("it was fetched");
        symlink(encode, part.join("libnvidia-encode.so.1")).expect("the folder is new");
        run_child("child_without_nvcuvid", generation, &part);
    }
}

#[test]
#[ignore = "it is the child process of another test"]
fn child_without_nvcuvid() {
    if std::env::var_os(CHILD).is_none() {
        return println!("there is no parent");
    }
    let error = nvenc::load().expect_err("the library needs libnvcuvid");
    println!("{error}: {}", error.said());
    assert_eq!((error.library(), error.missing_file()), (DriverLibrary::NvEncode, Some("libnvcuvid.so.1")));
}

#[test]
#[ignore = "it is the child process of another test"]
fn child_with_a_driver() {
    let Ok(generation) = std::env::var(CHILD) else { return println!("there is no parent") };
    let row = GENERATIONS.iter().find(|row| row.0 == generation).expect("the parent takes it from the table");
    let &(_, newest, negotiated, cuda_version) = row;

    let driver = cuda::load().expect("libcuda is in the path");
    assert_eq!(driver.cuda_version(), Ok(cuda_version));
    names_agree(driver);

    let encode = nvenc::load().expect("libnvidia-encode is in the path");
    assert_eq!(encode.max_supported_api(), Ok(newest));
    assert_eq!(encode.negotiate(), Ok(negotiated));
    println!("API {newest}, negotiated {negotiated}, CUDA {cuda_version}");

    let initialised = driver.initialise();
    println!("cuInit: {initialised:?}");
    let (threads, files) = (entries("/proc/self/task"), entries("/proc/self/fd"));
    for _ in 0..20 {
        assert_eq!(driver.initialise(), initialised);
    }
    assert_eq!((entries("/proc/self/task"), entries("/proc/self/fd")), (threads, files), "attempts leak");

    if initialised.is_ok() {
        return println!("there is a GPU here: a context that is none is not shown to it");
    }
    a_second_client_is_put_up_with(encode, negotiated);
}

/// The driver's own names for the codes of our table; an older driver may not know the newest codes.
fn names_agree(driver: &cuda::Driver) {
    let mut unknown = Vec::new();
    for row in cuda::CUresult::TABLE {
        match driver.error_name(cuda::CUresult(row.code)) {
            Some(name) => assert_eq!(name, row.name),
            None => unknown.push(row.name),
        }
    }
    assert!(unknown.len() <= 2, "{unknown:?}");
    assert_eq!(driver.error_name(cuda::CUresult(4711)), None);
    assert_eq!(driver.error_string(cuda::CUresult(4711)), None);
    assert!(driver.error_string(cuda::CUDA_ERROR_NO_DEVICE).is_some());
}

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).expect("Linux has it").count()
}

/// Another component of the process makes an instance with another version: opening by hand is then refused
/// for its version, and our way of opening gets as far as the device.
fn a_second_client_is_put_up_with(encode: &nvenc::EncodeLibrary, ours: ApiVersion) {
    let no_context = Box::leak(Box::new([0_u64; 512])).as_mut_ptr();

    // SAFETY: the library is open already, so nothing of it runs.
    let library =
        unsafe { libloading::Library::new(DriverLibrary::NvEncode.file_name()) }.expect("it is open");
    type Create = unsafe extern "system" fn(*mut NV_ENCODE_API_FUNCTION_LIST) -> u32;
    // SAFETY: the function has this signature in every header.
    let create = unsafe { library.get::<Create>("NvEncodeAPICreateInstance") }.expect("it is exported");
    let theirs = ApiVersion::OLDEST;
    let mut list = NV_ENCODE_API_FUNCTION_LIST::versioned(theirs);
    // SAFETY: the list is whole and lives through the call.
    assert_eq!(unsafe { create(&raw mut list) }, 0);

    let mut params = NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS::versioned(ours);
    params.deviceType = nvenc::NV_ENC_DEVICE_TYPE_CUDA;
    params.device = no_context.cast();
    params.apiVersion = ours.word();
    let mut encoder = std::ptr::null_mut();
    let open = list.nvEncOpenEncodeSessionEx.expect("every driver has it");
    // SAFETY: the struct is whole. The device is no context, which drivers of these generations refuse
    // without touching it where there is no GPU (measured); the caller has seen that there is none.
    let by_hand = unsafe { open(&raw mut params, &raw mut encoder) };
    assert_eq!(nvenc::NVENCSTATUS(by_hand), nvenc::NV_ENC_ERR_INVALID_VERSION);
    assert!(encoder.is_null());

    for api in ApiVersion::ALL {
        // SAFETY: as above.
        let opened = unsafe { encode.open_session(api, no_context.cast()) };
        let refused = opened.expect_err("there is no GPU");
        println!("by hand: {}; by open_session with {api}: {refused:?}", nvenc::NVENCSTATUS(by_hand));
        let expected = match api <= ours {
            true => nvenc::NV_ENC_ERR_UNSUPPORTED_DEVICE,
            false => nvenc::NV_ENC_ERR_INVALID_VERSION,
        };
        assert_eq!(refused, OpenError::Refused(expected), "API {api}");
    }
}
