//! Each target on its seeds, and on changes of them.

#![expect(clippy::unwrap_used, reason = "a helper that fails has to fail its test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fastrand::Rng;
use framelift_dev_fuzz::change::change;
use framelift_dev_fuzz::{TARGETS, Target};

/// Microseconds that all inputs of one target take, about.
const TIME_US: u32 = 400_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The files in the folders of a target's seeds.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("seeds").join(name)];
    if name == "messages" {
        folders.push(root.join("../../crates/contract/tests/golden"));
    }
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Runs a target on an input; what breaks a promise is kept.
fn run(target: Target, input: &[u8]) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|_| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.input", target.name));
        std::fs::write(&path, input).unwrap();
        format!("{} breaks a promise; its input is in {}", target.name, path.display())
    })
}

fn replay(target: Target) -> Result<(), String> {
    let seeds = seeds(target.name);
    let mut understood = 0;
    for seed in &seeds {
        understood += usize::from(run(target, seed)?);
    }
    if understood == 0 {
        return Err(format!("{}: no seed is understood", target.name));
    }
    let mut random = Rng::with_seed(number("FRAMELIFT_FUZZ_SEED").unwrap_or(1));
    let rounds = number("FRAMELIFT_FUZZ_ROUNDS").unwrap_or(u64::from(TIME_US / target.cost_us));
    let mut refused = 0;
    for _ in 0..rounds {
        let mut input = seeds[random.usize(0..seeds.len())].clone();
        change(&mut input, &seeds[random.usize(0..seeds.len())], &mut random);
        refused += u64::from(!run(target, &input)?);
    }
    // Changes that are all refused, or none of them, reach nothing.
    if refused == 0 || refused == rounds {
        return Err(format!("{}: {refused} of {rounds} changed seeds are refused", target.name));
    }
    Ok(())
}

#[test]
fn changed_seeds_break_no_promise() {
    let (next, threads) = (AtomicUsize::new(0), thread::available_parallelism().map_or(1, usize::from));
    let wrong = thread::scope(|scope| {
        let replay_all = || {
            let mut wrong = Vec::new();
            while let Some(target) = TARGETS.get(next.fetch_add(1, Ordering::Relaxed)) {
                wrong.extend(replay(*target).err());
            }
            wrong
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(replay_all)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(wrong, Vec::<String>::new());
}
