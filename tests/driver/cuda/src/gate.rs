//! The way into every exported function: counted, faulted on demand, never unwinding into C.

use std::panic::{AssertUnwindSafe, catch_unwind};

use d264_double_common::Function;

use crate::ledger::LEDGER;
use crate::{error, world};

/// Runs the body of an exported function.
pub(crate) fn call(function: Function, body: impl FnOnce() -> Result<(), u32>) -> u32 {
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let verdict = LEDGER.enter(function);
        if let Some((status, work_first)) = verdict.answer(function) {
            if work_first {
                let _ = body();
            }
            if error::is_sticky(status) || verdict.loses_gpu() {
                world::world().kill_current(status);
            }
            return status;
        }
        let answer = body().err().unwrap_or(0);
        world::run_callbacks();
        answer
    }));
    let answer = answer.unwrap_or_else(|_| {
        LEDGER.violation(function.name(), "the double itself panicked");
        error::UNKNOWN
    });
    LEDGER.leave(function, answer);
    answer
}

/// Declares exported functions. `fn SYMBOL as FUNCTION(ARGUMENTS) { .. }` has a body that gives `Result<(), u32>`;
/// `symbols()` lists them for `cuGetProcAddress`.
macro_rules! exports {
    ($(fn $symbol:ident as $function:ident($($argument:ident: $kind:ty),* $(,)?) $body:block)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $symbol($($argument: $kind),*) -> u32 {
                $crate::gate::call(d264_double_common::Function::$function, move || $body)
            }
        )*

        /// Name and address of each function of this file.
        pub(super) fn symbols() -> Vec<(&'static str, usize)> {
            vec![$((stringify!($symbol), $symbol as *const () as usize)),*]
        }
    };
}
pub(crate) use exports;
