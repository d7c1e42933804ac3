//! Removes the values of deleted videos and closed accounts from the store, a day later.

use framelift_contract::object_key;
use framelift_domain::video::{Source, State};
use framelift_domain::{EventId, UserId, VideoId};

use super::{JobError, Jobs, Result, Swept};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::index::PAGE;
use crate::store::slots::Slots;
use crate::store::{Expiring, keys};

/// Maximum of records that one call removes.
const MAX_REMOVED: usize = 40;
/// Buckets of idempotency keys that are removed in one step.
const BUCKETS_PER_STEP: u64 = 16;

/// The outcome of removing something that is due.
enum Outcome {
    /// It is removed, or need not be removed.
    Done,
    /// It is still needed.
    Later,
    /// A part is removed. Holds the entry for the next part.
    Step(Expiring),
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Removes the next due values. An entry is deferred for a day if its values are still needed or damaged, and
    /// stays due if a service did not answer.
    pub(super) async fn remove_due(&self, swept: &mut Swept) -> Result<()> {
        let mut damaged = Vec::new();
        let due = self.store.next_due(&mut damaged).await;
        swept.page_errors.extend(damaged.into_iter().map(JobError::from));
        let Some(due) = due? else { return Ok(()) };
        let (mut done, mut next) = (Vec::new(), None);
        for item in due.items.iter().take(MAX_REMOVED).copied() {
            let (user, outcome) = match item {
                Expiring::Video(id) => (None, self.remove_video(id).await),
                Expiring::Delivery(id) => (None, self.remove_delivery(id).await),
                Expiring::User { user, step } => (Some(user), self.remove_user(user, step).await),
            };
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(error) => {
                    let stays_due = matches!(error, JobError::Unavailable(_));
                    match user {
                        Some(user) => swept.user_errors.push((user, error)),
                        None => swept.page_errors.push(error),
                    }
                    if stays_due {
                        break;
                    }
                    Outcome::Later
                }
            };
            match outcome {
                Outcome::Done => {}
                Outcome::Later => self.store.remove_later(item).await?,
                Outcome::Step(step) => next = Some(step),
            }
            done.push(item);
            // Removing a part of an account writes as much as removing many records.
            if user.is_some() {
                break;
            }
        }
        Ok(self.store.replace_due(&due, &done, next).await?)
    }

    /// Removes the record of a deleted video without objects.
    async fn remove_video(&self, id: VideoId) -> Result<Outcome> {
        let key = keys::video(id);
        let row = self.store.video(id).await?;
        if let Some(row) = &row {
            let State::Deleted { end, .. } = &row.video.state else { return Ok(Outcome::Done) };
            let shared =
                matches!(&row.video.source, Source::Own { refs, .. } if refs.iter().any(|of| *of != id));
            if !end.purged || shared || row.counted.bytes > 0 {
                return Ok(Outcome::Later);
            }
        }
        self.store.forget(&key).await?;
        if let Some(row) = row.filter(|row| row.position.is_some()) {
            self.trim_index(row.video.owner).await?;
        }
        Ok(Outcome::Done)
    }

    /// Removes a delivery that was dropped from the outbox.
    async fn remove_delivery(&self, id: EventId) -> Result<Outcome> {
        self.store.forget(&keys::delivery(id)).await?;
        Ok(Outcome::Done)
    }

    /// Drops the oldest entries of a user's index, up to the first whose record still exists.
    async fn trim_index(&self, user: UserId) -> Result<()> {
        let head = self.store.head(user).await?;
        let mut first = head.removed;
        let until = head.retired.min(first + PAGE);
        let mut ids = (u64::MAX, Vec::new());
        while first < until {
            if ids.0 != first / PAGE {
                ids = (first / PAGE, self.store.index_page(user, &head, first / PAGE).await?);
            }
            let id = usize::try_from(first % PAGE).ok().and_then(|n| ids.1.get(n));
            if let Some(id) = id
                && self.store.video(*id).await?.is_some()
            {
                break;
            }
            first += 1;
        }
        Ok(self.store.trim(user, first).await?)
    }

    /// Removes a part of a closed account's values: first its videos, page by page, then its idempotency keys, and last
    /// the values that record that it is closed.
    async fn remove_user(&self, user: UserId, step: u64) -> Result<Outcome> {
        let slots: Option<Slots> = self.store.get(&keys::slots(user)).await?;
        if slots.as_ref().is_some_and(|slots| !slots.closed) {
            // The call that closes the account has not marked it yet.
            return Ok(Outcome::Done);
        }
        let slots = slots.unwrap_or_default();
        let head = self.store.head(user).await?;
        let busy = !slots.is_empty() || !slots.recounts.is_empty() || slots.used_bytes() > 0;
        let plugins = self.store.plugins(user).await?;
        let busy = busy || plugins.listed.listed || !plugins.versions.is_empty();
        let outbox = self.store.outbox(user).await?;
        let busy = busy || !outbox.due.is_empty() || outbox.notices.listed;
        if busy || slots.work.listed || head.kept.listed || head.retired < head.len() {
            return Ok(Outcome::Later);
        }
        let pages = head.len().div_ceil(PAGE);
        let next = Outcome::Step(Expiring::User { user, step: step + 1 });
        if step < pages {
            // An earlier call has removed a missing page, and before it the records of its videos.
            for id in self.store.find_index_page(user, &head, step).await?.unwrap_or_default() {
                self.store.forget(&keys::video(id)).await?;
            }
            self.store.forget(&keys::index_page(user, step)).await?;
            return Ok(next);
        }
        let first = (step - pages) * BUCKETS_PER_STEP;
        if first < u64::from(keys::IDEMPOTENCY_BUCKETS) {
            for bucket in first..first + BUCKETS_PER_STEP {
                self.store.forget(&keys::idempotency_bucket(user, bucket)).await?;
            }
            return Ok(next);
        }
        // Objects that workers wrote before they learned that the account was closed.
        for prefix in object_key::of_user(user) {
            self.objects.remove_all(&prefix).await?;
        }
        self.store.forget(&keys::rate(user)).await?;
        self.store.forget(&keys::streams(user)).await?;
        self.store.forget(&keys::plugins(user)).await?;
        for event in outbox.kept {
            self.store.forget(&keys::delivery(event)).await?;
        }
        self.store.forget(&keys::outbox(user)).await?;
        self.store.forget(&keys::index(user)).await?;
        self.store.forget(&keys::slots(user)).await?;
        Ok(Outcome::Done)
    }
}
