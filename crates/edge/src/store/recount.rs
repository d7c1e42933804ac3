//! Counts the bytes of a user's videos exactly, even when a process dies between two writes.
//!
//! An unfinished video reserves the bytes of its upload in its owner's slots. A finished one is counted in
//! two values: its record says how many of its bytes are counted ([`Counted`]), the slots have their sum. A
//! recount updates both in three steps, each of which any caller may repeat:
//!
//! 1. A [`Recount`] is added to the slots, with the video, the number of its recounts so far, and a token.
//! 2. The record, if its number of recounts is still the same, stores its new number of bytes and the token.
//! 3. The recount is removed from the slots. If the record has its token, the difference is added to the sum.
//!
//! A late recount, after another caller's, finds another token and changes nothing. A video has one recount in the
//! slots at a time, so that no difference is overwritten before it is added. The retention pass finishes recounts that
//! a crash has left in the slots.

use framelift_domain::{UserId, VideoId};
use serde::{Deserialize, Serialize};

use super::records::VideoRow;
use super::slots::Slots;
use super::update::UpdateError;
use super::{Store, StoreError, keys, unavailable};
use crate::ports::{Ambient, Kv};

/// Maximum of recounts in the slots. To add another one, a caller finishes the oldest first.
const MAX_RECOUNTS: usize = 50;
/// Maximum of rounds in which one call recounts a video.
const MAX_ROUNDS: usize = 8;

/// The bytes of a video that are included in its owner's sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The number of bytes.
    pub bytes: u64,
    /// The number of bytes before the last recount.
    before: u64,
    /// The number of recounts.
    recounts: u32,
    /// The token of the last recount.
    token: String,
}

impl Counted {
    /// Whether nothing was ever counted.
    pub(super) fn is_default(&self) -> bool {
        self.recounts == 0
    }
}

/// A recount in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recount {
    /// The video.
    pub id: VideoId,
    after: u32,
    token: String,
}

impl VideoRow {
    /// Whether the video's bytes differ from what is counted.
    pub fn is_miscounted(&self) -> bool {
        self.counted.bytes != self.video.kept_bytes()
    }

    /// Step 2. Returns whether anything changed.
    fn recount(&mut self, recount: &Recount) -> bool {
        if self.counted.recounts != recount.after {
            return false;
        }
        self.counted = Counted {
            bytes: self.video.kept_bytes(),
            before: self.counted.bytes,
            recounts: recount.after.saturating_add(1),
            token: recount.token.clone(),
        };
        true
    }
}

impl Slots {
    /// Bytes of all the user's videos, unfinished ones included.
    pub fn used_bytes(&self) -> u64 {
        self.reserved.values().fold(self.kept_bytes, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Step 1, unless the video has a recount in progress. Returns whether anything changed.
    pub fn begin_recount(&mut self, row: &VideoRow, token: &str) -> bool {
        let id = row.video.id;
        if self.recount_of(id).is_some() || self.recounts.len() >= MAX_RECOUNTS {
            return false;
        }
        self.recounts.push(Recount { id, after: row.counted.recounts, token: token.to_owned() });
        true
    }

    /// The recount in progress of a video.
    pub fn recount_of(&self, id: VideoId) -> Option<&Recount> {
        self.recounts.iter().find(|recount| recount.id == id)
    }

    /// Step 3. Returns whether anything changed.
    fn end_recount(&mut self, recount: &Recount, counted: &Counted) -> bool {
        let Some(position) = self.recounts.iter().position(|known| known == recount) else { return false };
        self.recounts.remove(position);
        if counted.token == recount.token {
            self.kept_bytes = self.kept_bytes.saturating_add(counted.bytes).saturating_sub(counted.before);
        }
        true
    }
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// Recounts a video's bytes if they have changed or a recount is in progress.
    pub async fn recount(&self, user: UserId, id: VideoId) -> Result<(), StoreError> {
        for _ in 0..MAX_ROUNDS {
            let miscounted = self.video(id).await?.filter(VideoRow::is_miscounted);
            let slots = match &miscounted {
                Some(row) => self.note_recount(user, row).await?,
                None => self.slots(user).await?,
            };
            // The slots have no room for another recount, so the oldest one is finished first.
            let oldest = || slots.recounts.first().filter(|_| miscounted.is_some());
            match slots.recount_of(id).or_else(oldest) {
                Some(recount) => self.finish_recount(user, recount).await?,
                None => return Ok(()),
            }
        }
        Err(unavailable(&keys::video(id), "its bytes change too fast"))
    }

    /// Begins a recount of a video, before the write that changes its bytes.
    pub async fn note_recount(&self, user: UserId, row: &VideoRow) -> Result<Slots, StoreError> {
        let token = self.op_id();
        self.drain_slots(user, |slots| slots.begin_recount(row, &token)).await
    }

    /// Finishes all recounts in progress.
    pub async fn finish_recounts(&self, user: UserId, slots: &Slots) -> Result<(), StoreError> {
        for recount in &slots.recounts {
            self.recount(user, recount.id).await?;
        }
        Ok(())
    }

    /// Finishes a recount in progress.
    pub async fn finish_recount(&self, user: UserId, recount: &Recount) -> Result<(), StoreError> {
        let recounted = self.update_video(recount.id, |mut row| {
            let changed = row.recount(recount);
            Ok::<_, std::convert::Infallible>((row, changed, ()))
        });
        let counted = match recounted.await {
            Ok(updated) => updated.value.counted,
            Err(UpdateError::Missing) => Counted::default(),
            Err(UpdateError::Store(error)) => return Err(error),
            Err(UpdateError::Refused(never)) => match never {},
        };
        self.drain_slots(user, |slots| slots.end_recount(recount, &counted)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use framelift_domain::{Limits, Time};

    use super::*;
    use crate::store::value::{Envelope, MAX_VALUE_BYTES};

    #[test]
    fn the_fullest_slots_fit_into_a_value() {
        let limits = Limits { max_stored_bytes_per_user: u64::MAX, ..Limits::default() };
        let id = |n: u32| VideoId::new(u64::from(n), [n as u8; 10]);
        let (mut slots, until) = (Slots::default(), Time::from_unix_ms(1_700_000_000_000));
        for n in 0..limits.max_open_per_user {
            slots.reserve(id(n), limits.max_upload_bytes, until, &limits).unwrap();
        }
        for n in 0..MAX_RECOUNTS as u32 {
            slots.recounts.push(Recount { id: id(n), after: 9, token: "0123456789abcdef".into() });
        }
        let mut envelope = Envelope::new("slots/x", &slots).unwrap();
        envelope.ops = vec!["0123456789abcdef.0".into(); 16];
        let bytes = envelope.write("slots/x").unwrap().len();
        assert!(bytes < MAX_VALUE_BYTES - 1000, "{bytes}");
    }
}
