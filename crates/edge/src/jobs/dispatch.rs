//! Dispatches the videos that are in flight in their owner's slots: they become `pending`, and their messages are sent.

use framelift_domain::video::{Event, Reason};
use framelift_domain::{UserId, Video, VideoId};

use super::{JobError, Jobs, Result, view};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::keys;
use crate::store::records::VideoRow;
use crate::store::slots::{SendLease, Slots};

/// Maximum of rounds of one call. Each may free slots for waiting videos.
const MAX_ROUNDS: usize = 64;
/// The lease of a call to send one message, in seconds.
const SEND_LEASE_S: u32 = 30;
/// How often a call waits for others that hold the leases, and how long each time. If they fail, the next call or the
/// sweep sends the messages.
const MAX_WAITS: u32 = 20;
const WAIT_MS: u32 = 50;

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Sends the unsent messages. For each video in turn, first the record becomes `pending`, then the message
    /// is sent, then the slot is marked.
    pub(super) async fn dispatch_waiting(&self, user: UserId) -> Result<()> {
        let mut waits = 0;
        for _ in 0..MAX_ROUNDS {
            let slots = self.store.slots(user).await?;
            let unsent: Vec<VideoId> =
                slots.in_flight.iter().filter(|slot| !slot.sent).map(|slot| slot.id).collect();
            if unsent.is_empty() || slots.closed {
                return Ok(());
            }
            // A message that cannot be sent does not block the others.
            let mut outcome = Ok(());
            let mut progressed = false;
            for id in unsent {
                match self.dispatch_one(user, id).await {
                    Ok(SendLease::HeldByOther) => {}
                    Ok(_) => progressed = true,
                    Err(error) => outcome = outcome.and(Err(error)),
                }
            }
            outcome?;
            if !progressed {
                if waits == MAX_WAITS {
                    return Ok(());
                }
                waits += 1;
                self.ambient.pause(WAIT_MS).await;
            }
        }
        // The next call continues.
        Ok(())
    }

    /// Sends a video's message, unless another call is sending it.
    async fn dispatch_one(&self, user: UserId, id: VideoId) -> Result<SendLease> {
        let now = self.now();
        let key = keys::slots(user);
        let acquired = self.store.update(&key, |mut slots: Slots| {
            let lease = slots.acquire_send_lease(id, now, now.plus_s(SEND_LEASE_S));
            Ok::<_, JobError>((slots, lease == SendLease::Acquired, lease))
        });
        let lease = acquired.await?.output;
        if lease == SendLease::HeldByOther {
            // The record must become `pending` before this call returns, although another call sends the message.
            match self.apply(id, &Event::Dispatched).await {
                Ok(_) | Err(JobError::Refused(_) | JobError::VideoNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        if lease != SendLease::Acquired {
            return Ok(lease);
        }
        let outcome = self.send_dispatched(user, id).await;
        if outcome.is_err() {
            // Lets the next call send it at once. If this write fails, too, the next call waits until the lease ends.
            let _ = self.store.drain_slots(user, |slots| slots.release_send_lease(id)).await;
        }
        outcome.map(|()| SendLease::Acquired)
    }

    async fn send_dispatched(&self, user: UserId, id: VideoId) -> Result<()> {
        match self.apply(id, &Event::Dispatched).await {
            Ok(video) => self.send(&video, None, 0).await?,
            // A worker has already claimed it.
            Err(JobError::Refused(refused)) if refused.reason == Reason::AlreadyPast => {}
            Err(JobError::Refused(refused)) if refused.reason == Reason::Finished => {
                let video = self.row(id).await?.video;
                self.finish_and_free(&video).await?;
                return Ok(());
            }
            Err(JobError::VideoNotFound) => {
                self.free(user, id).await?;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.store.drain_slots(user, |slots| slots.mark_sent(id)).await?;
        Ok(())
    }

    /// Frees a video's slot, and counts its decoded time and its bytes, without dispatching the next videos. Returns
    /// whether there are messages to send.
    pub(super) async fn free(&self, user: UserId, id: VideoId) -> Result<bool> {
        let row = self.store.video(id).await?;
        if let Some(row) = &row {
            self.enqueue_end_event(&row.video).await?;
        }
        let decoded_ms = row.as_ref().map_or(0, |row| row.video.state.progress().decoded_ms);
        let row = row.filter(VideoRow::is_miscounted);
        let token = self.store.op_id();
        let slots = self
            .store
            .drain_slots(user, |slots| {
                let freed = slots.end(id, self.today(), decoded_ms, self.limits);
                if let Some(row) = row.as_ref().filter(|_| freed) {
                    slots.begin_recount(row, &token);
                }
                freed
            })
            .await?;
        match slots.recount_of(id) {
            Some(recount) => self.store.finish_recount(user, recount).await?,
            None if row.is_some() => self.store.recount(user, id).await?,
            None => {}
        }
        Ok(slots.in_flight.iter().any(|slot| !slot.sent))
    }

    /// Frees a finished video's slot, and dispatches the next videos.
    pub(super) async fn finish(&self, video: &Video) -> Result<()> {
        if self.free(video.owner, video.id).await? {
            self.dispatch_waiting(video.owner).await?;
        }
        Ok(())
    }

    /// Does the steps that the report of a video's end may have left undone: queues the notice, deletes a useless
    /// upload, frees the slot.
    pub(super) async fn finish_and_free(&self, video: &Video) -> Result<()> {
        if let Some(notice) = view::notice(video) {
            self.send(video, Some(notice.kind), 0).await?;
        }
        let cleanup = self.after_end(video).await?;
        self.free(video.owner, video.id).await?;
        self.try_remove(cleanup.as_ref()).await;
        Ok(())
    }
}
