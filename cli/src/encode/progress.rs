//! The progress bar of `encode`, shown on terminals alone.

use direct264::Backend;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const WITH_END: &str = "{bar:30} {pos}/{len} frames  {per_sec}  eta {eta}  {msg}";
const WITHOUT_END: &str = "{spinner} {pos} frames  {per_sec}  {elapsed}  {msg}";

/// A progress bar that clears itself when it is dropped, before the summary is printed.
#[derive(Debug)]
pub(super) struct FrameProgress(ProgressBar);

impl FrameProgress {
    /// Shows the bar on stderr if stderr is a terminal and the bar is wanted.
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

    /// Advances the bar by one frame.
    pub(super) fn frame(&self, backend: Backend) {
        if !self.0.is_hidden() {
            self.0.set_message(backend.as_str());
        }
        self.0.inc(1);
    }
}

impl Drop for FrameProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
