//! The way to the CUDA half, and what it says.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use d264_double_common::Function;
use d264_double_common::bridge::{Bridge, SYMBOL, Text, VERSION, Verdict};
use d264_double_common::settings::Settings;

/// The name by which the real library looks for the CUDA driver.
const CUDA: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// The CUDA half, if a double of it can be found; looked for once.
pub(crate) fn bridge() -> Option<&'static Bridge> {
    static BRIDGE: OnceLock<Option<&'static Bridge>> = OnceLock::new();
    *BRIDGE.get_or_init(|| {
        // SAFETY: loading a library runs its initialisers; the double's and the real driver's are fit for that.
        let library = unsafe { libloading::Library::new(CUDA) }.ok()?;
        // SAFETY: only the double exports this name, and it is a function of this type.
        let symbol = unsafe { library.get::<extern "C" fn() -> *const Bridge>(SYMBOL) };
        let table = *symbol.ok()?;
        // The table outlives this function.
        std::mem::forget(library);
        // SAFETY: it returns a static table.
        let bridge = unsafe { &*table() };
        if bridge.version != VERSION {
            return None;
        }
        (bridge.add_section)(crate::report::section);
        Some(bridge)
    })
}

/// The settings in force.
pub(crate) fn settings() -> Arc<Settings> {
    static KNOWN: Mutex<Option<(u64, Arc<Settings>)>> = Mutex::new(None);
    thread_local! {
        static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
    }
    extern "C" fn receive(_to: usize, text: Text) {
        TEXT.with(|slot| *slot.borrow_mut() = text.to_text());
    }
    let Some(bridge) = bridge() else { return Arc::default() };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((generation, settings)) = &*known
        && *generation == (bridge.settings_generation)()
    {
        return Arc::clone(settings);
    }
    let generation = (bridge.settings)(0, receive);
    let settings = Arc::new(Settings::from_text(&TEXT.with(RefCell::take)));
    *known = Some((generation, Arc::clone(&settings)));
    settings
}

/// Counts a call and says what becomes of it.
pub(crate) fn enter(function: Function) -> Verdict {
    bridge().map_or(Verdict::GO_ON, |bridge| (bridge.enter)(function as u32))
}

pub(crate) fn leave(function: Function, status: u32) {
    if let Some(bridge) = bridge() {
        (bridge.leave)(function as u32, status);
    }
}

/// Reports a broken rule and gives back the status that answers it.
pub(crate) fn broke(function: Function, status: u32, rule: &str) -> u32 {
    if let Some(bridge) = bridge() {
        (bridge.violation)(function as u32, Text::new(rule));
    }
    status
}
