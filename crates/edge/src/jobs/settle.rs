//! Dispatches videos: those whose slots say that it is their turn become `pending` and get their message.

use framelift_domain::video::{Event, Reason};
use framelift_domain::{UserId, Video, VideoId};

use super::{JobError, Jobs, Result, view};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::keys;
use crate::store::records::VideoRow;
use crate::store::slots::{Sending, Slots};

/// Most rounds of one call: each may free slots for videos that wait.
const ROUNDS: usize = 64;
/// How long one call may take to send one message, in seconds; then another call sends it.
const SENDING_S: u32 = 30;
/// How often, and how long each time, a call waits for others that send the same messages. The next call or
/// the sweep does what they leave undone.
const WAITS: u32 = 20;
const WAIT_MS: u32 = 50;

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Sends the unsent messages. For each video in turn, first the record becomes `pending`, then the message
    /// is sent, then the slot is marked.
    pub(super) async fn settle(&self, user: UserId) -> Result<()> {
        let mut waits = 0;
        for _ in 0..ROUNDS {
            let slots = self.store.slots(user).await?;
            let unsent: Vec<VideoId> =
                slots.in_flight.iter().filter(|slot| !slot.sent).map(|slot| slot.id).collect();
            if unsent.is_empty() || slots.closed {
                return Ok(());
            }
            // One that cannot be sent does not hold up the others.
            let mut outcome = Ok(());
            let mut ours = false;
            for id in unsent {
                match self.dispatch(user, id).await {
                    Ok(Sending::Theirs) => {}
                    Ok(_) => ours = true,
                    Err(error) => outcome = outcome.and(Err(error)),
                }
            }
            outcome?;
            if !ours {
                if waits == WAITS {
                    return Ok(());
                }
                waits += 1;
                self.ambient.pause(WAIT_MS).await;
            }
        }
        // What is left is the next call's.
        Ok(())
    }

    /// Sends a video's message, unless another call is sending it.
    async fn dispatch(&self, user: UserId, id: VideoId) -> Result<Sending> {
        let now = self.now();
        let key = keys::slots(user);
        let begun = self.store.update(&key, |mut slots: Slots| {
            let sending = slots.begin_sending(id, now, now.plus_s(SENDING_S));
            Ok::<_, JobError>((slots, sending == Sending::Ours, sending))
        });
        let sending = begun.await?.output;
        if sending == Sending::Theirs {
            // The record must become `pending`, whichever call sends the message.
            match self.apply(id, &Event::Dispatched).await {
                Ok(_) | Err(JobError::Refused(_) | JobError::VideoNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        if sending != Sending::Ours {
            return Ok(sending);
        }
        let outcome = self.dispatch_now(user, id).await;
        if outcome.is_err() {
            // Lets the next call send it at once. If this write fails too, the next call waits a while.
            let _ = self.store.drain_slots(user, |slots| slots.give_up_sending(id)).await;
        }
        outcome.map(|()| Sending::Ours)
    }

    async fn dispatch_now(&self, user: UserId, id: VideoId) -> Result<()> {
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

    /// Frees a video's slot and counts what was decoded of it and the bytes that it keeps, without dispatching the next ones.
    pub(super) async fn free(&self, user: UserId, id: VideoId) -> Result<bool> {
        let row = self.store.video(id).await?;
        if let Some(row) = &row {
            self.note_end(&row.video).await?;
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

    /// Frees a finished video's slot, and dispatches the next ones.
    pub(super) async fn finish(&self, video: &Video) -> Result<()> {
        if self.free(video.owner, video.id).await? {
            self.settle(video.owner).await?;
        }
        Ok(())
    }

    /// Finishes what a report that ended the video may have left undone: queues the notice, deletes an upload
    /// that is of no use, frees the slot.
    pub(super) async fn leave_slot(&self, video: &Video) -> Result<()> {
        if let Some(notice) = view::notice(video) {
            self.send(video, Some(notice.kind), 0).await?;
        }
        let cleanup = self.after_end(video).await?;
        self.free(video.owner, video.id).await?;
        self.try_remove(cleanup.as_ref()).await;
        Ok(())
    }
}
