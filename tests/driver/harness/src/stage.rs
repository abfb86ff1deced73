//! The double in this process.
#![allow(unsafe_code, reason = "loads shared libraries and calls their C functions")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use d264_double_common::bridge::{Receive, Text};
use d264_double_common::settings::PREFIX;

use crate::build::{Double, Part};
use crate::report::Report;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How long a test waits for threads of the library. No healthy run comes near it, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// Threads of the library that make calls of the driver when nobody waits for them: a session's, one that tries to come
/// back to the hardware, and one that ends what was left.
const GO_ON_BY_THEMSELVES: [&str; 3] = ["direct264-nvenc", "direct264-retry", "direct264-end"];

/// A library of the double, loaded and never unloaded.
#[derive(Debug)]
pub struct Library(libloading::Library);

impl Library {
    fn open(path: &Path) -> Self {
        // SAFETY: the double's initialisers do nothing.
        let library = unsafe { libloading::Library::new(path) };
        Self(library.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// A function by name.
    ///
    /// # Safety
    /// `T` must be the function's own type.
    ///
    /// # Panics
    /// If the library has no such function.
    #[must_use]
    pub unsafe fn function<T: Copy>(&self, name: &str) -> T {
        // SAFETY: the caller answers for the type; the library is never unloaded, so the pointer stays good.
        let symbol = unsafe { self.0.get::<T>(name) };
        *symbol.unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

struct Loaded {
    cuda: Library,
    nvenc: Library,
}

fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| {
        // By their paths first: whoever then asks the loader for `libcuda.so.1` gets the one that is there already.
        let (cuda, nvenc) = Double::get().libraries();
        Loaded { cuda: Library::open(cuda), nvenc: Library::open(nvenc) }
    })
}

/// The right to use the double of this process: nobody else does while it is held, and it starts from scratch.
#[derive(Debug)]
pub struct Stage {
    _only: MutexGuard<'static, ()>,
}

impl Double {
    /// Loads the double into this process and waits for its [`Stage`], and for the threads that the test before left.
    #[must_use]
    pub fn load(&self) -> Stage {
        let only = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = Stage { _only: only };
        // Takes back the faults in which those threads hang.
        stage.reset();
        let deadline = Instant::now() + PATIENCE;
        while going_on().is_some() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        // And forgets the calls that they made meanwhile.
        stage.reset();
        stage
    }
}

impl Stage {
    /// The CUDA half.
    #[must_use]
    pub fn cuda(&self) -> &'static Library {
        &loaded().cuda
    }

    /// The encode half.
    #[must_use]
    pub fn nvenc(&self) -> &'static Library {
        &loaded().nvenc
    }

    /// Adds settings, as lines `KEY=VALUE`; faults among them count from now.
    pub fn set(&self, lines: &str) {
        // SAFETY: the function of that name has this type.
        let set: extern "C" fn(Text) = unsafe { self.cuda().function("d264_double_set") };
        set(Text::new(lines));
    }

    /// Back to the settings of the environment, with nothing counted. What is alive stays alive.
    pub fn reset(&self) {
        // SAFETY: the function of that name has this type.
        let reset: extern "C" fn() = unsafe { self.cuda().function("d264_double_reset") };
        reset();
    }

    /// Another component of the process makes an instance, for which the encode library gives a list of functions to who
    /// speaks the API version in this word of that list.
    pub fn make_instance(&self, list_word: u32) -> u32 {
        let mut list = [0_u64; 319];
        list[0] = u64::from(list_word);
        // SAFETY: the function of that name takes a list of this size.
        let create: extern "C" fn(*mut u64) -> u32 =
            unsafe { self.nvenc().function("NvEncodeAPICreateInstance") };
        create(list.as_mut_ptr())
    }

