//! The CUDA half of the driver double: `libcuda.so.1` as it is documented to behave, in host memory.
//!
//! Device memory is host memory behind addresses that cannot be dereferenced. Asynchronous work is not done when it
//! is asked for but as late as the rules allow, when something waits for it, so that whoever reads too early reads
//! the old bytes; and each access is compared with all earlier ones that it may race with (`order`).
//!
//! This half also keeps the ledger for both: calls, faults, violations and the report.
#![allow(
    unsafe_code,
    reason = "exported C functions; what they do with pointers is in `double_common::pointer`"
)]

mod api;
mod bridge;
mod buffer;
mod clock;
mod context;
mod error;
mod event;
mod gate;
mod host;
mod ledger;
mod memory;
mod order;
mod report;
mod stream;
mod transfer;
mod world;
