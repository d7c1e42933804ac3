//! All of a user's unfinished videos in one value, so that its limits hold whoever writes.

use std::collections::BTreeMap;

use framelift_domain::{Limits, Time, UserId, VideoId, is_zero};
use serde::{Deserialize, Serialize};

use super::listing::{Member, Membership, WORK};
use super::update::{UpdateError, Updated};
use super::{Recount, Store, StoreError, Stored, keys};
use crate::ports::{Ambient, Kv};

/// A video that is `pending` or `processing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The video.
    pub id: VideoId,
    /// Whether its message was sent.
    pub sent: bool,
    /// While a call is sending it: until when no other call may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<Time>,
}

/// Whether a call may send a video's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Yes; no other call may until that time.
    Ours,
    /// Another call is sending it.
    Theirs,
    /// There is nothing to send.
    Over,
}

/// A user's unfinished videos.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// Whether the user is in the work list.
    pub work: Membership,
    /// The account is deleted: nothing new is taken, nothing is dispatched.
    pub closed: bool,
    /// Videos that await their upload, each with the time when it expires.
    pub awaiting: Vec<(VideoId, Time)>,
    /// Videos whose upload was checked and that wait, in order.
    pub waiting: Vec<VideoId>,
    /// Videos in flight.
    pub in_flight: Vec<InFlight>,
    /// Bytes that the uploads of unfinished videos take up, or will.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reserved: BTreeMap<VideoId, u64>,
    /// Bytes of finished videos: their uploads and results.
    #[serde(default)]
    pub kept_bytes: u64,
    /// The newest day on which anything was counted.
    #[serde(default, skip_serializing_if = "Day::is_default")]
    pub day: Day,
    /// Finished videos whose bytes are about to be counted anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recounts: Vec<Recount>,
}

/// What is counted in one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Days since 1970 (UTC).
    pub number: i64,
    /// Uploads that were begun in it.
    pub uploads: u32,
    /// Milliseconds of video that the jobs that ended in it have decoded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decoded_ms: u64,
}

impl Day {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Why nothing new is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The user has too many unfinished videos.
    Full,
    /// The user has begun as many uploads today as one may in a day.
    Day,
    /// The user's jobs have decoded as much video today as they may in a day.
    Decoded,
    /// The user's videos have so many bytes that this one does not fit in.
    Storage {
        /// Bytes of the existing videos.
        used: u64,
    },
    /// The account is deleted.
    Closed,
}

/// Version 2 counts bytes, version 3 decoded time.
impl Stored for Slots {
    const VERSION: u32 = 3;
}

impl Member for Slots {
    fn membership(&mut self) -> &mut Membership {
        &mut self.work
    }

    fn is_idle(&self) -> bool {
        self.is_empty()
    }
}

impl Slots {
    /// How many videos are unfinished.
    pub fn len(&self) -> usize {
        self.awaiting.len() + self.waiting.len() + self.in_flight.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.awaiting.is_empty() && self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// Whether the video's upload was checked and the video is not finished.
    pub fn has_arrived(&self, id: VideoId) -> bool {
        self.waiting.contains(&id) || self.is_in_flight(id)
    }

    /// Whether the video is in flight.
    pub fn is_in_flight(&self, id: VideoId) -> bool {
        self.in_flight.iter().any(|slot| slot.id == id)
    }

    /// Whether the video has a slot.
    pub fn contains(&self, id: VideoId) -> bool {
        self.has_arrived(id) || self.awaiting.iter().any(|(awaited, _)| *awaited == id)
    }

    /// Its place among the waiting videos, from 1.
    pub fn position(&self, id: VideoId) -> Option<u32> {
        let place = self.waiting.iter().position(|waiting| *waiting == id)?;
        u32::try_from(place + 1).ok()
    }

    /// Adds a video that awaits its upload of so many bytes. Returns whether anything changed.
    pub fn reserve(
        &mut self,
        id: VideoId,
        bytes: u64,
        expires_at: Time,
        limits: &Limits,
    ) -> Result<bool, NoRoom> {
        if self.closed {
            return Err(NoRoom::Closed);
        }
        if self.contains(id) {
            return Ok(false);
        }
        if self.len() >= limits.max_open_per_user as usize {
            return Err(NoRoom::Full);
        }
        self.reserve_bytes(id, bytes, limits)?;
        self.awaiting.push((id, expires_at));
        Ok(true)
    }

    /// What was counted on that day.
    pub fn on_day(&self, number: i64) -> Day {
        if self.day.number == number { self.day } else { Day { number, ..Day::default() } }
    }

    /// An upload begins on that day.
    pub fn count_upload(&mut self, day: i64, limits: &Limits) -> Result<(), NoRoom> {
        self.day = self.on_day(day);
        if self.day.uploads >= limits.max_uploads_per_day {
            return Err(NoRoom::Day);
        }
        self.day.uploads += 1;
        Ok(())
    }

    /// Refuses a new video on a day on which as much was decoded as may be.
    pub fn check_decoded(&self, day: i64, limits: &Limits) -> Result<(), NoRoom> {
        let limit_ms = u64::from(limits.max_decoded_minutes_per_day) * 60_000;
        if self.on_day(day).decoded_ms >= limit_ms { Err(NoRoom::Decoded) } else { Ok(()) }
    }

    /// The upload of a video whose place is here has so many bytes. Whether anything changed.
    pub fn resize(&mut self, id: VideoId, bytes: u64, limits: &Limits) -> Result<bool, NoRoom> {
        if !self.contains(id) || self.reserved.get(&id).copied().unwrap_or(0) == bytes {
            return Ok(false);
        }
        self.reserve_bytes(id, bytes, limits)?;
        Ok(true)
    }

    fn reserve_bytes(&mut self, id: VideoId, bytes: u64, limits: &Limits) -> Result<(), NoRoom> {
        let used = self.used_bytes().saturating_sub(self.reserved.get(&id).copied().unwrap_or(0));
        if used.saturating_add(bytes) > limits.max_stored_bytes_per_user {
            return Err(NoRoom::Storage { used });
        }
        if bytes > 0 {
            self.reserved.insert(id, bytes);
        }
        Ok(())
    }

    /// Moves a video whose upload was checked to those that wait or are in flight. Returns whether anything
    /// changed.
    pub fn arrived(&mut self, id: VideoId, limits: &Limits) -> Result<bool, NoRoom> {
        if self.closed {
            return Err(NoRoom::Closed);
        }
        if self.has_arrived(id) {
            return Ok(false);
        }
        self.awaiting.retain(|(awaited, _)| *awaited != id);
        self.waiting.push(id);
        self.promote(limits);
        Ok(true)
    }

    /// Returns whether the caller may send a video's message, and reserves that until the given time.
    pub fn begin_sending(&mut self, id: VideoId, now: Time, until: Time) -> Sending {
        match self.in_flight.iter_mut().find(|slot| slot.id == id) {
            Some(slot) if slot.sent => Sending::Over,
            Some(slot) if slot.sending.is_some_and(|until| now < until) => Sending::Theirs,
            Some(slot) => {
                slot.sending = Some(until);
                Sending::Ours
            }
            None => Sending::Over,
        }
    }

    /// Frees the reservation: the message was not sent. Returns whether anything changed.
    pub fn give_up_sending(&mut self, id: VideoId) -> bool {
        match self.in_flight.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => slot.sending.take().is_some(),
            None => false,
        }
    }

