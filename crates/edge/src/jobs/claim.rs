//! Claiming jobs and renewing their leases.

use framelift_domain::video::{Event, Progress, Reason, StateName};
use framelift_domain::{Failure, FailureCode, Video, VideoId, WorkerId};

use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::records::VideoRow;

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Assigns the job to a worker: makes the next attempt, with a lease. A repeated call with the same claim id
    /// returns the same attempt while the lease lasts.
    ///
    /// After [`JobError::JobFinished`] there may be an unsent notice: see [`Self::notice`].
    pub async fn claim(&self, id: VideoId, worker: WorkerId, claim_id: Option<String>) -> Result<Video> {
        let VideoRow { video, understood, .. } = self.row(id).await?;
        if !understood && !video.state.is_terminal() {
            // Newer code stored its options. That version will be deployed again.
            return Err(JobError::JobNotReady);
        }
        match video.state.name() {
            StateName::AwaitingUpload | StateName::Queued => {
                // After a crash, the slots may be ahead of the record.
                if !self.store.slots(video.owner).await?.is_in_flight(id) {
                    return Err(JobError::JobNotReady);
                }
                match self.apply(id, &Event::Dispatched).await {
                    Ok(_) | Err(JobError::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            _ if video.state.is_terminal() => return self.finish_again(id).await,
            _ => {}
        }
        if video.state.attempts().releases > self.limits.max_releases {
            self.give_up(id, exhausted()).await?;
            return self.finish_again(id).await;
        }
        let event = Event::Claimed {
            worker,
            claim_id,
            lease_s: self.limits.lease_s,
            max_job_s: self.limits.max_job_s,
        };
        match self.apply(id, &event).await {
            Err(JobError::Refused(refused)) => match refused.reason {
                Reason::LeaseHeld { until } => {
                    let ms = until.ms_since(self.now()).clamp(1, i64::from(self.limits.lease_s) * 1000);
                    Err(JobError::LeaseHeld { retry_after_s: u32::try_from(ms).unwrap_or(1).div_ceil(1000) })
                }
                Reason::DeadlinePassed => {
                    self.give_up(id, timed_out()).await?;
                    self.finish_again(id).await
                }
                Reason::Finished => self.finish_again(id).await,
                _ => Err(JobError::JobNotReady),
            },
            outcome => outcome,
        }
    }

    /// Renews the lease and records the attempt's progress.
    pub async fn progress(
        &self,
        id: VideoId,
        attempt: u32,
        worker: WorkerId,
        progress: Progress,
    ) -> Result<Video> {
        let lease_s = self.limits.lease_s;
        self.apply(id, &Event::Progressed { attempt, worker, progress, lease_s }).await
    }

    /// Does the steps that an earlier report may have left undone, and returns [`JobError::JobFinished`].
    pub(super) async fn finish_again<T>(&self, id: VideoId) -> Result<T> {
        let video = self.row(id).await?.video;
        if video.state.is_terminal() {
            self.finish(&video).await?;
        }
        Err(JobError::JobFinished)
    }

    /// Fails a job that gets no further attempt, unless it has ended.
    pub(super) async fn give_up(&self, id: VideoId, failure: Failure) -> Result<()> {
        match self.apply(id, &Event::GivenUp(failure)).await {
            Ok(_) | Err(JobError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn timed_out() -> Failure {
    Failure::new(FailureCode::TimedOut, "the video was not done within the time that a job may take")
}

pub(super) fn exhausted() -> Failure {
    Failure::new(FailureCode::Internal, "too many attempts at the video ended without a verdict")
}
