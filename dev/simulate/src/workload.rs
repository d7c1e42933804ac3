//! What users ask for, and what it costs a worker: wall seconds on two processors, from `docs/benchmarks.md`.

use fastrand::Rng;

/// A length of videos, and how many of a hundred have it. An assumption.
pub(crate) const LENGTHS: [(u64, u64); 4] = [(30, 40), (120, 35), (600, 20), (3_600, 5)];

/// A selection: its name, how many of a hundred ask for it (an assumption), and its milliseconds for each minute of
/// video in 1080p (measured).
pub(crate) const SELECTIONS: [(&str, u64, u64); 4] = [
    ("every 1 s", 50, 4_030),
    ("every 10 s", 30, 780),
    ("key frames", 15, 900),
    ("every frame, of up to two minutes; longer ones every 1 s", 5, 14_590),
];

/// Milliseconds of each job besides: claim, opening over the network, the end of the upload, reports. Not measured on
/// AWS; a job of a small file takes about half of it on the local stack.
pub(crate) const FIXED_MS: u64 = 1_000;

/// Of longer videos, not every frame is selected.
const MAX_SECONDS_FOR_EVERY_FRAME: u64 = 120;

fn pick<T: Copy>(rng: &mut Rng, of: impl Iterator<Item = (T, u64)>) -> Option<T> {
    let mut at = rng.u64(0..100);
    for (value, share) in of {
        if at < share {
            return Some(value);
        }
        at -= share;
    }
    None
}

/// Milliseconds that an uploaded video occupies a permit.
pub(crate) fn service_ms(rng: &mut Rng) -> u64 {
    let seconds = pick(rng, LENGTHS.into_iter()).unwrap_or(LENGTHS[0].0);
    let per_minute =
        pick(rng, SELECTIONS.iter().map(|(_, share, ms)| (*ms, *share))).unwrap_or(SELECTIONS[0].2);
    let whole = per_minute == SELECTIONS[3].2;
    let per_minute =
        if whole && seconds > MAX_SECONDS_FOR_EVERY_FRAME { SELECTIONS[0].2 } else { per_minute };
    FIXED_MS + seconds * per_minute / 60
}

/// Milliseconds of the noisy tenant's videos: an hour, every second.
pub(crate) const fn noisy_ms() -> u64 {
    FIXED_MS + 60 * SELECTIONS[0].2
}

/// The hour's part of a day's videos, in thousandths of the average: a quiet night, an evening twice as busy.
pub(crate) const HOURS: [u64; 24] = [
    500, 400, 350, 300, 300, 350, 450, 600, 800, 950, 1_050, 1_150, 1_200, 1_250, 1_300, 1_350, 1_450, 1_600,
    1_800, 1_950, 1_900, 1_600, 1_200, 500,
];
