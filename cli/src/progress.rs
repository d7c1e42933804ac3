//! The progress bar, and signals.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use framelift_media::{Control, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::interrupts;
use crate::outcome::{Printer, frames};

/// How long the engine may take to stop after a signal, until the program exits. The engine checks with every packet,
/// but one call of a decoder, or one write into a pipe that nobody reads, may last for minutes.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Shows the progress on a terminal, and stops at a signal.
pub(crate) struct Terminal {
    bar: ProgressBar,
    label: String,
    run: Arc<Run>,
}

/// The state that the signal handler needs.
struct Run {
    /// The first signal's number; 0 before there is one.
    signal: AtomicI32,
    /// Whether the engine has returned, so that the program exits normally.
    returned: Mutex<bool>,
    printer: Printer,
}

impl Terminal {
    /// Shows a bar on the standard error if it is a terminal and `quiet` is not set, and handles signals. The first
    /// signal stops the extraction; if that takes longer than [`STOP_TIMEOUT`], the program exits. The second signal
    /// exits at once. Unfinished output is removed.
    pub(crate) fn new(printer: Printer) -> anyhow::Result<Self> {
        let bar = ProgressBar::new(1000);
        if printer.quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_style(ProgressStyle::with_template("{msg} {bar:30} {percent:>3} % {eta}")?);
        let run = Arc::new(Run { signal: AtomicI32::new(0), returned: Mutex::new(false), printer });
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let handled = Arc::clone(&run);
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if handled.signal.compare_exchange(0, signal, Relaxed, Relaxed).is_err() {
                    handled.end();
                    continue;
                }
                let waiting = Arc::clone(&handled);
                std::thread::spawn(move || {
                    std::thread::sleep(STOP_TIMEOUT);
                    waiting.end();
                });
            }
        });
        Ok(Self { bar, label: String::new(), run })
    }

    /// Shows the bar for another video.
    pub(crate) fn begin(&mut self, label: String) {
        self.label = label;
        *self.run.returned() = false;
    }

    /// Removes the bar. From now on a signal does not exit the program.
    pub(crate) fn finish(&self) {
        self.bar.set_position(0);
        self.bar.finish_and_clear();
        self.bar.reset();
        *self.run.returned() = true;
    }

    /// The first signal, if there was one.
    pub(crate) fn signal(&self) -> Option<i32> {
        Some(self.run.signal.load(Relaxed)).filter(|signal| *signal != 0)
    }
}

impl Run {
    fn returned(&self) -> MutexGuard<'_, bool> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exits the program, unless the engine has returned.
    fn end(&self) {
        // Locked until the exit, so that the main thread cannot continue.
        let returned = self.returned();
        if !*returned {
            interrupts::exit(|| self.printer.interrupted(self.signal.load(Relaxed)));
        }
    }
}

impl Control for Terminal {
    fn progress(&self, progress: &Progress) -> bool {
        if !self.bar.is_hidden() {
            let position = (progress.percent * 10.0) as u64;
            if position != self.bar.position() || progress.frames_done == 0 {
                let (label, stage) = (&self.label, progress.stage.as_str());
                self.bar.set_message(format!("{label}: {stage}, {}", frames(progress.frames_done)));
                self.bar.set_position(position);
            }
        }
        self.signal().is_none()
    }
}
