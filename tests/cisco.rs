//! An openh264 library that is loaded at run time: the encoders that use it, and the files that are refused. Test
//! machines lack Cisco's binary, so the library is the built-in one, linked once more as a shared library.
#![cfg(all(feature = "cisco", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
#![expect(unsafe_code, reason = "libraries are loaded without the check of their hash")]

#[allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]
#[path = "common/decode.rs"]
mod decode;
#[allow(dead_code, unreachable_pub, clippy::unwrap_used)]
#[path = "common/picture.rs"]
mod picture;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use d264_double::passed_as_child;
use direct264::openh264::{Library, LoadError, OpenH264Encoder, load, load_unchecked};
use direct264::{
    Bitrate, Encoder, EncoderConfig, Error, Frame, FrameRate, FrameSize, Picture, PixelFormat, Timestamp,
};

const FRAMES: u32 = 12;

fn size() -> FrameSize {
    FrameSize::new(320, 192).unwrap()
}

fn config() -> EncoderConfig {
    EncoderConfig::new(size(), FrameRate::hz(30).unwrap(), Bitrate::from_kbps(600).unwrap())
}

/// A process loads one library and keeps it, so each test has one of its own.
fn in_a_process_of_its_own(test: &str, body: impl FnOnce()) {
    if !passed_as_child(test, &[]) {
        body();
    }
}

fn encode(encoder: &mut OpenH264Encoder, from: u32) -> Vec<Vec<u8>> {
    let camera = picture::Camera::new(size());
    (from..from + FRAMES)
        .map(|number| {
            let pixels = camera.i420(number);
            let frame =
                Frame::contiguous(size(), PixelFormat::I420, &pixels, Timestamp(number.into())).unwrap();
            encoder.encode(&frame, Picture::Auto).unwrap().bytes.to_vec()
        })
        .collect()
}

/// A folder for what is built, beside the test programs.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cisco");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn compile(name: &str, arguments: &[&str]) -> PathBuf {
    let library = folder().join(name);
    let beside = folder().join(format!(".{}.{name}", std::process::id()));
    let output = Command::new("g++").arg("-shared").arg("-o").arg(&beside).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&beside, &library).unwrap();
    library
}

/// A library made of a few lines of C++.
fn stub(name: &str, code: &str) -> PathBuf {
    let source = folder().join(format!("{name}.{}.cpp", std::process::id()));
    fs::write(&source, code).unwrap();
    compile(name, &["-fPIC", source.to_str().unwrap()])
}

/// The library that this crate was built with, as a shared one.
fn shared() -> PathBuf {
    let archives = archives();
    let all: Vec<&str> = archives.iter().map(|path| path.to_str().unwrap()).collect();
    let arguments = [&["-Wl,--whole-archive"][..], &all, &["-Wl,--no-whole-archive", "-pthread"]].concat();
    compile("libopenh264.so", &arguments)
}

/// The newest static libraries that openh264-sys2 built beside this test program.
fn archives() -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap();
    let build = program.parent().unwrap().parent().unwrap().join("build");
    let names = ["common", "processing", "decoder", "encoder"].map(|part| format!("libopenh264_{part}.a"));
    let outs = fs::read_dir(build).unwrap().map(|entry| entry.unwrap().path().join("out"));
    let whole = outs.filter(|out| names.iter().all(|name| out.join(name).exists()));
    let out = whole.max_by_key(|out| fs::metadata(out.join(&names[3])).unwrap().modified().unwrap()).unwrap();
    names.iter().map(|name| out.join(name)).collect()
}

#[test]
fn a_library_that_is_loaded_encodes_as_the_one_that_is_built_in() {
    in_a_process_of_its_own("a_library_that_is_loaded_encodes_as_the_one_that_is_built_in", || {
        let before = built_in();
        let path = shared();
        // SAFETY: just built from the sources of this crate's bindings.
        let library = unsafe { load_unchecked(&path) }.unwrap();
        assert_eq!(library.path, Some(fs::canonicalize(&path).unwrap()));
        assert_eq!(Library::in_use(), Some(library));

        let mut encoder = OpenH264Encoder::new(&config()).unwrap();
        let units = encode(&mut encoder, 0);
        if let Some((mut old, units_before)) = before {
            assert_eq!(units, units_before, "the same library, loaded");
            // One that was open goes on, and ends, in the library that it was opened by.
            assert_eq!(encode(&mut encoder, FRAMES), encode(&mut old, FRAMES));
        }
        let pictures = decode::ffmpeg(&units.concat(), size()).unwrap_or_default();
        let camera = picture::Camera::new(size());
        for (number, picture) in (0..).zip(&pictures) {
            let db = picture::psnr(picture, &camera.i420(number));
            assert!(db > 30.0, "picture {number}: {db:.1} dB");
        }

        let again = load(&path).unwrap_err();
        assert_eq!(again, LoadError::AlreadyLoaded { path: fs::canonicalize(&path).unwrap() });
    });
}

