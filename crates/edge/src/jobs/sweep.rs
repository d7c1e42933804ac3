//! The sweep, which finishes what crashes left undone: each minute, a bounded look at the users with work.
//!
//! Nothing here is needed for the normal flow. Every effect is one compare-and-swap, so that
//! it happens once however many callers sweep.

use std::collections::BTreeMap;

use framelift_contract::report::SweepAnswer;
use framelift_domain::video::{Event, Processing, Source, State};
use framelift_domain::{Options, UserId, Video, VideoId};
use serde::{Deserialize, Serialize};

use super::claim::{exhausted, timed_out};
use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::listing::{KEPT, List, NOTICES, PLUGINS, WORK};
use crate::store::records::VideoRow;
use crate::store::slots::Slots;
use crate::store::{Expiring, StoreError, Stored, keys};

/// How long after an upload's time a creation without a record counts as abandoned, in seconds.
const ABANDONED_S: u32 = 600;
/// How long after a job's time a worker may still renew its lease, in seconds.
const OVERTIME_S: u32 = 600;
/// Most users with work that one call looks at: an instance on Spin has 256 swaps in its life, and one whose
/// users all need help takes some ten for each.
const WORK_USERS: usize = 16;
/// Most users to be told something that one call looks at.
const NOTICE_USERS: usize = 16;
/// Most users with objects that one call looks at.
const KEPT_USERS: usize = 8;
/// Most users with plugins that one call looks at.
const PLUGIN_USERS: usize = 4;
/// Pages that one call fails to read before it gives up on the store.
const MAX_UNREAD: usize = 8;
/// Waiting videos of a user whose records one call looks at.
const WAITING_LOOKED_AT: usize = 5;

/// The result of a sweep.
#[derive(Debug, Default)]
pub struct Swept {
    /// The counts for the answer.
    pub answer: SweepAnswer,
    /// Users whose work failed, to be logged; a later sweep tries them again.
    pub troubles: Vec<(UserId, JobError)>,
    /// Pages of users that could not be read, to be logged; a later sweep tries them again.
    pub unread: Vec<StoreError>,
}

/// Where a sweep goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    shard: u32,
    page: u32,
    after: Option<UserId>,
}

