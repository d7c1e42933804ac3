//! Handles signals in commands over the network: they exit at once, but not while a new token is being stored.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static UNINTERRUPTIBLE: Mutex<()> = Mutex::new(());

/// Makes signals print `advice` and exit with `128 + n`.
pub(crate) fn exit_on_signal(advice: &'static str) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("signals cannot be handled")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _guard = UNINTERRUPTIBLE.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(std::io::stderr(), "\nerror: interrupted\nhint: {advice}");
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Runs `work`, which signals do not interrupt.
pub(crate) fn without_interruption<T>(work: impl FnOnce() -> T) -> T {
    let _guard = UNINTERRUPTIBLE.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}
