//! What follows from a user's slots: whoever's turn it is gets its state and its message.

use framelift_contract::message::NoticeKind;
use framelift_domain::video::{Event, Reason, State};
use framelift_domain::{UserId, Video, VideoId};

use super::{Cleanup, JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Queue};

/// Each round may bring up videos that wait behind finished ones.
const ROUNDS: usize = 64;

impl<K: Kv, Q: Queue, A: Ambient> Jobs<'_, K, Q, A> {
    /// Sends what was not sent yet: of each video whose turn it is, first the record becomes
    /// `pending`, then the message goes out, then the slot says so.
    pub(super) async fn settle(&self, user: UserId) -> Result<()> {
        for _ in 0..ROUNDS {
            let slots = self.store.slots(user).await?;
            let unsent: Vec<VideoId> =
                slots.in_flight.iter().filter(|slot| !slot.sent).map(|slot| slot.id).collect();
            if unsent.is_empty() || slots.closed {
                return Ok(());
            }
            // One that cannot be sent does not hold up the others.
            let mut outcome = Ok(());
            for id in unsent {
                outcome = outcome.and(self.dispatch(user, id).await);
            }
            outcome?;
        }
        // What is left is the next call's.
        Ok(())
    }

    async fn dispatch(&self, user: UserId, id: VideoId) -> Result<()> {
        match self.apply(id, &Event::Dispatched).await {
            Ok(video) => self.send(&video, None, 0).await?,
            // A worker has it already.
            Err(JobError::Refused(refused)) if refused.reason == Reason::AlreadyPast => {}
            Err(JobError::Refused(refused)) if refused.reason == Reason::Finished => {
                let video = self.row(id).await?.video;
                self.leave_slot(&video).await?;
                return Ok(());
            }
            Err(JobError::VideoNotFound) => {
                self.free(user, id).await?;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.store.drain_slots(user, |slots| slots.sent(id)).await?;
        Ok(())
    }

    /// Frees a video's slot, without a word to those whose turn it becomes.
    pub(super) async fn free(&self, user: UserId, id: VideoId) -> Result<bool> {
        let slots = self.store.drain_slots(user, |slots| slots.free(id, self.limits)).await?;
        Ok(slots.in_flight.iter().any(|slot| !slot.sent))
    }

    /// Frees a finished video's slot, and calls up whose turn it becomes.
    pub(super) async fn finish(&self, video: &Video) -> Result<()> {
        if self.free(video.owner, video.id).await? {
            self.settle(video.owner).await?;
        }
        Ok(())
    }

    /// Does what the report that finished the video would have done, had it not been cut short:
    /// the notice goes out by a message of its own, the upload goes if it is of no use, the slot
    /// becomes free.
    pub(super) async fn leave_slot(&self, video: &Video) -> Result<Option<Cleanup>> {
        let notice = match video.state {
            State::Failed { notified: false, .. } => Some(NoticeKind::Failed),
            State::Completed { notified: false, .. } => Some(NoticeKind::Completed),
            _ => None,
        };
        if notice.is_some() {
            self.send(video, notice, 0).await?;
        }
        let cleanup = self.after_end(video).await?;
        self.free(video.owner, video.id).await?;
        Ok(cleanup)
    }
}