    /// What goes on by itself once a stream is dropped, such as an attempt that was under way, has come to its end; no
    /// rule was broken, and nothing is left behind.
    ///
    /// # Panics
    /// If not, or if a thread goes on for too long; says what.
    pub fn assert_clean_soon(&self, who: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // An attempt that is about to begin has nothing yet; a thread that has just begun does not have its name.
            let thread = going_on();
            let report = self.report();
            let leaks = report.leaks();
            if thread.is_none() && leaks.is_empty() {
                return report.assert_clean(who);
            }
            assert!(Instant::now() < deadline, "{who} leaves behind the thread {thread:?} and {leaks:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The report as of now.
    #[must_use]
    pub fn report(&self) -> Report {
        extern "C" fn receive(_to: usize, text: Text) {
            *RECEIVED.lock().unwrap_or_else(PoisonError::into_inner) = text.to_text();
        }
        static RECEIVED: Mutex<String> = Mutex::new(String::new());
        // SAFETY: the function of that name has this type.
        let report: extern "C" fn(usize, Receive) = unsafe { self.cuda().function("d264_double_report") };
        report(0, receive);
        Report::parse(&RECEIVED.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The names of the threads of this process.
#[must_use]
pub fn threads() -> Vec<String> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    // One may have ended meanwhile.
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.map(|name| name.trim_end().to_owned()).collect()
}

/// A thread of the library that makes calls of the driver by itself.
fn going_on() -> Option<String> {
    threads().into_iter().find(|name| GO_ON_BY_THEMSELVES.contains(&name.as_str()))
}

/// The tests of this test program, each with the path of its module.
fn tests_of(program: &Path) -> &'static [String] {
    static TESTS: OnceLock<Vec<String>> = OnceLock::new();
    TESTS.get_or_init(|| {
        let listed = Command::new(program).args(["--list", "--format", "terse"]).output();
        let listed = listed.unwrap_or_else(|error| panic!("the test program does not start again: {error}"));
        let listed = String::from_utf8_lossy(&listed.stdout);
        listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
    })
}

/// The name by which the test program knows a test: a test in a module has the module's path before its own name.
fn whole_name(program: &Path, test: &str) -> &'static str {
    let is_it = |name: &&String| name.rsplit("::").next() == Some(test) || *name == test;
    let found: Vec<&String> = tests_of(program).iter().filter(is_it).collect();
    match found[..] {
        [name] => name,
        [] => panic!("there is no test `{test}`"),
        _ => panic!("more than one test has the name `{test}`: {found:?}"),
    }
}

/// Runs one test of this test program in a process of its own, which finds the double as its driver and has the given
/// settings: `as_child("name_of_the_test", &[("GPUS", "none")])`. The name needs no module where it is the only one. None
/// in that process, whose turn it then is.
///
/// # Panics
/// If the process cannot be started, or has no test of that name.
#[must_use]
pub fn as_child(test: &str, settings: &[(&str, &str)]) -> Option<Output> {
    as_child_with(Part::All, test, settings)
}

/// The same, with only a part of the driver to be found.
///
/// # Panics
/// If the process cannot be started, or has no test of that name.
#[must_use]
pub fn as_child_with(part: Part, test: &str, settings: &[(&str, &str)]) -> Option<Output> {
    const CHILD: &str = "D264_CHILD_OF_TEST";
    if std::env::var_os(CHILD).is_some() {
        return None;
    }
    let program = std::env::current_exe().unwrap_or_else(|error| panic!("this program has no path: {error}"));
    let mut command: Command = Double::get().command_with(part, &program);
    command.args(["--exact", whole_name(&program, test), "--nocapture"]).env(CHILD, "1");
    for (key, value) in settings {
        command.env(format!("{PREFIX}{key}"), value);
    }
    command.env(format!("{PREFIX}DIR"), Double::get().folder());
    let output = command.output().unwrap_or_else(|error| panic!("the test does not start again: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test"), "there is no test `{test}`: {said}");
    Some(output)
}

/// As [`as_child`], for a test that has nothing to do but to see the process succeed. False in that process.
///
/// # Panics
/// As [`as_child`], and with what the process said if it fails.
#[must_use]
pub fn passed_as_child(test: &str, settings: &[(&str, &str)]) -> bool {
    passed_as_child_with(Part::All, test, settings)
}

/// The same, with only a part of the driver to be found.
///
/// # Panics
/// As [`passed_as_child`].
#[must_use]
pub fn passed_as_child_with(part: Part, test: &str, settings: &[(&str, &str)]) -> bool {
    let Some(Output { status, stdout, stderr }) = as_child_with(part, test, settings) else { return false };
    let said = [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(status.success(), "{settings:?}: {said}");
    true
}

/// Runs the rest of a test once for each of these faults, in a process of its own and from its start on.
///
/// # Panics
/// As [`passed_as_child`].
pub fn with_each_fault_as_child(test: &str, faults: &[&str], rest: impl FnOnce(&str)) {
    for fault in faults {
        if !passed_as_child(test, &[("FAULT", fault)]) {
            let mine = std::env::var(format!("{PREFIX}FAULT"));
            return rest(&mine.unwrap_or_else(|error| panic!("the process was given no fault: {error}")));
        }
    }
}
