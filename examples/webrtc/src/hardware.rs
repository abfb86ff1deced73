//! Breaking the hardware, where it is not real: on the driver double of the tests, which takes its orders from a file.

use std::path::PathBuf;
use std::{env, fs, io};

/// What `tests/driver/README.md` calls the control file. Set by who starts the server on the double, and never on hardware.
const CONTROL: &str = "D264_DOUBLE_CONTROL";

/// Encoding fails with `NV_ENC_ERR_GENERIC`, and so does opening a session.
const BROKEN: &str = "FAULT=nvEncEncodePicture:*=20;nvEncOpenEncodeSessionEx:*=20\n";
const WHOLE: &str = "FAULT=\n";

/// A GPU that can be broken.
#[derive(Debug)]
pub(crate) struct Breakable {
    control: PathBuf,
    is_broken: bool,
}

impl Breakable {
    /// The double, if this process runs on it.
    pub(crate) fn here() -> Option<Self> {
        let control = PathBuf::from(env::var_os(CONTROL)?);
        Some(Self { control, is_broken: false })
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// For every stream of this process: the double is one driver.
    pub(crate) fn set_broken(&mut self, is_broken: bool) -> io::Result<()> {
        fs::write(&self.control, if is_broken { BROKEN } else { WHOLE })?;
        self.is_broken = is_broken;
        Ok(())
    }
}
