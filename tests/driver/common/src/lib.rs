//! The code that both halves of the driver double share.
//!
//! The double is two shared libraries, as the driver is: one answers for CUDA, one for the encoder. The CUDA half
//! keeps the ledger (calls, faults, violations, the report) and the encode half reaches it through [`bridge`].

pub mod bridge;
pub mod fault;
pub mod function;
pub mod misbehaviour;
pub mod pointer;
pub mod settings;

pub use function::Function;
