//! A driver that is not all there fails as the real one does.
#![expect(unsafe_code, reason = "loads libraries by name and calls their functions")]

use d264_double::{Part, as_child_with};
use libloading::Library;

fn load(name: &str) -> Result<Library, String> {
    // SAFETY: the libraries of these names are the double's, whose initialisers do nothing, or none.
    unsafe { Library::new(name) }.map_err(|error| {
        std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
    })
}

fn check(part: Part, test: &str, inside: impl FnOnce()) {
    match as_child_with(part, test, &[]) {
        Some(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        None => inside(),
    }
}

#[test]
fn without_the_encode_library_the_loader_names_it() {
    check(Part::CudaOnly, "without_the_encode_library_the_loader_names_it", || {
        assert!(load("libcuda.so.1").is_ok());
        let why = load("libnvidia-encode.so.1").err().unwrap_or_default();
        assert!(why.contains("libnvidia-encode.so.1: cannot open shared object file"), "{why}");
    });
}

#[test]
fn a_file_that_is_no_library_is_too_short() {
    check(Part::JunkNvenc, "a_file_that_is_no_library_is_too_short", || {
        let why = load("libnvidia-encode.so.1").err().unwrap_or_default();
        assert!(why.contains("file too short"), "{why}");
    });
}

#[test]
fn without_cuda_the_encode_library_loads_and_opens_nothing() {
    check(Part::NvencOnly, "without_cuda_the_encode_library_loads_and_opens_nothing", || {
        assert!(load("libcuda.so.1").is_err());
        let library = load("libnvidia-encode.so.1").unwrap_or_else(|why| panic!("{why}"));
        let mut list = vec![0_u64; 319];
        list[0] = 0x7102_000c;
        // SAFETY: the function of that name takes the list.
        let create = unsafe { library.get::<extern "C" fn(*mut u64) -> u32>("NvEncodeAPICreateInstance") };
        let status = create.map(|create| create(list.as_mut_ptr()));
        assert!(matches!(status, Ok(0)));
        let mut open = vec![0_u64; 194];
        (open[0], open[1], open[3]) = (1 << 32 | 0x7101_000c, 1, 0x0100_000c);
        // SAFETY: slot 29 of the list is the function that opens a session.
        let session =
            unsafe { std::mem::transmute::<u64, extern "C" fn(*mut u64, *mut u64) -> u32>(list[30]) };
        let mut handle = 7;
        assert_eq!((session(open.as_mut_ptr(), &raw mut handle), handle), (2, 0));
    });
}
