//! Deletes objects: those of finished videos after their retention, those of closed accounts at once.

use framelift_domain::UserId;
use framelift_domain::video::Event;

use super::cleanup::{Cleanup, log_left};
use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::index::{Head, PAGE};
use crate::store::listing::KEPT;
use crate::store::{StoreError, keys};

/// Maximum of videos of one user that one pass reads.
const MAX_VIDEOS: u64 = 50;

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Returns a user's oldest videos whose objects are due, for [`Self::purge`]: in order, up to the first one
    /// that is still needed. A damaged record is skipped, because its objects are unknown.
    pub(super) async fn retire_user(
        &self,
        user: UserId,
        seen: u64,
        passed_over: &mut Vec<(UserId, JobError)>,
    ) -> Result<Vec<Cleanup>> {
        let mut head = self.store.head(user).await?;
        let slots = self.store.slots(user).await?;
        self.store.finish_recounts(user, &slots).await?;
        let now = self.now();
        let mut cleanups = Vec::new();
        let mut done = head.retired;
        let until = head.len().min(head.retired + MAX_VIDEOS);
        let mut ids = (u64::MAX, Vec::new());
        for position in head.retired..until {
            let number = position / PAGE;
            if ids.0 != number {
                ids = (number, self.store.index_page(user, &head, number).await?);
            }
            let Some(id) = usize::try_from(position % PAGE).ok().and_then(|n| ids.1.get(n).copied()) else {
                break;
            };
            let row = match self.store.video(id).await {
                Err(StoreError::Damaged(error)) => {
                    passed_over.push((user, error.into()));
                    if done == position {
                        done += 1;
                    }
                    continue;
                }
                row => row?,
            };
            let Some(row) = row else {
                // It is being created, or the sweep has abandoned its creation.
                if slots.contains(id) || self.store.slots(user).await?.contains(id) {
                    break;
                }
                if self.store.video(id).await?.is_some() {
                    break;
                }
                if done == position {
                    done += 1;
                }
                continue;
            };
            let Some(end) = row.video.state.end().filter(|_| row.position == Some(position)) else {
                if row.position == Some(position) {
                    break;
                }
                if done == position {
                    done += 1;
                }
                continue;
            };
            if end.purged {
                if row.is_miscounted() {
                    self.store.recount(user, id).await?;
                }
                if done == position {
                    done += 1;
                }
                continue;
            }
            let due = slots.closed || row.video.purge_at(self.limits).is_some_and(|at| at <= now);
            if !due {
                break;
            }
            let gone = self.release_upload(&row.video).await?;
            cleanups.push(Cleanup::all_of(&row.video, gone));
        }
        if done > head.retired {
            head = self.store.retire(user, done).await?;
        }
        if head.retired >= head.len() && slots.recounts.is_empty() {
            self.store.leave_if_idle::<Head>(KEPT, user, &keys::index(user), seen).await?;
        }
        Ok(cleanups)
    }

    /// Deletes the objects of a finished video, and returns whether it did. After an error, the next pass retries.
    pub(super) async fn purge(&self, cleanup: &Cleanup) -> bool {
        let purged = async {
            self.remove(cleanup).await?;
            self.purged(cleanup).await
        };
        let purged = purged.await;
        if let Err(error) = &purged {
            log_left(cleanup, error);
        }
        purged.is_ok()
    }

    /// Records that the objects of a finished video are deleted. Videos of closed accounts become tombstones.
    async fn purged(&self, cleanup: &Cleanup) -> Result<()> {
        let owner = self.row(cleanup.video).await?.video.owner;
        if self.is_closed(owner).await? {
            self.apply(cleanup.video, &Event::Deleted).await?;
        }
        self.apply(cleanup.video, &Event::Purged).await?;
        Ok(self.store.recount(owner, cleanup.video).await?)
    }
}
