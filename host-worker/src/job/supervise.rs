//! Watches over a running attempt: progress and the lease, the deadline, a stuck decoder, a shutdown.

use std::sync::Arc;
use std::time::Duration;

use framelift_contract::report::Job;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::engine::{Stop, Stopper, Watch};
use crate::report::{ControlClient, ReportError, Trace};

/// How often it looks; a change of stage is reported this much later at most.
const LOOK: Duration = Duration::from_secs(1);

/// What is watched, and how.
pub(super) struct Supervisor {
    pub(super) control: ControlClient,
    pub(super) job: Job,
    pub(super) trace: Trace,
    pub(super) watch: Arc<Watch>,
    pub(super) stopper: Arc<Stopper>,
    pub(super) release: CancellationToken,
    /// From now on.
    pub(super) deadline: Duration,
    pub(super) stuck_after: Duration,
    pub(super) progress: Duration,
}

/// Signs of life, and when the last one was seen.
struct Pulse {
    beats: u64,
    seen: Instant,
}

impl Pulse {
    /// Whether the engine runs and nothing has moved for so long.
    fn is_stuck(&mut self, watch: &Watch, stuck_after: Duration) -> bool {
        let (beats, now) = (watch.beats(), Instant::now());
        if beats != self.beats || !watch.phase().is_engine() {
            *self = Self { beats, seen: now };
        }
        now - self.seen >= stuck_after
    }
}

impl Supervisor {
    /// Runs until the attempt is stopped, by itself or by another; dropped with the attempt.
    pub(super) async fn run(self) {
        let started = Instant::now();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pulse = Pulse { beats: 0, seen: started };
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
            if pulse.is_stuck(&self.watch, self.stuck_after) {
                return self.stopper.stop(Stop::Stuck);
            }
            let now_doing = self.watch.phase().as_str();
            if now_doing != stage || reported.elapsed() >= self.progress {
                (stage, reported) = (now_doing, Instant::now());
                if let Some(stop) = self.report().await {
                    return self.stopper.stop(stop);
                }
            }
        }
    }

    /// Reports once; the next report is the next try.
    async fn report(&self) -> Option<Stop> {
        let report = self.control.progress(&self.job, &self.trace, self.watch.report());
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

    use super::super::engine::Phase;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_running_engine_can_be_stuck() {
        let watch = Watch::new(Arc::new(Stopper::default()));
        let stuck_after = Duration::from_secs(300);
        let mut pulse = Pulse { beats: 0, seen: Instant::now() };
        tokio::time::advance(stuck_after * 2).await;
        assert!(!pulse.is_stuck(&watch, stuck_after), "the engine does not run yet");

        let sign = Progress {
            stage: Stage::Extracting,
            percent: 1.0,
            frames_done: 0,
            frames_expected: None,
            bytes_read: 0,
        };
        for _ in 0..3 {
            watch.progress(&sign);
            assert!(!pulse.is_stuck(&watch, stuck_after));
            tokio::time::advance(stuck_after - LOOK).await;
            assert!(!pulse.is_stuck(&watch, stuck_after), "packets, not images, are a sign of life");
        }
        tokio::time::advance(LOOK).await;
        assert!(pulse.is_stuck(&watch, stuck_after));

        watch.enter(Phase::Storing);
        assert!(!pulse.is_stuck(&watch, stuck_after), "a slow upload is not the decoder's fault");
    }
}