impl Stored for Cursor {}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Sweeps the next users with work, and the next ones with objects to delete.
    pub async fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        let (users, more) = self.next_users(WORK, WORK_USERS, &mut swept.unread).await?;
        swept.answer.more = more;
        for (user, epoch) in users {
            swept.answer.users += 1;
            if let Err(error) = self.heal_user(user, epoch, &mut swept).await {
                swept.troubles.push((user, error));
            }
        }
        // The counts so far are still answered, whatever becomes of the rest.
        let notices = self.sweep_notices(&mut swept).await;
        let kept = notices.and(self.sweep_kept(&mut swept).await);
        match kept.and(self.sweep_plugins(&mut swept).await) {
            Err(JobError::Unavailable(error)) => {
                swept.unread.push(error.into());
                return Ok(swept);
            }
            outcome => outcome?,
        }
        match self.remove_due(&mut swept).await {
            Err(JobError::Unavailable(error)) => swept.unread.push(error.into()),
            outcome => outcome?,
        }
        Ok(swept)
    }

    /// Has the next users told what they are to be told and were not.
    async fn sweep_notices(&self, swept: &mut Swept) -> Result<()> {
        let (users, more) = self.next_users(NOTICES, NOTICE_USERS, &mut swept.unread).await?;
        swept.answer.more |= more;
        for (user, epoch) in users {
            if let Err(error) = self.tell_user(user, epoch, swept).await {
                swept.troubles.push((user, error));
            }
        }
        Ok(())
    }

    /// Looks after the plugins of the next users whose plugins need it.
    async fn sweep_plugins(&self, swept: &mut Swept) -> Result<()> {
        let (users, _) = self.next_users(PLUGINS, PLUGIN_USERS, &mut swept.unread).await?;
        for (user, epoch) in users {
            if let Err(error) = self.heal_plugins(user, epoch).await {
                swept.troubles.push((user, error));
            }
        }
        Ok(())
    }

    /// Removes objects of the next users who have some to remove.
    async fn sweep_kept(&self, swept: &mut Swept) -> Result<()> {
        let (users, _) = self.next_users(KEPT, KEPT_USERS, &mut swept.unread).await?;
        for (user, epoch) in users {
            match self.retire_user(user, epoch, &mut swept.troubles).await {
                Ok(cleanups) => {
                    swept.answer.expired_results += u32::try_from(cleanups.len()).unwrap_or(u32::MAX);
                    for cleanup in &cleanups {
                        self.purge(cleanup).await;
                    }
                }
                Err(error) => swept.troubles.push((user, error)),
            }
        }
        Ok(())
    }

    /// The next users of a list, each at most once, and whether there are more.
    async fn next_users(
        &self,
        list: List,
        most: usize,
        unread: &mut Vec<StoreError>,
    ) -> Result<(BTreeMap<UserId, u64>, bool)> {
        let cursor_key = keys::sweep_cursor(list.name);
        let start = match self.store.get::<Cursor>(&cursor_key).await {
            // It will be written anew.
            Err(StoreError::Damaged(_)) => None,
            found => found?,
        };
        let start = start.unwrap_or_default();
        let mut at = if start.shard < list.shards { start } else { Cursor::default() };
        let mut users = BTreeMap::new();
        let mut shards = 0;
        // One more than there are: the first one may have been begun in its middle.
        while shards <= list.shards {
            let page = match self.store.list_page(list, at.shard, at.page).await {
                Err(StoreError::Damaged(error)) => {
                    unread.push(error.into());
                    at = Cursor { page: at.page + 1, after: None, ..at };
                    continue;
                }
                Err(error) if unread.len() >= MAX_UNREAD => return Err(error.into()),
                Err(error) => {
                    unread.push(error);
                    None
                }
                Ok(page) => page,
            };
            let Some(page) = page else {
                at = Cursor { shard: (at.shard + 1) % list.shards, ..Cursor::default() };
                shards += 1;
                continue;
            };
            let after = at.after;
            for (user, epoch) in page.users.into_iter().filter(|(user, _)| Some(*user) > after) {
                if users.len() >= most {
                    unread.extend(self.store.set_plain(&cursor_key, &at).await.err());
                    return Ok((users, true));
                }
                users.insert(user, epoch);
                at.after = Some(user);
            }
            at = Cursor { page: at.page + 1, after: None, ..at };
        }
        if at != start {
            unread.extend(self.store.set_plain(&cursor_key, &at).await.err());
        }
        Ok((users, false))
    }

    async fn heal_user(&self, user: UserId, epoch: u64, swept: &mut Swept) -> Result<()> {
        let slots = self.store.slots(user).await?;
        if slots.is_empty() {
            return Ok(self.store.leave_if_idle::<Slots>(WORK, user, &keys::slots(user), epoch).await?);
        }
        let now = self.now();
        // An error with one user does not stop the others.
        let mut outcome = Ok(());
        for (id, expires_at) in &slots.awaiting {
            if slots.closed || *expires_at <= now {
                let abandoned = now >= expires_at.plus_s(ABANDONED_S);
                outcome = outcome.and(self.heal_awaiting(user, *id, abandoned, swept).await);
            }
        }
        for id in slots.waiting.iter().take(WAITING_LOOKED_AT) {
            outcome = outcome.and(self.heal_waiting(user, *id, slots.closed).await);
        }
        for slot in &slots.in_flight {
            if slot.sent || slots.closed {
                outcome = outcome.and(self.heal_in_flight(user, slot.id, slots.closed, swept).await);
            }
        }
        outcome.and(self.settle(user).await)
    }

    /// Expires a video whose upload did not come in time.
    async fn heal_awaiting(
        &self,
        user: UserId,
        id: VideoId,
        abandoned: bool,
        swept: &mut Swept,
    ) -> Result<()> {
        match self.apply(id, &Event::Expired).await {
            Ok(video) => {
                swept.answer.expired_uploads += 1;
                self.leave_slot(&video).await?;
            }
            Err(JobError::Refused(_)) => {
                let video = self.row(id).await?.video;
                self.heal_finished(&video).await?;
            }
            Err(JobError::VideoNotFound) if abandoned => {
                // A tombstone keeps a late creator from making the record after all.
                self.store.remove_later(Expiring::Video(id)).await?;
                self.store.create(&keys::video(id), &self.abandoned(user, id)).await?;
                if let State::Deleted { .. } = self.row(id).await?.video.state {
                    self.free(user, id).await?;
                }
            }
            Err(JobError::VideoNotFound) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Writes the tombstone of a video whose record was never made.
    fn abandoned(&self, user: UserId, id: VideoId) -> VideoRow {
        let now = self.now();
        let video = Video {
            id,
            owner: user,
            file_name: String::new(),
            size_bytes: 0,
            content_type: None,
            options: Options::default(),
            correlation_id: id.into(),
            trace_parent: None,
            source: Source::own(id),
            created_at: now,
            state: State::tombstone(now),
        };
        VideoRow::new(video, None)
    }

    /// Checks a waiting video, whose record may not say so yet.
    async fn heal_waiting(&self, user: UserId, id: VideoId, closed: bool) -> Result<()> {
        let row = self.store.video(id).await?;
        match row.map(|row| row.video) {
            None => {
                self.free(user, id).await?;
            }
            Some(video) if video.state.is_terminal() => self.heal_finished(&video).await?,
            Some(video) if closed => self.heal_closed(video.id).await?,
            Some(Video { state: State::AwaitingUpload { .. }, .. }) => {
                match self.apply(id, &Event::Queued).await {
                    Ok(_) | Err(JobError::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Some(_) => {}
        }
        Ok(())
    }

    async fn heal_in_flight(&self, user: UserId, id: VideoId, closed: bool, swept: &mut Swept) -> Result<()> {
        let Some(row) = self.store.video(id).await? else {
            self.free(user, id).await?;
            return Ok(());
        };
        let video = row.video;
        if closed && !video.state.is_terminal() {
            return self.heal_closed(id).await;
        }
        let now = self.now();
        let attempts = video.state.attempts();
        let overdue = |grace_s: u32| {
            let deadline = attempts.first_claim.map(|first| first.plus_s(self.limits.max_job_s));
            deadline.is_some_and(|deadline| now >= deadline.plus_s(grace_s))
        };
        let (resend_s, take_back_s) = (self.limits.resend_after_s, self.limits.take_back_after_s);
        let event = match &video.state {
            State::AwaitingUpload { .. } | State::Queued => Event::Dispatched,
            State::Pending(_) if overdue(0) => Event::GivenUp(timed_out()),
            State::Pending(_) if attempts.releases > self.limits.max_releases => Event::GivenUp(exhausted()),
            State::Pending(pending) if now >= pending.since.plus_s(resend_s) => {
                Event::Resent { grace_s: resend_s }
            }
            State::Processing(_) if overdue(OVERTIME_S) => Event::GivenUp(timed_out()),
            State::Processing(Processing { lease, .. }) if now >= lease.expires_at.plus_s(take_back_s) => {
                Event::Reclaimed { grace_s: take_back_s }
            }
            State::Pending(_) | State::Processing(_) => return Ok(()),
            _ => return self.heal_finished(&video).await,
        };
        let video = match self.apply(id, &event).await {
            Ok(video) => video,
            // Another call was quicker.
            Err(JobError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        match event {
            Event::GivenUp(_) => return self.heal_finished(&video).await,
            Event::Reclaimed { .. } => swept.answer.lapsed_leases += 1,
            _ => {}
        }
        self.send(&video, None, 0).await?;
        swept.answer.resent += 1;
        Ok(())
    }

    /// Ends an unfinished video of a deleted account.
    async fn heal_closed(&self, id: VideoId) -> Result<()> {
        match self.apply(id, &Event::Canceled).await {
            Ok(video) => self.heal_finished(&video).await,
            Err(JobError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Frees the slot of a finished video.
    async fn heal_finished(&self, video: &Video) -> Result<()> {
        if video.state.is_terminal() { self.leave_slot(video).await } else { Ok(()) }
    }
}
