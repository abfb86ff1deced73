//! The bar on a terminal; nothing anywhere else.

use direct264::Backend;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const WITH_END: &str = "{bar:30} {pos}/{len} frames  {per_sec}  eta {eta}  {msg}";
const WITHOUT_END: &str = "{spinner} {pos} frames  {per_sec}  {elapsed}  {msg}";

/// A progress bar that is gone when it is dropped, so that what is said afterwards stands alone.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar on stderr if that is a terminal and the user is not against it.
    pub(super) fn new(frames: Option<u64>, is_quiet: bool) -> Self {
        if is_quiet {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(frames, ProgressDrawTarget::stderr());
        let template = if frames.is_some() { WITH_END } else { WITHOUT_END };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// A frame is done.
    pub(super) fn frame(&self, backend: Backend) {
        if !self.0.is_hidden() {
            self.0.set_message(backend.word());
        }
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