/// What the library that is built in makes of the pictures, if there is one.
fn built_in() -> Option<(OpenH264Encoder, Vec<Vec<u8>>)> {
    if cfg!(not(feature = "openh264")) {
        assert_eq!(Library::in_use(), None);
        return None;
    }
    assert_eq!(Library::in_use().unwrap().path, None);
    let mut encoder = OpenH264Encoder::new(&config()).unwrap();
    let units = encode(&mut encoder, 0);
    Some((encoder, units))
}

/// What opens encoders is what was loaded: this one makes none, and says why.
#[test]
fn a_library_that_refuses_is_the_one_that_is_asked() {
    in_a_process_of_its_own("a_library_that_refuses_is_the_one_that_is_asked", || {
        let refuses = stub(
            "refuses.so",
            r#"extern "C" int WelsCreateSVCEncoder(void **encoder) { *encoder = 0; return 3; }
               extern "C" void WelsDestroySVCEncoder(void *) {}
               extern "C" void WelsGetCodecVersionEx(unsigned *v) { v[0] = 2; v[1] = 6; v[2] = v[3] = 0; }"#,
        );
        // SAFETY: it has the functions, and makes no encoder.
        assert_eq!(unsafe { load_unchecked(refuses) }.unwrap().version, "2.6.0");
        match OpenH264Encoder::new(&config()).unwrap_err() {
            Error::Driver(why) => assert_eq!((why.call, why.status()), ("WelsCreateSVCEncoder", Some(3))),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn what_is_no_library_of_ciscos_is_refused_and_costs_nothing() {
    in_a_process_of_its_own("what_is_no_library_of_ciscos_is_refused_and_costs_nothing", || {
        let before = Library::in_use();
        let path = shared();
        match load(&path).unwrap_err() {
            LoadError::UnknownHash { path: told, sha256 } => {
                assert_eq!((told, sha256.len()), (path.clone(), 64));
            }
            other => panic!("{other:?}"),
        }
        for path in [folder().join("nothing.so"), folder(), "/dev/zero".into()] {
            let refused = load(&path).unwrap_err();
            assert!(matches!(&refused, LoadError::Unreadable { path: told, .. } if *told == path));
            assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
        }
        let text = folder().join("text.so");
        fs::write(&text, "no library").unwrap();
        // SAFETY: it does not open.
        assert!(matches!(unsafe { load_unchecked(&text) }, Err(LoadError::Unreadable { .. })));

        let lacking = stub("lacking.so", r#"extern "C" void WelsGetCodecVersionEx(unsigned *) {}"#);
        // SAFETY: it lacks functions, and runs nothing when it opens.
        let refused = unsafe { load_unchecked(&lacking) }.unwrap_err();
        let function = "WelsCreateSVCEncoder";
        assert_eq!(refused, LoadError::MissingFunction { path: lacking, function });
        let older = stub(
            "older.so",
            r#"extern "C" int WelsCreateSVCEncoder(void **) { return 1; }
               extern "C" void WelsDestroySVCEncoder(void *) {}
               extern "C" void WelsGetCodecVersionEx(unsigned *v) { v[0] = 2; v[1] = 5; v[2] = 1; v[3] = 0; }"#,
        );
        // SAFETY: it has the functions, and is asked for its version alone.
        let refused = unsafe { load_unchecked(&older) }.unwrap_err();
        assert_eq!(refused, LoadError::Version { path: older, version: "2.5.1".to_owned() });

        // And another file can still be had.
        assert_eq!(Library::in_use(), before);
        // SAFETY: just built from the sources of this crate's bindings.
        assert!(unsafe { load_unchecked(&path) }.is_ok());
    });
}

#[cfg(not(feature = "openh264"))]
#[test]
fn without_a_library_there_is_no_encoder_and_the_reason_says_what_to_do() {
    use direct264::{BackendOrder, Reason};
    for error in [
        OpenH264Encoder::new(&config()).unwrap_err(),
        direct264::open(&config(), &"openh264".parse::<BackendOrder>().unwrap()).unwrap_err(),
    ] {
        match error {
            Error::Unavailable(why) => {
                assert_eq!(why.reason, Reason::NotBuilt);
                assert!(why.detail.contains("direct264::openh264::load"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
}
