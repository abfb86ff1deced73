//! The extension module `direct264._direct264`: the library's encoder for Python.

mod access_unit;
mod encoder;
mod errors;
mod facts;
mod frame;
mod held;
mod log;
mod probe;
mod settings;
mod shared;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _direct264 {
    #[pymodule_export]
    use super::access_unit::AccessUnit;
    #[pymodule_export]
    use super::encoder::Encoder;
    #[pymodule_export]
    use super::probe::probe;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::log::install(module.py())?;
        super::probe::warn_without_simd(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