    /// Records that its message was sent. Returns whether anything changed.
    pub fn sent(&mut self, id: VideoId) -> bool {
        match self.in_flight.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => {
                slot.sending = None;
                !std::mem::replace(&mut slot.sent, true)
            }
            None => false,
        }
    }

    /// Removes a video that has ended on that day after so much was decoded of it, which is counted once, and
    /// moves up the next ones. Returns whether anything changed.
    pub fn end(&mut self, id: VideoId, day: i64, decoded_ms: u64, limits: &Limits) -> bool {
        let freed = self.free(id, limits);
        if freed && decoded_ms > 0 {
            self.day = self.on_day(day);
            self.day.decoded_ms = self.day.decoded_ms.saturating_add(decoded_ms);
        }
        freed
    }

    /// Removes a finished video and moves up the next ones. Returns whether anything changed.
    pub fn free(&mut self, id: VideoId, limits: &Limits) -> bool {
        if !self.contains(id) {
            return false;
        }
        self.awaiting.retain(|(awaited, _)| *awaited != id);
        self.waiting.retain(|waiting| *waiting != id);
        self.in_flight.retain(|slot| slot.id != id);
        self.reserved.remove(&id);
        self.promote(limits);
        true
    }

    fn promote(&mut self, limits: &Limits) {
        let limit = limits.max_in_flight_per_user as usize;
        while !self.closed && self.in_flight.len() < limit && !self.waiting.is_empty() {
            let id = self.waiting.remove(0);
            self.in_flight.push(InFlight { id, sent: false, sending: None });
        }
    }
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// A user's slots; empty ones if the user has never had a video.
    pub async fn slots(&self, user: UserId) -> Result<Slots, StoreError> {
        Ok(self.get(&keys::slots(user)).await?.unwrap_or_default())
    }

    /// Changes a user's slots in a way that may add to them.
    pub async fn fill_slots<R, E>(
        &self,
        user: UserId,
        change: impl FnMut(Slots) -> Result<(Slots, bool, R), E>,
    ) -> Result<Updated<Slots, R>, UpdateError<E>> {
        self.update_member(WORK, user, &keys::slots(user), change).await
    }

    /// Changes a user's slots in a way that adds nothing, and leaves the work list when they are
    /// empty; what is missing has nothing to change.
    pub async fn drain_slots(
        &self,
        user: UserId,
        mut change: impl FnMut(&mut Slots) -> bool,
    ) -> Result<Slots, StoreError> {
        let key = keys::slots(user);
        let updated = self
            .update(&key, |mut slots: Slots| {
                let changed = change(&mut slots);
                Ok::<_, std::convert::Infallible>((slots, changed, ()))
            })
            .await;
        let slots = match updated {
            Ok(updated) => updated.value,
            Err(UpdateError::Missing) => return Ok(Slots::default()),
            Err(UpdateError::Store(error)) => return Err(error),
            Err(UpdateError::Refused(never)) => match never {},
        };
        if slots.is_empty() && slots.work.listed {
            self.leave_if_idle::<Slots>(WORK, user, &key, 0).await?;
        }
        Ok(slots)
    }
}
