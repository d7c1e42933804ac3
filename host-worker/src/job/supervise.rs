//! Supervises a running attempt: reports progress, which renews the lease, and stops it at its deadline, when
//! the decoder is stuck, and in a shutdown.

use std::sync::Arc;
use std::time::Duration;

use framelift_contract::report::Job;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::stop::{Stop, Stopper};
use super::watch::{Phase, Watch};
use crate::report::{ControlClient, ReportError, Trace};

/// How often an attempt is checked; a change of stage is reported with at most this delay.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How much longer than the engine itself the supervisor waits for a video to open.
const ENGINE_GRACE: Duration = Duration::from_secs(5);
/// Bytes a second that count as progress where neither frames nor the percentage increase: the
/// slowest decoder reads more of the video with the lowest bit rate.
const MIN_BYTES_PER_SECOND: u64 = 8 << 10;

/// Supervises one attempt.
pub(super) struct Supervisor {
    pub(super) control: ControlClient,
    pub(super) job: Job,
    pub(super) trace: Trace,
    pub(super) watch: Arc<Watch>,
    pub(super) stopper: Arc<Stopper>,
    pub(super) release: CancellationToken,
    /// How long the attempt may take from now on.
    pub(super) deadline: Duration,
    pub(super) stuck_after: Duration,
    pub(super) progress: Duration,
}

/// The counters at the last progress, and when the engine began to open the video.
struct ProgressTracker {
    frames: u64,
    permille: u32,
    bytes: u64,
    seen: Instant,
    /// When opening and measuring began, and how long the engine had waited for the store by then.
    opening: Option<(Instant, Duration)>,
}

impl ProgressTracker {
    fn new() -> Self {
        Self { frames: 0, permille: 0, bytes: 0, seen: Instant::now(), opening: None }
    }

    /// Returns why the engine must be stopped, if it is stuck. Opening a video of `size` bytes has a
    /// time budget, because an endless loop reads bytes, too. After that, frames, the percentage or
    /// at least bytes at a minimum rate must increase within each `stuck_after`.
    fn is_stuck(&mut self, watch: &Watch, size: u64, stuck_after: Duration) -> Option<Stop> {
        let (phase, now) = (watch.phase(), Instant::now());
        let (frames, permille, bytes) = (watch.frames_done(), watch.permille(), watch.bytes_asked_for());
        if phase == Phase::Opening {
            let (since, waited) = *self.opening.get_or_insert((now, watch.waited()));
            let worked = (now - since).saturating_sub(watch.waited().saturating_sub(waited));
            *self = Self { frames, permille, bytes, seen: now, ..*self };
            let over = worked > framelift_media::preparation_budget(size) + ENGINE_GRACE;
            return over.then_some(Stop::SlowStart);
        }
        self.opening = None;
        let has_progressed = frames > self.frames || permille > self.permille;
        if has_progressed || !phase.is_engine() {
            *self = Self { frames, permille, bytes, seen: now, ..*self };
        }
        if now - self.seen < stuck_after {
            return None;
        }
        if bytes.saturating_sub(self.bytes) >= MIN_BYTES_PER_SECOND.saturating_mul(stuck_after.as_secs()) {
            *self = Self { bytes, seen: now, ..*self };
            return None;
        }
        Some(Stop::Stuck)
    }
}

