//! The owner's operations: queue a video after its upload, cancel and delete it, and close the account.

use framelift_domain::video::{Event, Reason, State};
use framelift_domain::{UserId, Video, VideoId};

use futures::{StreamExt as _, stream};

use super::cleanup::Cleanup;
use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::slots::Slots;
use crate::store::update::UpdateError;
use crate::store::{Expiring, keys};

/// How long closing an account deletes objects, in milliseconds: some thousand videos. The sweep deletes the rest.
const CLOSE_MS: i64 = 20_000;
/// Videos whose objects are deleted at the same time.
const CONCURRENT_REMOVALS: usize = 8;

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Queues a video whose upload was checked, or dispatches it at once. A repeated call succeeds, too, even if the
    /// video is already being processed.
    pub async fn uploaded(&self, user: UserId, id: VideoId) -> Result<Video> {
        let video = self.owned(user, id).await?.video;
        match &video.state {
            State::Deleted { .. } => return Err(JobError::VideoNotFound),
            State::Canceled { .. } | State::Expired { .. } => return Err(JobError::AlreadyFinished),
            State::Completed { .. } | State::Failed { .. } | State::Processing(_) => return Ok(video),
            State::AwaitingUpload { .. } | State::Queued | State::Pending(_) => {}
        }
        self.add_upload_ref(&video).await?;
        let updated = self
            .store
            .fill_slots(user, |mut slots| {
                let changed =
                    slots.mark_uploaded(id, self.limits).map_err(|why| self.admission_error(why))?;
                Ok::<_, JobError>((slots, changed, ()))
            })
            .await?;
        if !updated.value.is_in_flight(id) {
            match self.apply(id, &Event::Queued).await {
                // It was dispatched or has ended concurrently.
                Ok(_) | Err(JobError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.dispatch_waiting(user).await?;
        let video = self.row(id).await?.video;
        if video.state.is_terminal() {
            self.finish(&video).await?;
        }
        match video.state {
            State::Deleted { .. } => Err(JobError::VideoNotFound),
            State::Canceled { .. } | State::Expired { .. } => Err(JobError::AlreadyFinished),
            // The account is being closed; that call cancels the video.
            State::AwaitingUpload { .. } => Err(JobError::AccountClosed),
            _ => Ok(video),
        }
    }

    /// Cancels the video. A repeated call does the steps that an earlier one left undone.
    pub async fn cancel(&self, user: UserId, id: VideoId) -> Result<Video> {
        let video = self.owned(user, id).await?.video;
        if matches!(video.state, State::Deleted { .. }) {
            return Err(JobError::VideoNotFound);
        }
        self.cancel_unfinished(id).await
    }

    async fn cancel_unfinished(&self, id: VideoId) -> Result<Video> {
        let video = match self.apply(id, &Event::Canceled).await {
            Err(JobError::Refused(refused)) if refused.reason == Reason::Finished => {
                return Err(JobError::AlreadyFinished);
            }
            outcome => outcome?,
        };
        let cleanup = self.after_end(&video).await?;
        self.finish(&video).await?;
        self.try_remove(cleanup.as_ref()).await;
        Ok(video)
    }

    /// Deletes the video in any state, and its objects. May be repeated until they are deleted.
    pub async fn delete(&self, user: UserId, id: VideoId) -> Result<()> {
        let row = self.owned(user, id).await?;
        if matches!(row.video.state, State::Deleted { removed: true, .. }) {
            return Err(JobError::VideoNotFound);
        }
        if row.counted.bytes > 0 {
            self.store.note_recount(user, &row).await?;
        }
        self.store.remove_later(Expiring::Video(id)).await?;
        let video = self.apply(id, &Event::Deleted).await?;
        let gone = self.release_upload(&video).await?;
        self.finish(&video).await?;
        self.store.recount(user, id).await?;
        self.remove(&Cleanup::all_of(&video, gone)).await?;
        self.apply(id, &Event::Removed).await?;
        Ok(())
    }

    /// Whether the account was deleted, so that its tokens are no longer valid.
    pub async fn is_closed(&self, user: UserId) -> Result<bool> {
        Ok(self.store.slots(user).await?.closed)
    }

    /// Closes an account: from the first write on, nothing of it is answered to anybody. Cancels unfinished videos and
    /// deletes objects, oldest first, so that presigned URLs lead nowhere, either. If that takes too long or the object
    /// store does not answer, the next sweeps delete the rest.
    pub async fn close_user(&self, user: UserId) -> Result<()> {
        self.store.remove_later(Expiring::User { user, step: 0 }).await?;
        let key = keys::slots(user);
        let slots = loop {
            let closed = self.store.update(&key, |mut slots: Slots| {
                let changed = !std::mem::replace(&mut slots.closed, true);
                Ok::<_, JobError>((slots, changed, ()))
            });
            match closed.await {
                Ok(updated) => break updated.value,
                Err(UpdateError::Missing) => {
                    self.store.create(&key, &Slots::default()).await?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let awaiting = slots.awaiting.iter().map(|(id, _)| *id);
        let in_flight = slots.in_flight.iter().map(|slot| slot.id);
        let all: Vec<VideoId> = awaiting.chain(slots.waiting.iter().copied()).chain(in_flight).collect();
        for id in all {
            match self.cancel_unfinished(id).await {
                Ok(_) => {}
                Err(JobError::AlreadyFinished) => {
                    self.free(user, id).await?;
                }
                // Its record is about to be created; the sweep will find it.
                Err(JobError::VideoNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        self.close_plugins(user).await?;
        let (began, mut idle_passes) = (self.now(), 0);
        // Every other pass only skips what the one before has deleted.
        while idle_passes < 2 && self.now().ms_since(began) < CLOSE_MS {
            // The sweep logs damaged records.
            let cleanups = self.retire_user(user, 0, &mut Vec::new()).await?;
            idle_passes = if cleanups.is_empty() { idle_passes + 1 } else { 0 };
            let purges = stream::iter(&cleanups).map(|cleanup| self.purge(cleanup));
            let purged: Vec<bool> = purges.buffer_unordered(CONCURRENT_REMOVALS).collect().await;
            if !cleanups.is_empty() && !purged.contains(&true) {
                break;
            }
        }
        Ok(())
    }
}
