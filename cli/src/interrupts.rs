//! Signals: what they remove before the program exits, and what they must not interrupt.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);
static HINT: Mutex<Option<&str>> = Mutex::new(None);

/// The unfinished file or folder that [`exit`] removes. While this is locked, no signal exits the program.
pub(crate) fn unfinished() -> MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work`, which signals do not interrupt.
pub(crate) fn without_interruption<T>(work: impl FnOnce() -> T) -> T {
    let _guard = unfinished();
    work()
}

/// Removes the unfinished output and exits with the code that `report` returns.
pub(crate) fn exit(report: impl FnOnce() -> u8) -> ! {
    // Locked until the exit, so that no other thread begins or moves output any more.
    let unfinished = unfinished();
    if let Some(path) = &*unfinished {
        remove(path);
    }
    std::process::exit(report().into())
}

/// Removes a file or a folder.
fn remove(path: &Path) {
    if !path.is_dir() {
        let _ = std::fs::remove_file(path);
        return;
    }
    // Other threads may still add files to the folder.
    for _ in 0..100 {
        if std::fs::remove_dir_all(path).is_ok() {
            return;
        }
    }
}

/// Makes signals exit the program with `128 + n`.
pub(crate) fn exit_on_signal() -> anyhow::Result<()> {
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| result = handle_signals());
    result.context("signals cannot be handled")
}

fn handle_signals() -> std::io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            exit(|| {
                let hint = *HINT.lock().unwrap_or_else(PoisonError::into_inner);
                let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
                let _ = write!(std::io::stderr(), "\nerror: interrupted\n{hint}");
                u8::try_from(128 + signal).unwrap_or(u8::MAX)
            });
        }
    });
    Ok(())
}

/// Sets the hint that is printed when a signal exits the program.
pub(crate) fn set_hint(hint: &'static str) {
    *HINT.lock().unwrap_or_else(PoisonError::into_inner) = Some(hint);
}

/// Makes a write beyond the limit of file sizes fail instead of killing the process, so that unfinished output is
/// removed.
pub(crate) fn survive_size_limit() -> anyhow::Result<()> {
    let registered = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    registered.map(drop).context("signals cannot be handled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_removed_though_files_are_still_added() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..10_000).take_while(|n| std::fs::write(folder.join(n.to_string()), "x").is_ok()).count()
            });
            while !folder.join("20").exists() {
                std::thread::yield_now();
            }
            remove(&folder);
        });
        assert!(!folder.exists());
    }
}
