//! The shared view of one extraction: how far it is, and whether it must stop.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use framelift_domain::{FailureCode, Rational};

use crate::{Control, EngineLimits, ExtractError, Progress, Stage};

const UNKNOWN: u64 = u64::MAX;

/// Why the stages were told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Cancelled = 1,
    TimedOut = 2,
    /// Another stage has failed and holds the error.
    Aborted = 3,
}

/// Every stage reports here and asks here whether to go on.
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
    warnings: Mutex<Vec<String>>,
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
            warnings: Mutex::new(Vec::new()),
        }
    }

    /// Reports progress and asks the caller and the clock; once false, false for good.
    pub(crate) fn go_on(&self) -> bool {
        if self.stop.load(Relaxed) != 0 {
            return false;
        }
        if self.started.elapsed() > self.max_wall {
            self.stop(Stop::TimedOut);
            return false;
        }
        let stage = match self.stage.load(Relaxed) {
            0 => Stage::Opening,
            1 => Stage::Indexing,
            2 => Stage::Extracting,
            _ => Stage::Finishing,
        };
        let progress = Progress {
            stage,
            percent: self.permille.load(Relaxed) as f32 / 10.0,
            frames_done: self.frames_done.load(Relaxed),
            frames_expected: Some(self.frames_expected.load(Relaxed)).filter(|&n| n != UNKNOWN),
            bytes_read: self.bytes_read(),
        };
        if self.control.progress(&progress) {
            return true;
        }
        self.stop(Stop::Cancelled);
        false
    }

    /// Tells every stage to stop; the first reason stays.
    pub(crate) fn stop(&self, reason: Stop) {
        let _ = self.stop.compare_exchange(0, reason as u8, Relaxed, Relaxed);
    }

    /// The error that a stop means; `Aborted` must have been replaced by its own error.
    pub(crate) fn stop_error(&self) -> ExtractError {
        match self.stop.load(Relaxed) {
            2 => ExtractError::failed(
                FailureCode::TimedOut,
                format!("not done within {} s", self.max_wall.as_secs()),
            ),
            1 => ExtractError::Cancelled,
            _ => ExtractError::internal("the extraction stopped without a reason"),
        }
    }

    /// Whether a caller or the clock, not another stage, has ended it.
    pub(crate) fn stopped_from_outside(&self) -> bool {
        matches!(self.stop.load(Relaxed), 1 | 2)
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    /// Raises the percentage, given in thousandths.
    pub(crate) fn reach(&self, permille: u32) {
        self.permille.fetch_max(permille.min(1000), Relaxed);
    }

    /// Raises the percentage to that of `time` in `whole`, where that is known.
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
        const MOST: usize = 50;
        let warning = warning.into();
        let mut warnings = self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if warnings.len() < MOST && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    pub(crate) fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Stages that run side by side warn in any order; a manifest is the same each time.
        warnings.sort_unstable();
        std::mem::take(&mut *warnings)
    }
}
