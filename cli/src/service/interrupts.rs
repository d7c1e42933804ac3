//! Signals that end a command over the network: at once, but not while a new token is being kept.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static HELD: Mutex<()> = Mutex::new(());

/// From now on a signal ends the program with `128 + n`, after it has printed `advice`.
pub(crate) fn end_with(advice: &'static str) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("signals cannot be handled")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(std::io::stderr(), "\nerror: interrupted\nhint: {advice}");
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Runs what must not be ended half-way.
pub(crate) fn held_back<T>(work: impl FnOnce() -> T) -> T {
    let _held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}
