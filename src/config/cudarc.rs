//! Chooses the GPU of a cudarc context.

use cudarc::driver::CudaContext;

use super::nvenc::GpuChoice;

impl GpuChoice {
    /// Returns the choice of a cudarc context's GPU, for frames in its memory. The context must be the primary one, as
    /// [`CudaContext::new`] returns it.
    ///
    /// ```no_run
    /// use cudarc::driver::CudaContext;
    /// use direct264::config::{GpuChoice, NvencConfig};
    /// # fn example() -> Result<(), cudarc::driver::DriverError> {
    /// let context = CudaContext::new(0)?;
    /// let config = NvencConfig::new().gpu(GpuChoice::of_context(&context));
    /// # let _ = config; Ok(()) }
    /// ```
    #[must_use]
    pub fn of_context(context: &CudaContext) -> Self {
        // CUDA counts its devices with an `int`, from 0.
        Self::Index(u32::try_from(context.ordinal()).unwrap_or(u32::MAX))
    }
}
