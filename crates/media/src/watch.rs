//! The shared state of one extraction: its progress, and whether it must stop.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use framelift_domain::{FailureCode, Rational};

use crate::budget::Budget;
use crate::pictures::Pictures;
use crate::words::count;
use crate::{Control, EngineLimits, ExtractError, Progress, Stage};

const UNKNOWN: u64 = u64::MAX;

/// Why the stages were told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Cancelled = 1,
    TimedOut = 2,
    /// Another stage has failed and holds the error.
    Aborted = 3,
    /// Opening and measuring took longer than the file's size allows.
    SlowStart = 4,
    /// Opening and measuring read more bytes than the file's size allows.
    TooManyReads = 5,
    /// The extraction took longer than the video's size and duration allow.
    OverBudget = 6,
}

/// Every stage reports its progress here and asks whether to continue.
pub(crate) struct Watch<'c> {
    control: &'c dyn Control,
    started: Instant,
    max_wall: Duration,
    stop: AtomicU8,
    stage: AtomicU8,
    permille: AtomicU32,
    frames_done: AtomicU64,
    frames_expected: AtomicU64,
    bytes_read: AtomicU64,
    /// Microseconds that reads have waited for the source.
    waited: AtomicU64,
    /// Microseconds of work other than opening and measuring.
    work_elsewhere: AtomicU64,
    /// Microseconds of work at the time when extraction last began.
    prepared_at: AtomicU64,
    opened: OnceLock<Budget>,
    claimed: OnceLock<Budget>,
    warnings: Mutex<Vec<String>>,
    pictures: OnceLock<Arc<Pictures>>,
}

impl<'c> Watch<'c> {
    pub(crate) fn new(control: &'c dyn Control, limits: &EngineLimits) -> Self {
        Self {
            control,
            started: Instant::now(),
            max_wall: limits.max_wall,
            stop: AtomicU8::new(0),
            stage: AtomicU8::new(Stage::Opening as u8),
            permille: AtomicU32::new(0),
            frames_done: AtomicU64::new(0),
            frames_expected: AtomicU64::new(UNKNOWN),
            bytes_read: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            work_elsewhere: AtomicU64::new(0),
            prepared_at: AtomicU64::new(0),
            opened: OnceLock::new(),
            claimed: OnceLock::new(),
            warnings: Mutex::new(Vec::new()),
            pictures: OnceLock::new(),
        }
    }

    /// Reports progress, and asks the caller and the clock whether to continue. Once false, it stays false.
    pub(crate) fn should_continue(&self) -> bool {
        if self.stop.load(Relaxed) != 0 {
            return false;
        }
        if self.started.elapsed() > self.max_wall {
            self.stop(Stop::TimedOut);
            return false;
        }
        if let Some(reason) = self.spent() {
            self.stop(reason);
            return false;
        }
        let progress = Progress {
            stage: self.stage(),
            percent: self.permille.load(Relaxed) as f32 / 10.0,
            frames_done: self.frames_done.load(Relaxed),
            frames_expected: Some(self.frames_expected.load(Relaxed)).filter(|&n| n != UNKNOWN),
            bytes_read: self.bytes_read(),
            decoded_ms: self.pictures.get().map_or(0, |pictures| pictures.decoded_ms()),
        };
        if self.control.progress(&progress) {
            return true;
        }
        self.stop(Stop::Cancelled);
        false
    }

    fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Opening,
            1 => Stage::Indexing,
            2 => Stage::Extracting,
            _ => Stage::Finishing,
        }
    }

    /// Sets the limits for opening a file of `size` bytes.
    pub(crate) fn opens(&self, size: u64) {
        let _ = self.opened.set(Budget::new(size, None, 0));
    }

    /// Sets the time limit of the extraction from the video's claims and size.
    pub(crate) fn claims(&self, size: u64, duration: Option<Rational>, pixels: u64) {
        let _ = self.claimed.set(Budget::new(size, duration, pixels));
    }

    /// Microseconds since the start, waits for the source not counted.
    fn working_time(&self) -> u64 {
        micros(self.started.elapsed()).saturating_sub(self.waited.load(Relaxed))
    }

    /// Returns which limit is exceeded, if any.
    fn spent(&self) -> Option<Stop> {
        let working_time = self.working_time();
        if self.stage().is_preparation() {
            let budget = self.opened.get()?;
            let preparing = working_time.saturating_sub(self.work_elsewhere.load(Relaxed));
            if preparing > micros(budget.preparation()) {
                return Some(Stop::SlowStart);
            }
            return (self.bytes_read() > budget.reads()).then_some(Stop::TooManyReads);
        }
        let whole = self.claimed.get()?.whole(self.frames_done.load(Relaxed));
        (working_time > micros(whole)).then_some(Stop::OverBudget)
    }

    /// Runs a read of the source; its time is not charged to the video.
    pub(crate) fn waiting<T>(&self, read: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = read();
        self.waited.fetch_add(micros(began.elapsed()), Relaxed);
        result
    }

    /// The budget of the job's pictures, for a file of `size` bytes.
    pub(crate) fn pictures(&self, limits: &EngineLimits, size: u64) -> Arc<Pictures> {
        Arc::clone(self.pictures.get_or_init(|| Arc::new(Pictures::new(limits, size))))
    }

    /// Tells every stage to stop; the first reason stays.
    pub(crate) fn stop(&self, reason: Stop) {
        let _ = self.stop.compare_exchange(0, reason as u8, Relaxed, Relaxed);
    }

    /// Returns the error for a stop; for `Aborted` the failed stage's own error must be used instead.
    pub(crate) fn stop_error(&self) -> ExtractError {
        let timed_out = |what: &str, limit: Duration, of: Option<&Budget>| {
            let of = of.map_or_else(String::new, |budget| {
                format!(", the time for a file of {}", count(budget.size(), "byte"))
            });
            ExtractError::failed(FailureCode::TimedOut, format!("{what} within {} s{of}", limit.as_secs()))
        };
        let opened = self.opened.get();
        match self.stop.load(Relaxed) {
            6 => {
                let claimed = self.claimed.get();
                let whole = claimed.map_or(self.max_wall, |b| b.whole(self.frames_done.load(Relaxed)));
                timed_out("not done", whole, claimed)
            }
            5 => ExtractError::failed(
                FailureCode::LimitExceeded,
                "opening and measuring the video read all of its bytes again and again",
            ),
            4 => {
                let limit = opened.map_or(self.max_wall, Budget::preparation);
                timed_out("not opened and measured", limit, opened)
            }
            2 => timed_out("not done", self.max_wall, None),
            1 => ExtractError::Cancelled,
            _ => ExtractError::internal("the extraction stopped without a reason"),
        }
    }

    /// Whether the caller or the clock, not another stage, ended it.
    pub(crate) fn stopped_from_outside(&self) -> bool {
        matches!(self.stop.load(Relaxed), 1 | 2 | 4 | 5 | 6)
    }

    pub(crate) fn enter(&self, stage: Stage) {
        match (self.stage().is_preparation(), stage.is_preparation()) {
            (true, false) => self.prepared_at.store(self.working_time(), Relaxed),
            (false, true) => {
                let elsewhere = self.working_time().saturating_sub(self.prepared_at.load(Relaxed));
                self.work_elsewhere.fetch_add(elsewhere, Relaxed);
            }
            _ => {}
        }
        self.stage.store(stage as u8, Relaxed);
    }

    /// Raises the percentage, given in thousandths.
    pub(crate) fn reach(&self, permille: u32) {
        self.permille.fetch_max(permille.min(1000), Relaxed);
    }

    /// Raises the percentage to `time` as a part of `whole`, if that is known.
    pub(crate) fn reach_part(&self, time: Rational, whole: Option<Rational>) {
        if let Some(whole) = whole.filter(|whole| whole.is_positive()) {
            self.reach((time.to_f64() / whole.to_f64() * 990.0).clamp(0.0, 990.0) as u32);
        }
    }

    pub(crate) fn expect_frames(&self, frames: Option<u64>) {
        self.frames_expected.store(frames.unwrap_or(UNKNOWN), Relaxed);
    }

    pub(crate) fn frame_done(&self) {
        self.frames_done.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Relaxed)
    }

    /// Adds a warning once; a hostile file cannot make the list long.
    pub(crate) fn warn(&self, warning: impl Into<String>) {
        const MAX_WARNINGS: usize = 50;
        let warning = warning.into();
        let mut warnings = self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if warnings.len() < MAX_WARNINGS && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    pub(crate) fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Parallel stages warn in any order, and the manifest must not depend on it.
        warnings.sort_unstable();
        std::mem::take(&mut *warnings)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(watch: &Watch<'_>) -> (FailureCode, String) {
        assert!(!watch.should_continue() && watch.stopped_from_outside());
        let ExtractError::Failed(failure) = watch.stop_error() else { panic!("a failure") };
        (failure.code, failure.message)
    }

    /// A watch that was started so long ago.
    fn after(seconds: u64) -> Watch<'static> {
        let limits = EngineLimits { max_wall: Duration::from_secs(1 << 30), ..EngineLimits::default() };
        let mut watch = Watch::new(&(), &limits);
        watch.started = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        watch
    }

    #[test]
    fn opening_has_a_time_by_the_bytes() {
        let watch = after(16);
        assert!(watch.should_continue(), "the size is not known yet");
        watch.opens(1000);
        let (code, message) = failed(&watch);
        assert_eq!(code, FailureCode::TimedOut);
        assert_eq!(message, "not opened and measured within 15 s, the time for a file of 1000 bytes");

        let waited = after(16);
        waited.opens(1000);
        waited.waited.store(2_000_000, Relaxed);
        assert!(waited.should_continue(), "a slow source is not the file's fault");

        let large = after(16);
        large.opens(1 << 20);
        assert!(large.should_continue());
    }

    #[test]
    fn extracting_is_not_opening() {
        let watch = after(16);
        watch.enter(Stage::Extracting);
        watch.prepared_at.store(1_000_000, Relaxed);
        watch.opens(1000);
        assert!(watch.should_continue());
        // Opened again, with 14 s of the budget left.
        watch.enter(Stage::Indexing);
        assert!(watch.should_continue());
        watch.work_elsewhere.store(0, Relaxed);
        assert_eq!(failed(&watch).0, FailureCode::TimedOut);
    }

    #[test]
    fn opening_does_not_read_a_file_again_and_again() {
        let watch = after(0);
        watch.opens(1 << 20);
        watch.read((64 + 8) << 20);
        assert!(watch.should_continue());
        watch.read(1);
        let (code, message) = failed(&watch);
        assert_eq!(code, FailureCode::LimitExceeded);
        assert!(message.ends_with("read all of its bytes again and again"), "{message}");
    }

    #[test]
    fn all_of_it_has_a_time_by_bytes_and_duration() {
        let watch = after(1_900);
        watch.enter(Stage::Extracting);
        watch.claims(1 << 20, Some(Rational::whole(60)), 0);
        assert!(watch.should_continue(), "1,800 s, and a minute each for the bytes and the duration");
        let watch = after(1_930);
        watch.enter(Stage::Extracting);
        watch.claims(1 << 20, Some(Rational::whole(60)), 0);
        let (code, message) = failed(&watch);
        assert_eq!(code, FailureCode::TimedOut);
        assert_eq!(message, "not done within 1920 s, the time for a file of 1048576 bytes");
        let with_images = after(1_930);
        with_images.enter(Stage::Extracting);
        with_images.claims(1 << 20, Some(Rational::whole(60)), 0);
        (0..10).for_each(|_| with_images.frame_done());
        assert!(with_images.should_continue());
    }
}
