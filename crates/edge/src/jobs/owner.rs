//! What owners do with their videos: hand over, call off, delete; and the end of an account.

use framelift_domain::video::{Event, Reason, State};
use framelift_domain::{UserId, Video, VideoId};

use super::{Cleanup, JobError, Jobs, Reported, Result};
use crate::ports::{Ambient, Kv, Queue};
use crate::store::slots::Slots;
use crate::store::update::UpdateError;
use crate::store::{Expiring, keys};

impl<K: Kv, Q: Queue, A: Ambient> Jobs<'_, K, Q, A> {
    /// The upload was checked: the video gets in line, or it is its turn at once. Repeated, it
    /// gives the same; so it does for a video that is further by now.
    pub async fn uploaded(&self, user: UserId, id: VideoId) -> Result<Video> {
        let video = self.owned(user, id).await?.video;
        match &video.state {
            State::Deleted { .. } => return Err(JobError::VideoNotFound),
            State::Canceled { .. } | State::Expired { .. } => return Err(JobError::AlreadyFinished),
            State::Completed { .. } | State::Failed { .. } | State::Processing(_) => return Ok(video),
            State::AwaitingUpload { .. } | State::Queued | State::Pending(_) => {}
        }
        self.hold(&video).await?;
        let updated = self
            .store
            .fill_slots(user, |mut slots| {
                let changed = slots.arrived(id, self.limits).map_err(|why| self.no_room(why))?;
                Ok::<_, JobError>((slots, changed, ()))
            })
            .await?;
        if !updated.value.is_in_flight(id) {
            match self.apply(id, &Event::Held).await {
                // Its turn came meanwhile, or somebody else finished it.
                Ok(_) | Err(JobError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.settle(user).await?;
        let video = self.row(id).await?.video;
        if video.state.is_terminal() {
            self.finish(&video).await?;
        }
        match video.state {
            State::Deleted { .. } => Err(JobError::VideoNotFound),
            State::Canceled { .. } | State::Expired { .. } => Err(JobError::AlreadyFinished),
            // The account was closed in this moment; whoever did that calls the video off.
            State::AwaitingUpload { .. } => Err(JobError::AccountClosed),
            _ => Ok(video),
        }
    }

    /// The owner calls the video off. Repeated, it does what an earlier call left undone.
    pub async fn cancel(&self, user: UserId, id: VideoId) -> Result<Reported> {
        let video = self.owned(user, id).await?.video;
        if matches!(video.state, State::Deleted { .. }) {
            return Err(JobError::VideoNotFound);
        }
        self.call_off(id).await
    }

    async fn call_off(&self, id: VideoId) -> Result<Reported> {
        let video = match self.apply(id, &Event::Canceled).await {
            Err(JobError::Refused(refused)) if refused.reason == Reason::Finished => {
                return Err(JobError::AlreadyFinished);
            }
            outcome => outcome?,
        };
        let cleanup = self.after_end(&video).await?;
        self.finish(&video).await?;
        Ok(Reported { video, cleanup })
    }

    /// The owner deletes the video, whatever its state. The objects to remove come back; once
    /// they are gone, [`Self::removed`] says so. Until then it may be repeated.
    pub async fn delete(&self, user: UserId, id: VideoId) -> Result<Cleanup> {
        let row = self.owned(user, id).await?;
        if matches!(row.video.state, State::Deleted { removed: true, .. }) {
            return Err(JobError::VideoNotFound);
        }
        if row.counted.bytes > 0 {
            self.store.note_recount(user, &row).await?;
        }
        self.store.remove_later(Expiring::Video(id)).await?;
        let video = self.apply(id, &Event::Deleted).await?;
        let gone = self.let_go(&video).await?;
        self.finish(&video).await?;
        self.store.recount(user, id).await?;
        Ok(Cleanup::all_of(&video, gone))
    }

    /// The objects of the deleted video are gone.
    pub async fn removed(&self, id: VideoId) -> Result<()> {
        self.apply(id, &Event::Removed).await.map(|_| ())
    }

    /// Whether the account was deleted, so that none of its tokens is good any more.
    pub async fn is_closed(&self, user: UserId) -> Result<bool> {
        Ok(self.store.slots(user).await?.closed)
    }

    /// Ends an account: nothing new is taken, and everything unfinished is called off. What is finished
    /// comes back, oldest first, as much as [`Self::close_results`] looks at; the rest goes with the next
    /// sweeps.
    pub async fn close_user(&self, user: UserId) -> Result<Vec<Cleanup>> {
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
        let mut cleanups = Vec::new();
        for id in all {
            match self.call_off(id).await {
                Ok(reported) => cleanups.extend(reported.cleanup),
                Err(JobError::AlreadyFinished) => {
                    self.free(user, id).await?;
                }
                // Its record was about to be made; the sweep has it in view.
                Err(JobError::VideoNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(cleanups)
    }

    /// The next objects of finished videos of a deleted account, to be removed and told to
    /// [`Self::purged`]; none when there are no more.
    pub async fn close_results(&self, user: UserId) -> Result<Vec<Cleanup>> {
        let mut passed_over = Vec::new();
        let cleanups = self.retire_user(user, 0, &mut passed_over).await?;
        // One look passes over what was removed since the one before.
        if cleanups.is_empty() { self.retire_user(user, 0, &mut passed_over).await } else { Ok(cleanups) }
    }
}
