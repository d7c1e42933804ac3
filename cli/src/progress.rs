//! The progress bar, and Ctrl-C.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use framelift_media::{Control, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows the progress on a terminal, and stops at Ctrl-C.
pub(crate) struct Terminal {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
}

impl Terminal {
    /// A bar on the standard error, unless that is no terminal or `quiet`. The first Ctrl-C
    /// stops the extraction, so that nothing half done is left; the second kills.
    pub(crate) fn new(quiet: bool) -> anyhow::Result<Self> {
        let bar = ProgressBar::new(1000);
        if quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_style(ProgressStyle::with_template("{msg:>24} {bar:40} {percent:>3} % {eta}")?);
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        ctrlc::set_handler(move || {
            if flag.swap(true, Relaxed) {
                std::process::exit(130);
            }
        })?;
        Ok(Self { bar, interrupted })
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Control for Terminal {
    fn progress(&self, progress: &Progress) -> bool {
        if !self.bar.is_hidden() {
            let position = (progress.percent * 10.0) as u64;
            if position != self.bar.position() || progress.frames_done == 0 {
                self.bar.set_message(format!("{}, {} frames", progress.stage.as_str(), progress.frames_done));
                self.bar.set_position(position);
            }
        }
        !self.interrupted.load(Relaxed)
    }
}
