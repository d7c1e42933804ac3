//! The progress bar, and Ctrl-C.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use framelift_media::{Control, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::outcome;

/// How long the engine may take to stop after Ctrl-C. It looks up with every packet, but one call
/// into a decoder, and one write into a pipe that nobody reads, may last for minutes.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// Shows the progress on a terminal, and stops at Ctrl-C.
pub(crate) struct Terminal {
    bar: ProgressBar,
    run: Arc<Run>,
}

/// What Ctrl-C has to end.
struct Run {
    interrupted: AtomicBool,
    /// None once the engine has returned: then the rest is done in order.
    leftovers: Mutex<Option<Leftovers>>,
    json: bool,
}

/// What must not be left behind.
#[derive(Default)]
struct Leftovers {
    unfinished: Option<PathBuf>,
}

impl Terminal {
    /// A bar on the standard error, unless that is no terminal or `quiet`. The first Ctrl-C
    /// stops the extraction, by force where it does not stop by itself; the second does so at once.
    /// Nothing half done is left. With `json`, the standard output says how it ended.
    pub(crate) fn new(quiet: bool, json: bool) -> anyhow::Result<Self> {
        let bar = ProgressBar::new(1000);
        if quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_style(ProgressStyle::with_template("{msg:>24} {bar:40} {percent:>3} % {eta}")?);
        let run = Arc::new(Run {
            interrupted: AtomicBool::new(false),
            leftovers: Mutex::new(Some(Leftovers::default())),
            json,
        });
        let handled = Arc::clone(&run);
        ctrlc::set_handler(move || {
            if handled.interrupted.swap(true, Relaxed) {
                return handled.end();
            }
            let waiting = Arc::clone(&handled);
            std::thread::spawn(move || {
                std::thread::sleep(STOPS_WITHIN);
                waiting.end();
            });
        })?;
        Ok(Self { bar, run })
    }

    /// The file that is removed if the program is ended by force.
    pub(crate) fn removes(&self, unfinished: PathBuf) {
        if let Some(leftovers) = &mut *self.run.leftovers() {
            leftovers.unfinished = Some(unfinished);
        }
    }

    /// Removes the bar; from now on the program ends by itself.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        *self.run.leftovers() = None;
    }
}

impl Run {
    fn leftovers(&self) -> std::sync::MutexGuard<'_, Option<Leftovers>> {
        self.leftovers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the program in the middle of what it does, unless the engine has returned.
    fn end(&self) {
        // Held to the end, so that the main thread cannot go on meanwhile.
        let leftovers = self.leftovers();
        let Some(found) = &*leftovers else { return };
        if let Some(unfinished) = &found.unfinished {
            let _ = std::fs::remove_file(unfinished);
        }
        outcome::interrupted(self.json);
        std::process::exit(outcome::INTERRUPTED.into());
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
        !self.run.interrupted.load(Relaxed)
    }
}
