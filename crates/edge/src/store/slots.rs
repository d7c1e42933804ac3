//! All of a user's unfinished videos in one value, so that concurrent writers keep the limits.

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
    /// The end of the lease of the call that sends the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<Time>,
}

/// Whether a call has the lease to send a video's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendLease {
    /// This call sends it; no other call may until the lease ends.
    Acquired,
    /// Another call holds the lease.
    HeldByOther,
    /// The message was sent, or the video has no slot.
    NotNeeded,
}

/// A user's unfinished videos.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// Whether the user is in the work list.
    pub work: Membership,
    /// Whether the account is deleted, so that new videos are refused and none is dispatched.
    pub closed: bool,
    /// Videos that await their upload, each with its expiry.
    pub awaiting: Vec<(VideoId, Time)>,
    /// Videos whose upload was checked and that wait to be dispatched, in order.
    pub waiting: Vec<VideoId>,
    /// Videos in flight.
    pub in_flight: Vec<InFlight>,
    /// Bytes of the uploads of unfinished videos, whether they have arrived or not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reserved: BTreeMap<VideoId, u64>,
    /// Bytes of finished videos: their uploads and results.
    #[serde(default)]
    pub kept_bytes: u64,
    /// The counts of the newest day with any.
    #[serde(default, skip_serializing_if = "Day::is_default")]
    pub day: Day,
    /// Recounts in progress.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recounts: Vec<Recount>,
}

/// The counts of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Days since 1970 (UTC).
    pub number: i64,
    /// Uploads that began on the day.
    pub uploads: u32,
    /// Milliseconds of video that were decoded by jobs that ended on the day.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decoded_ms: u64,
}

impl Day {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a video is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionError {
    /// The user has too many unfinished videos.
    TooManyUnfinished,
    /// The user has reached the daily limit of uploads.
    TooManyUploads,
    /// The user's jobs have reached the daily limit of decoded video.
    TooMuchDecoded,
    /// The user's videos would have more bytes than allowed.
    TooManyBytes {
        /// Bytes of the existing videos.
        used: u64,
    },
    /// The account is deleted.
    AccountClosed,
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
    /// The number of unfinished videos.
    pub fn len(&self) -> usize {
        self.awaiting.len() + self.waiting.len() + self.in_flight.len()
    }

