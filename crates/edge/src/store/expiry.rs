//! Lists of values that are removed from the store a day later: records of deleted videos, and all values of closed
//! accounts.
//!
//! Each hour has a list, in shards and pages. A call that deletes something first adds an entry to the list of the hour
//! in which it is due. The sweep reads the lists of past hours, and checks each entry again before it removes anything.
//! No entry is added for an hour that has begun.

use framelift_domain::{EventId, Time, UserId, VideoId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::create::Watch;
use super::update::UpdateError;
use super::{Damaged, Store, StoreError, Stored, keys, unavailable};
use crate::ports::{Ambient, Kv};

/// The minimum delay of a removal, in seconds: idempotency keys refer to videos for 24 hours.
const DELAY_S: u32 = 25 * 3600;
/// Number of shards of an hour's list.
const SHARDS: u32 = 16;
/// Maximum of entries on a page.
const PAGE_ITEMS: usize = 200;
/// Maximum of pages of a list.
const MAX_PAGES: u32 = 10_000;
/// How many hours back a sweep starts if there is no cursor.
const LOOKBACK_H: i64 = 48;
/// Maximum of values that one call reads to find a page.
const MAX_READS: u32 = 64;

/// An entry: the values to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiring {
    /// The record of a video, if it is deleted.
    Video(VideoId),
    /// A delivery that was dropped from the outbox.
    Delivery(EventId),
    /// All values of a closed account, step by step.
    User {
        /// The user.
        user: UserId,
        /// The next step.
        step: u64,
    },
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    items: Vec<Expiring>,
}

impl Stored for Page {}

/// Where the next sweep continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    hour: i64,
    shard: u32,
}

impl Stored for Cursor {}

/// A page of due entries.
#[derive(Debug)]
pub struct Due {
    key: String,
    /// The entries.
    pub items: Vec<Expiring>,
}

fn hour(at: Time) -> i64 {
    at.unix_s().div_euclid(3600)
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// Schedules a removal for a day later.
    pub async fn remove_later(&self, item: Expiring) -> Result<(), StoreError> {
        let due = hour(self.ambient.now().plus_s(DELAY_S)) + 1;
        let id = match item {
            Expiring::Video(id) => id.to_string(),
            Expiring::Delivery(id) => id.to_string(),
            Expiring::User { user, .. } => user.to_string(),
        };
        let shard = u32::from(Sha256::digest(id.as_bytes())[0]) % SHARDS;
        for page in 0..MAX_PAGES {
            let key = keys::expiry_page(due, shard, page);
            let added = loop {
                let updated = self.update(&key, |mut page: Page| {
                    let known = page.items.contains(&item);
                    let added = known || page.items.len() < PAGE_ITEMS;
                    if added && !known {
                        page.items.push(item);
                    }
                    Ok::<_, std::convert::Infallible>((page, added && !known, added))
                });
                match updated.await {
                    Err(UpdateError::Missing) => self.create(&key, &Page::default()).await?,
                    Ok(updated) => break updated.output,
                    // A damaged page takes no entry.
                    Err(UpdateError::Store(StoreError::Damaged(_))) => break false,
                    Err(UpdateError::Store(error)) => return Err(error),
                    Err(UpdateError::Refused(never)) => match never {},
                };
            };
            if added {
                return Ok(());
            }
        }
        Err(unavailable("expire", "the list is full"))
    }

    /// The next page of due entries, if there is one. Reads a bounded number of values. Skips damaged pages, whose
    /// errors it adds to `damaged`.
    pub async fn next_due(&self, damaged: &mut Vec<Damaged>) -> Result<Option<Due>, StoreError> {
        let cursor_key = keys::sweep_cursor("expire");
        let this_hour = hour(self.ambient.now());
        let known = match self.get::<Cursor>(&cursor_key).await {
            // It is replaced below.
            Err(StoreError::Damaged(_)) => None,
            known => known?,
        };
        let start = known.unwrap_or(Cursor { hour: this_hour - LOOKBACK_H, shard: 0 });
        let (mut at, mut reads, mut due) = (start, 0, None);
        while at.hour <= this_hour && reads < MAX_READS && due.is_none() {
            // The last page first, because a page behind a missing one is not found.
            for page in 0..MAX_PAGES {
                let key = keys::expiry_page(at.hour, at.shard, page);
                reads += 1;
                match self.get::<Page>(&key).await {
                    Ok(Some(page)) => due = Some(Due { key, items: page.items }),
                    Ok(None) => break,
                    Err(StoreError::Damaged(error)) => damaged.push(error),
                    Err(error) => return Err(error),
                }
            }
            if due.is_none() {
                at = match at.shard + 1 {
                    SHARDS.. => Cursor { hour: at.hour + 1, shard: 0 },
                    shard => Cursor { shard, ..at },
                };
            }
        }
        if known != Some(at) {
            self.set_plain(&cursor_key, &at).await?;
        }
        Ok(due)
    }

    /// Replaces the `done` entries of a page with `next`. Removes the page when it becomes empty.
    pub async fn replace_due(
        &self,
        due: &Due,
        done: &[Expiring],
        next: Option<Expiring>,
    ) -> Result<(), StoreError> {
        let updated = self.update(&due.key, |mut page: Page| {
            let before = page.clone();
            page.items.retain(|item| !done.contains(item));
            if let Some(next) = next.filter(|next| !page.items.contains(next)) {
                page.items.push(next);
            }
            let changed = page != before;
            let is_empty = page.items.is_empty();
            Ok::<_, std::convert::Infallible>((page, changed, is_empty))
        });
        match updated.await {
            Ok(updated) if updated.output => self.forget(&due.key).await,
            Ok(_) | Err(UpdateError::Missing) => Ok(()),
            Err(UpdateError::Store(error)) => Err(error),
            Err(UpdateError::Refused(never)) => match never {},
        }
    }

    /// Removes a value and the counters of its creation, so that the key is like an unused one. Only for values that
    /// are not created or changed concurrently.
    pub async fn forget(&self, key: &str) -> Result<(), StoreError> {
        let watch_key = keys::watch(key);
        self.kv.delete(key).await?;
        if let Some(watch) = self.get::<Watch>(&watch_key).await? {
            for time in watch.times() {
                self.kv.delete(&keys::take_over(key, time)).await?;
            }
            self.kv.delete(&watch_key).await?;
        }
        Ok(self.kv.delete(&keys::creation(key)).await?)
    }
}
