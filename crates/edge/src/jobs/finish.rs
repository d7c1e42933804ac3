//! The reports that end an attempt: completed, failed, released, notified.

use framelift_contract::message::NoticeKind;
use framelift_contract::report::Notice;
use framelift_domain::video::{Event, EventName, Extraction, Reason, Refused, State};
use framelift_domain::{Failure, FailureCode, UserId, Video, VideoId, WorkerId};

use super::{JobError, Jobs, Result, view};
use crate::ports::{Ambient, Kv, Objects, Queue};

/// Maximum delay of a message that the queue accepts, in seconds.
const MAX_DELAY_S: u32 = 900;
/// Maximum of bytes of all warnings together.
const MAX_WARNING_BYTES: usize = 6 << 10;

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Publishes the attempt's result, frees the slot and dispatches the next video. A repeated call does the steps
    /// that an earlier one left undone.
    pub async fn complete(
        &self,
        id: VideoId,
        attempt: u32,
        worker: WorkerId,
        mut result: Extraction,
    ) -> Result<Video> {
        bound_warnings(&mut result.warnings);
        self.end(id, Event::Completed { attempt, worker, result }).await
    }

    /// Fails the video, counts its decoded time, frees the slot and dispatches the next video. A repeated call does the
    /// steps that an earlier one left undone.
    pub async fn fail(
        &self,
        id: VideoId,
        attempt: u32,
        worker: WorkerId,
        failure: Failure,
        decoded_ms: u64,
    ) -> Result<Video> {
        self.end(id, Event::Failed { attempt, worker, failure, decoded_ms }).await
    }

    async fn end(&self, id: VideoId, event: Event) -> Result<Video> {
        let video = match self.apply(id, &event).await {
            Err(JobError::Refused(refused)) if refused.reason == Reason::Finished => {
                return self.finish_again(id).await;
            }
            outcome => outcome?,
        };
        let cleanup = self.after_end(&video).await?;
        self.finish(&video).await?;
        self.try_remove(cleanup.as_ref()).await;
        Ok(video)
    }

    /// Releases the job: sends a new message, with a longer delay each time. The job fails once it was
    /// released too often or its deadline has passed.
    pub async fn release(
        &self,
        id: VideoId,
        attempt: u32,
        worker: WorkerId,
        failure: Failure,
    ) -> Result<Video> {
        let attempts = self.row(id).await?.video.state.attempts();
        let delay_s = self.delay_s(attempts.releases);
        let since = self.now().plus_s(delay_s);
        let late = attempts.first_claim.is_some_and(|first| since >= first.plus_s(self.limits.max_job_s));
        if attempts.made == attempt && (late || attempts.releases >= self.limits.max_releases) {
            let message = format!("gave up after {attempt} attempts: {}", failure.message);
            let failure = Failure::new(FailureCode::Internal, message);
            // Time that was decoded without a result is not charged to the owner.
            match self.fail(id, attempt, worker.clone(), failure, 0).await {
                // The job was already released, and the answer was lost.
                Err(JobError::Refused(_)) => {}
                outcome => return outcome,
            }
        }
        let video = match self.apply(id, &Event::Released { attempt, worker, since }).await {
            Err(JobError::Refused(refused)) if refused.reason == Reason::Finished => {
                return self.finish_again(id).await;
            }
            outcome => outcome?,
        };
        if let State::Pending(pending) = &video.state {
            let ms = pending.since.ms_since(self.now()).clamp(0, i64::from(MAX_DELAY_S) * 1000);
            self.send(&video, None, u32::try_from(ms / 1000).unwrap_or(0)).await?;
        }
        Ok(video)
    }

    /// The delay before the next attempt: 2, 4, 8 … seconds, half of it random.
    pub(super) fn delay_s(&self, releases: u32) -> u32 {
        let most = 2_u32.saturating_pow(releases.saturating_add(1).min(16)).min(MAX_DELAY_S);
        let mut random = [0; 4];
        self.ambient.fill_random(&mut random);
        most / 2 + u32::from_le_bytes(random) % (most / 2 + 1)
    }

    /// Records that the notices of the video's end were sent, as reported by the worker of that attempt (0 if the
    /// notice had its own message). `webhook` says whether the owner has a webhook, to which the event is to be
    /// delivered.
    pub async fn notified(&self, id: VideoId, attempt: u32, webhook: bool) -> Result<Video> {
        let video = self.row(id).await?.video;
        if attempt != 0 && attempt != video.state.attempts().made {
            let (state, event) = (video.state.name(), EventName::Notified);
            return Err(Refused { state, event, reason: Reason::Stale }.into());
        }
        let delivered = webhook && video.state.has_notice_due();
        if delivered {
            self.store_video_delivery(&video).await?;
        }
        let video = self.apply(id, &Event::Notified).await?;
        if !delivered && self.store.delivery(id.into()).await?.is_none() {
            self.store.reschedule_due(video.owner, id.into(), None).await?;
        }
        Ok(video)
    }

    /// The unsent notice, if there is one.
    pub async fn notice(&self, id: VideoId) -> Result<Option<Notice>> {
        Ok(view::notice(&self.row(id).await?.video))
    }

    /// Queues a message for the notice of a finished video.
    pub async fn queue_notice(&self, user: UserId, id: VideoId, kind: NoticeKind) -> Result<()> {
        let video = self.owned(user, id).await?.video;
        match (&video.state, kind) {
            (State::Failed { .. }, NoticeKind::Failed)
            | (State::Completed { .. }, NoticeKind::Completed)
            | (State::Expired { .. }, NoticeKind::Expired)
            | (State::Failed { .. } | State::Completed { .. } | State::Expired { .. }, NoticeKind::Webhook) => {
                self.send(&video, Some(kind), 0).await
            }
            _ => Err(JobError::JobNotReady),
        }
    }
}

/// Truncates the warnings to 100 of 500 characters each, and to what fits into the record.
fn bound_warnings(warnings: &mut Vec<String>) {
    let all = warnings.len();
    let mut bytes = 0;
    let mut kept = 0;
    for warning in warnings.iter_mut().take(100) {
        if let Some((cut, _)) = warning.char_indices().nth(500) {
            warning.truncate(cut);
        }
        // As JSON, where a control character takes six bytes.
        bytes += serde_json::to_string(warning).map_or(0, |text| text.len());
        if bytes > MAX_WARNING_BYTES {
            break;
        }
        kept += 1;
    }
    if kept < all {
        let kept = kept.min(99);
        warnings.truncate(kept);
        warnings.push(format!("{} more warnings are left out", all - kept));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_fit_and_say_what_is_missing() {
        let mut few = vec!["a".to_owned(), "é".repeat(600)];
        bound_warnings(&mut few);
        assert_eq!(few[0], "a");
        assert_eq!(few[1].chars().count(), 500);

        let mut many: Vec<String> = (0..150).map(|n| n.to_string()).collect();
        bound_warnings(&mut many);
        assert_eq!(many.len(), 100);
        assert_eq!(many[99], "51 more warnings are left out");

        let mut long = vec!["\u{1}".repeat(500); 10];
        bound_warnings(&mut long);
        assert_eq!(long.len(), 3);
        assert_eq!(long[2], "8 more warnings are left out");
    }
}
