//! Code that opens the driver by its names finds the double once a test has loaded it, without any search path.
#![expect(unsafe_code, reason = "loads libraries by name and compares their functions")]

use d264_double::Double;
use libloading::Library;

#[test]
fn the_double_answers_to_the_names_of_the_driver() {
    let stage = Double::get().load();
    for (name, symbol) in [("libcuda.so.1", "cuInit"), ("libnvidia-encode.so.1", "NvEncodeAPICreateInstance")]
    {
        // SAFETY: a library that is loaded already runs no initialiser.
        let library = unsafe { Library::new(name) };
        assert!(library.is_ok(), "{name} is not found");
        let by_name = library.ok().and_then(|library| {
            // SAFETY: only its address is looked at, and the library is never unloaded.
            unsafe { library.get::<extern "C" fn()>(symbol) }.ok().map(|found| *found as *const () as usize)
        });
        let half = if symbol == "cuInit" { stage.cuda() } else { stage.nvenc() };
        // SAFETY: only its address is looked at.
        let own: extern "C" fn() = unsafe { half.function(symbol) };
        assert_eq!(by_name, Some(own as *const () as usize));
    }
    stage.set("FAULT=cuInit:1=999");
    // SAFETY: the function of that name has this type.
    let init: extern "C" fn(u32) -> u32 = unsafe { stage.cuda().function("cuInit") };
    assert_eq!((init(0), init(0)), (999, 0));
    assert_eq!(stage.report().calls("cuInit"), 2);
}
