//! The exported functions, by subject.

mod context;
mod copy;
mod device;
mod event;
mod fill;
mod init;
mod memory;
mod pinned;
mod pointer;
mod stream;
mod unsupported;

use d264_double_common::pointer::Out;

use crate::error::INVALID_VALUE;

/// Gives the client a value, or says that it gave no place for one.
fn give<T>(out: Out<T>, value: T) -> Result<(), u32> {
    if out.set(value) { Ok(()) } else { Err(INVALID_VALUE) }
}

/// Every function by the name it is exported under.
fn symbols() -> Vec<(&'static str, usize)> {
    [
        init::symbols(),
        device::symbols(),
        context::symbols(),
        memory::symbols(),
        pinned::symbols(),
        copy::symbols(),
        fill::symbols(),
        stream::symbols(),
        event::symbols(),
        pointer::symbols(),
        unsupported::symbols(),
    ]
    .concat()
}
