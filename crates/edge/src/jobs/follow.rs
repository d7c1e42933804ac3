//! Reads for the stream of all of a user's videos: the unfinished ones, and positions in the list.

use std::collections::{BTreeMap, btree_map};

use framelift_domain::video::State;
use framelift_domain::{UserId, VideoId};
use futures::future::join_all;

use super::read::DAMAGED_LEFT_OUT;
use super::{Found, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::index::{Head, PAGE};
use crate::store::slots::Slots;
use crate::store::{StoreError, keys};

/// Records that are read concurrently.
const CONCURRENT_READS: usize = 20;

/// A user's unfinished videos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllUnfinished {
    /// Those in flight first.
    pub videos: Vec<Unfinished>,
    /// Raised by each change, even one that leaves the videos as they are.
    pub revision: u64,
}

/// A video that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The video.
    pub id: VideoId,
    /// Its position in its owner's queue, from 1, while it waits.
    pub queue_position: Option<u32>,
    /// Whether it is pending or being processed.
    pub in_flight: bool,
}

/// The entry of a video in the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Its record, and its position in the list.
    Video {
        /// The video, without its position in the queue.
        found: Box<Found>,
        /// None for the tombstone of a creation that was abandoned.
        position: Option<u64>,
    },
    /// It was deleted.
    Deleted,
    /// No record: it is being created, or its creation failed.
    Missing,
    /// A damaged record, or one of another user.
    Unreadable,
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// The user's unfinished videos; none if the account was closed.
    pub async fn unfinished(&self, user: UserId) -> Result<Option<AllUnfinished>> {
        let (slots, revision) = self.store.get_revised(&keys::slots(user)).await?.unwrap_or_default();
        let slots: Slots = slots;
        if slots.closed {
            return Ok(None);
        }
        let of = |id, queue_position, in_flight| Unfinished { id, queue_position, in_flight };
        let in_flight = slots.in_flight.iter().map(|slot| of(slot.id, None, true));
        let waiting = (1..).zip(&slots.waiting).map(|(place, id)| of(*id, Some(place), false));
        let awaiting = slots.awaiting.iter().map(|(id, _)| of(*id, None, false));
        Ok(Some(AllUnfinished { videos: in_flight.chain(waiting).chain(awaiting).collect(), revision }))
    }

    /// The newest page of the list of the user's videos.
    pub async fn newest_page(&self, user: UserId) -> Result<Head> {
        Ok(self.store.head(user).await?)
    }

    /// The entry of one of the user's videos.
    pub async fn entry(&self, user: UserId, id: VideoId) -> Result<Entry> {
        let row = match self.store.video(id).await {
            Err(StoreError::Damaged(damaged)) => {
                damaged.log_once(DAMAGED_LEFT_OUT, Some(user), None);
                return Ok(Entry::Unreadable);
            }
            row => row?,
        };
        Ok(match row {
            None => Entry::Missing,
            Some(row) if row.video.owner != user => Entry::Unreadable,
            Some(row) if matches!(row.video.state, State::Deleted { .. }) => Entry::Deleted,
            Some(row) => {
                let found = Box::new(Found { video: row.video, queue_position: None });
                Entry::Video { found, position: row.position }
            }
        })
    }

    /// The entries of the user's videos at those positions. Skips positions that are not, or no longer, in the list.
    pub async fn entries(
        &self,
        user: UserId,
        head: &Head,
        positions: &[u64],
    ) -> Result<Vec<(u64, VideoId, Entry)>> {
        let mut pages = BTreeMap::new();
        let mut listed = Vec::new();
        for position in positions.iter().copied().filter(|at| (head.removed..head.len()).contains(at)) {
            let number = position / PAGE;
            let page = match pages.entry(number) {
                btree_map::Entry::Occupied(read) => read.into_mut(),
                btree_map::Entry::Vacant(unread) => {
                    unread.insert(self.store.index_page(user, head, number).await?)
                }
            };
            let id = usize::try_from(position % PAGE).ok().and_then(|at| page.get(at));
            listed.extend(id.map(|id| (position, *id)));
        }
        let mut entries = Vec::new();
        for listed in listed.chunks(CONCURRENT_READS) {
            let read = listed.iter().map(|(position, id)| async move {
                Ok::<_, super::JobError>((*position, *id, self.entry(user, *id).await?))
            });
            for entry in join_all(read).await {
                entries.push(entry?);
            }
        }
        Ok(entries)
    }
}
