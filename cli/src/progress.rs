//! The progress bar, and signals.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use framelift_media::{Control, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::outcome::{Printer, frames};

/// How long the engine may take to stop after a signal. It looks up with every packet, but one call
/// into a decoder, and one write into a pipe that nobody reads, may last for minutes.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// Shows the progress on a terminal, and stops at a signal.
pub(crate) struct Terminal {
    bar: ProgressBar,
    label: String,
    run: Arc<Run>,
}

/// What a signal has to end.
struct Run {
    /// The first signal's number; 0 before there is one.
    signal: AtomicI32,
    work: Mutex<Work>,
    printer: Printer,
}

/// What the engine is at.
enum Work {
    /// It runs; what is named here must not be left behind.
    Running(Option<PathBuf>),
    /// It has returned: the rest is done in order.
    Returned,
}

impl Terminal {
    /// A bar on the standard error, unless that is no terminal or nothing is to be shown. The first
    /// signal stops the extraction, by force where it does not stop by itself; the second does so at
    /// once. Nothing half done is left.
    pub(crate) fn new(printer: Printer) -> anyhow::Result<Self> {
        let bar = ProgressBar::new(1000);
        if printer.quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_style(ProgressStyle::with_template("{msg} {bar:30} {percent:>3} % {eta}")?);
        let run = Arc::new(Run { signal: AtomicI32::new(0), work: Mutex::new(Work::Running(None)), printer });
        // Writing beyond the limit on files' sizes is an error like any other, instead of the end.
        signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
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
                    std::thread::sleep(STOPS_WITHIN);
                    waiting.end();
                });
            }
        });
        Ok(Self { bar, label: String::new(), run })
    }

    /// Begins with a video.
    pub(crate) fn begin(&mut self, label: String) {
        self.label = label;
        *self.run.work() = Work::Running(None);
    }

    /// What is removed if the program is ended by force.
    pub(crate) fn removes(&self, unfinished: PathBuf) {
        *self.run.work() = Work::Running(Some(unfinished));
    }

    /// Removes the bar; from now on what has been begun is ended in order.
    pub(crate) fn finish(&self) {
        self.bar.set_position(0);
        self.bar.finish_and_clear();
        self.bar.reset();
        *self.run.work() = Work::Returned;
    }

    /// The signal that said stop.
    pub(crate) fn signal(&self) -> Option<i32> {
        Some(self.run.signal.load(Relaxed)).filter(|signal| *signal != 0)
    }
}

impl Run {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the program in the middle of what it does, unless the engine has returned.
    fn end(&self) {
        // Held to the end, so that the main thread cannot go on meanwhile.
        let work = self.work();
        let Work::Running(unfinished) = &*work else { return };
        if let Some(unfinished) = unfinished {
            let _ = match unfinished.is_dir() {
                true => std::fs::remove_dir_all(unfinished),
                false => std::fs::remove_file(unfinished),
            };
        }
        let exit = self.printer.interrupted(self.signal.load(Relaxed));
        std::process::exit(exit.into());
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
