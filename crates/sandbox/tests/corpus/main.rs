//! Thousands of bad files, made from a seed: each ends in a clear failure or in a result, and no decoder
//! crashes.
//!
//! `FRAMELIFT_CORPUS_SEED` makes other files, `FRAMELIFT_CORPUS_ROUNDS` makes more of them. A file that is
//! dealt with wrongly is kept in the folder that Cargo gives to tests.

#![expect(clippy::unwrap_used, reason = "a helper that fails has to fail its test")]

mod bombs;
mod damage;
mod samples;
mod strangers;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use framelift_domain::{FailureCode, Options, Select};
use framelift_media::{EngineLimits, ExtractError, HardwareUse, MemorySource, Output, Request};
use framelift_sandbox::{RunError, Sandbox, Settings};

/// The longest that a bad file may keep a worker busy.
const LONGEST: Duration = Duration::from_secs(60);
/// The most memory that the parent may keep when all is done, and that any one child may have used.
const PARENT_GROWTH: u64 = 32 << 20;
const CHILD_PEAK: u64 = 1 << 30;

/// A bad file.
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// Whether it can only be refused: no picture of it is a video's.
    refused: bool,
}

impl Case {
    fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes, refused: false }
    }

    fn refused(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into(), refused: true }
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |value| value.parse().unwrap())
}

fn sandbox() -> Sandbox {
    Sandbox::start(Settings {
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_framelift-hostile-child"))),
        ready: 2,
        best_effort: true,
        hardware: HardwareUse::Never,
        inactivity_timeout: LONGEST,
        ..Settings::default()
    })
    .unwrap()
}

/// What is wrong with how a file was dealt with.
fn verdict(sandbox: &Sandbox, case: &Case, select: Select) -> Result<(), String> {
    let limits = &EngineLimits {
        threads: 2,
        hardware: HardwareUse::Never,
        max_wall: LONGEST,
        ..EngineLimits::default()
    };
    let options = &Options { select, ..Options::default() };
    let source = Box::new(MemorySource(case.bytes.clone().into()));
    let mut archive = Vec::new();
    let output = Output::zip(&mut archive);
    let request = Request { source, file_name: "case.mp4".to_owned(), options, limits, output, control: &() };
    match sandbox.extract(request, &[]) {
        Ok(done) if case.refused => Err(format!("{} frames of what is no video", done.outcome.frames)),
        Ok(done) if done.outcome.frames == 0 => Err("an empty result".to_owned()),
        Ok(_) => Ok(()),
        Err(RunError::Extract(ExtractError::Failed(failure))) => match failure.code {
            FailureCode::Internal | FailureCode::TimedOut | FailureCode::DecoderCrashed => {
                Err(format!("{}: {}", failure.code.as_str(), failure.message))
            }
            _ if failure.message.is_empty() => Err(format!("{} without a reason", failure.code.as_str())),
            _ => Ok(()),
        },
        Err(error) => Err(error.to_string()),
    }
}

/// Bytes of memory that this process has at the moment.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
}

/// The most memory that any child had.
#[expect(unsafe_code, reason = "one call of the kernel")]
fn peak_of_children() -> u64 {
    // SAFETY: all zeros is a value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: it is written to.
    let done = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    assert_eq!(done, 0);
    u64::try_from(usage.ru_maxrss).unwrap() << 10
}

/// Runs all of `cases` by two at a time; panics with what went wrong.
fn check(sandbox: &Sandbox, cases: &[Case]) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Relaxed)) {
                    // Every frame in order, or a few wherever they are.
                    let select = if case.bytes.len() % 2 == 0 { Select::All } else { Select::Count(3) };
                    if let Err(what) = verdict(sandbox, case, select) {
                        wrong.lock().unwrap().push(format!("{}: {what}", keep(case)));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Keeps a file for debugging. Returns its path.
fn keep(case: &Case) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(case.name.replace('/', "-"));
    std::fs::write(&path, &case.bytes).unwrap();
    path.display().to_string()
}

#[test]
#[expect(unsafe_code, reason = "one call of the C library")]
fn bad_files_end_in_a_clear_failure_or_a_result() {
    // Large pieces go back to the kernel at once: what the allocator keeps for later is not what a job
    // leaves behind.
    // SAFETY: it is only a setting.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10) };
    let seed = number("FRAMELIFT_CORPUS_SEED", 1);
    let rounds = number("FRAMELIFT_CORPUS_ROUNDS", 1) as usize;
    let mut random = fastrand::Rng::with_seed(seed);
    let samples = samples::make();
    let mut cases = strangers::all();
    cases.extend(bombs::all(&samples));
    for sample in &samples {
        cases.extend(damage::shortest(sample));
        cases.extend(damage::cut(sample));
        cases.extend(damage::flipped(sample, &mut random, rounds));
        cases.extend(damage::spliced(sample, &samples, &mut random, rounds));
    }
    let sandbox = sandbox();
    // What is allocated once is there before it is measured.
    check(&sandbox, &cases[..20]);
    let before = resident();
    check(&sandbox, &cases);
    let growth = resident().saturating_sub(before);
    eprintln!(
        "{} files, {} MiB more, {} MiB at most in a child",
        cases.len(),
        growth >> 20,
        peak_of_children() >> 20
    );
    assert!(growth < PARENT_GROWTH, "the parent keeps {growth} bytes");
    assert!(peak_of_children() < CHILD_PEAK, "a child used {} bytes", peak_of_children());
}