impl Supervisor {
    /// Runs until the attempt is stopped or drops it.
    pub(super) async fn run(self) {
        let started = Instant::now();
        let mut look = tokio::time::interval(CHECK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tracker = ProgressTracker::new();
        let (mut reported, mut stage) = (started, "");
        loop {
            tokio::select! {
                () = self.stopper.token.cancelled() => return,
                () = self.release.cancelled() => return self.stopper.stop(Stop::Shutdown),
                _ = look.tick() => {}
            }
            if started.elapsed() >= self.deadline {
                return self.stopper.stop(Stop::Deadline);
            }
            if let Some(stop) = tracker.is_stuck(&self.watch, self.job.size_bytes, self.stuck_after) {
                return self.stopper.stop(stop);
            }
            let now_doing = self.watch.phase().stage().as_str();
            if now_doing != stage || reported.elapsed() >= self.progress {
                (stage, reported) = (now_doing, Instant::now());
                if let Some(stop) = self.report().await {
                    return self.stopper.stop(stop);
                }
            }
        }
    }

    /// Reports progress once. A report that fails is not repeated: the next one follows soon.
    async fn report(&self) -> Option<Stop> {
        let report =
            self.control.progress(&self.job, &self.trace, self.watch.report(), self.watch.decoded_ms());
        let answer = tokio::select! {
            answer = report => answer,
            () = self.release.cancelled() => return Some(Stop::Shutdown),
        };
        match answer {
            Ok(_) => None,
            Err(ReportError::StaleAttempt | ReportError::JobFinished | ReportError::NotFound) => {
                Some(Stop::Superseded)
            }
            Err(ReportError::Unauthorised) => Some(Stop::Unauthorised),
            Err(error) => {
                tracing::warn!(error = %error, "progress could not be reported");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use framelift_media::{Control as _, Progress, Stage};

    use super::*;

    const STUCK_AFTER: Duration = Duration::from_secs(300);
    /// A file whose opening may take 15 s.
    const SMALL: u64 = 1000;

    fn sign(stage: Stage) -> Progress {
        Progress { stage, percent: 1.0, frames_done: 0, frames_expected: None, bytes_read: 0, decoded_ms: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_extracts_must_come_forward() {
        let watch = Watch::new(Arc::new(Stopper::default()));
        let mut tracker = ProgressTracker::new();
        let mut look = |watch: &Watch| tracker.is_stuck(watch, SMALL, STUCK_AFTER);
        tokio::time::advance(STUCK_AFTER * 2).await;
        assert_eq!(look(&watch), None, "the engine does not run yet");

        let mut now = sign(Stage::Extracting);
        for (percent, frames_done, bytes_read) in [(1.1, 0, 0), (1.1, 1, 0), (1.1, 1, 300 * (8 << 10))] {
            now = Progress { percent, frames_done, bytes_read, ..now };
            watch.progress(&now);
            assert_eq!(look(&watch), None);
            tokio::time::advance(STUCK_AFTER - CHECK_INTERVAL).await;
            // A read and a packet are no progress by themselves.
            now.bytes_read += 1;
            watch.progress(&now);
            assert_eq!(look(&watch), None);
            if bytes_read == 0 {
                continue;
            }
            tokio::time::advance(CHECK_INTERVAL).await;
            assert_eq!(look(&watch), None, "bytes have come at a rate");
        }
        tokio::time::advance(STUCK_AFTER).await;
        now.bytes_read += 300 * (8 << 10) - 2;
        watch.progress(&now);
        assert_eq!(look(&watch), Some(Stop::Stuck));

        watch.enter(Phase::Storing);
        assert_eq!(look(&watch), None, "a slow upload is not the decoder's fault");
    }

    #[tokio::test(start_paused = true)]
    async fn opening_has_a_time_however_much_is_read() {
        let watch = Watch::new(Arc::new(Stopper::default()));
        let mut tracker = ProgressTracker::new();
        let mut now = sign(Stage::Opening);
        for second in 0..=20 {
            watch.progress(&now);
            assert_eq!(tracker.is_stuck(&watch, SMALL, STUCK_AFTER), None, "{second}");
            now = Progress { bytes_read: now.bytes_read + (1 << 20), ..now };
            tokio::time::advance(CHECK_INTERVAL).await;
        }
        assert_eq!(tracker.is_stuck(&watch, SMALL, STUCK_AFTER), Some(Stop::SlowStart));
        assert_eq!(tracker.is_stuck(&watch, 10 << 20, STUCK_AFTER), None, "more bytes, more time");
        watch.progress(&sign(Stage::Extracting));
        assert_eq!(tracker.is_stuck(&watch, SMALL, STUCK_AFTER), None);
    }
}