    /// Whether there is no unfinished video.
    pub fn is_empty(&self) -> bool {
        self.awaiting.is_empty() && self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// Whether the video's upload was checked and the video is not finished.
    pub fn is_uploaded(&self, id: VideoId) -> bool {
        self.waiting.contains(&id) || self.is_in_flight(id)
    }

    /// Whether the video is in flight.
    pub fn is_in_flight(&self, id: VideoId) -> bool {
        self.in_flight.iter().any(|slot| slot.id == id)
    }

    /// Whether the video has a slot.
    pub fn contains(&self, id: VideoId) -> bool {
        self.is_uploaded(id) || self.awaiting.iter().any(|(awaited, _)| *awaited == id)
    }

    /// The video's position among the waiting videos, from 1.
    pub fn position(&self, id: VideoId) -> Option<u32> {
        let place = self.waiting.iter().position(|waiting| *waiting == id)?;
        u32::try_from(place + 1).ok()
    }

    /// Adds a video that awaits an upload of `bytes`. Returns whether anything changed.
    pub fn reserve(
        &mut self,
        id: VideoId,
        bytes: u64,
        expires_at: Time,
        limits: &Limits,
    ) -> Result<bool, AdmissionError> {
        if self.closed {
            return Err(AdmissionError::AccountClosed);
        }
        if self.contains(id) {
            return Ok(false);
        }
        if self.len() >= limits.max_open_per_user as usize {
            return Err(AdmissionError::TooManyUnfinished);
        }
        self.reserve_bytes(id, bytes, limits)?;
        self.awaiting.push((id, expires_at));
        Ok(true)
    }

    /// The counts of that day.
    pub fn on_day(&self, number: i64) -> Day {
        if self.day.number == number { self.day } else { Day { number, ..Day::default() } }
    }

    /// Counts an upload that begins on that day.
    pub fn count_upload(&mut self, day: i64, limits: &Limits) -> Result<(), AdmissionError> {
        self.day = self.on_day(day);
        if self.day.uploads >= limits.max_uploads_per_day {
            return Err(AdmissionError::TooManyUploads);
        }
        self.day.uploads += 1;
        Ok(())
    }

    /// Refuses a new video if the limit of decoded video is reached on that day.
    pub fn check_decoded(&self, day: i64, limits: &Limits) -> Result<(), AdmissionError> {
        let limit_ms = u64::from(limits.max_decoded_minutes_per_day) * 60_000;
        if self.on_day(day).decoded_ms >= limit_ms { Err(AdmissionError::TooMuchDecoded) } else { Ok(()) }
    }

    /// Corrects the bytes of a video's upload. Returns whether anything changed.
    pub fn resize(&mut self, id: VideoId, bytes: u64, limits: &Limits) -> Result<bool, AdmissionError> {
        if !self.contains(id) || self.reserved.get(&id).copied().unwrap_or(0) == bytes {
            return Ok(false);
        }
        self.reserve_bytes(id, bytes, limits)?;
        Ok(true)
    }

    fn reserve_bytes(&mut self, id: VideoId, bytes: u64, limits: &Limits) -> Result<(), AdmissionError> {
        let used = self.used_bytes().saturating_sub(self.reserved.get(&id).copied().unwrap_or(0));
        if used.saturating_add(bytes) > limits.max_stored_bytes_per_user {
            return Err(AdmissionError::TooManyBytes { used });
        }
        if bytes > 0 {
            self.reserved.insert(id, bytes);
        }
        Ok(())
    }

    /// Moves a video whose upload was checked to those that wait or are in flight. Returns whether anything
    /// changed.
    pub fn mark_uploaded(&mut self, id: VideoId, limits: &Limits) -> Result<bool, AdmissionError> {
        if self.closed {
            return Err(AdmissionError::AccountClosed);
        }
        if self.is_uploaded(id) {
            return Ok(false);
        }
        self.awaiting.retain(|(awaited, _)| *awaited != id);
        self.waiting.push(id);
        self.promote(limits);
        Ok(true)
    }

    /// Acquires the lease to send a video's message until the given time.
    pub fn acquire_send_lease(&mut self, id: VideoId, now: Time, until: Time) -> SendLease {
        match self.in_flight.iter_mut().find(|slot| slot.id == id) {
            Some(slot) if slot.sent => SendLease::NotNeeded,
            Some(slot) if slot.sending.is_some_and(|until| now < until) => SendLease::HeldByOther,
            Some(slot) => {
                slot.sending = Some(until);
                SendLease::Acquired
            }
            None => SendLease::NotNeeded,
        }
    }

    /// Releases the lease of a message that was not sent. Returns whether anything changed.
    pub fn release_send_lease(&mut self, id: VideoId) -> bool {
        match self.in_flight.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => slot.sending.take().is_some(),
            None => false,
        }
    }

    /// Records that a video's message was sent. Returns whether anything changed.
    pub fn mark_sent(&mut self, id: VideoId) -> bool {
        match self.in_flight.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => {
                slot.sending = None;
                !std::mem::replace(&mut slot.sent, true)
            }
            None => false,
        }
    }

    /// Removes a video that has ended on that day, counts its decoded time, once, and promotes the next videos. Returns
    /// whether anything changed.
    pub fn end(&mut self, id: VideoId, day: i64, decoded_ms: u64, limits: &Limits) -> bool {
        let freed = self.free(id, limits);
        if freed && decoded_ms > 0 {
            self.day = self.on_day(day);
            self.day.decoded_ms = self.day.decoded_ms.saturating_add(decoded_ms);
        }
        freed
    }

    /// Removes a finished video and promotes the next videos. Returns whether anything changed.
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

    /// Changes a user's slots in a way that adds nothing. Removes the user from the work list when the slots are empty.
    /// Missing slots are not created.
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
