//! The sweep, which does the steps that crashed calls left undone. Each call, once a minute, handles a bounded number
//! of users with work.
//!
//! The normal flow does not need it. Every effect is one compare-and-swap, so it happens once however many callers
//! sweep at the same time.

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

/// How long after the upload's expiry a creation without a record counts as abandoned, in seconds.
const ABANDONED_S: u32 = 600;
/// How long after the job's deadline the sweep waits for its worker, in seconds.
const RENEWAL_GRACE_S: u32 = 600;
/// Maximum of users with work that one call handles. An instance on Spin is limited to 256 swaps, and recovering a
/// user's videos takes about ten.
const MAX_WORK_USERS: usize = 16;
/// Maximum of users with due notices that one call handles.
const MAX_NOTICE_USERS: usize = 16;
/// Maximum of users with objects that one call handles.
const MAX_KEPT_USERS: usize = 8;
/// Maximum of users with plugins that one call handles.
const MAX_PLUGIN_USERS: usize = 4;
/// Maximum of pages that one call fails to read before it gives up.
const MAX_PAGE_ERRORS: usize = 8;
/// Maximum of waiting videos of a user whose records one call checks.
const MAX_WAITING: usize = 5;

/// The result of a sweep.
#[derive(Debug, Default)]
pub struct Swept {
    /// The counts for the answer.
    pub answer: SweepAnswer,
    /// Errors by user, to be logged. A later sweep retries these users.
    pub user_errors: Vec<(UserId, JobError)>,
    /// Other errors, of pages of lists and of values that are due, to be logged. A later sweep retries them, but for
    /// damaged pages of values that are due.
    pub page_errors: Vec<JobError>,
}

impl Swept {
    /// Adds the error of one of a user's values, which does not block the others: if it is damaged, or the user's first
    /// error. A service that does not answer fails for many values alike.
    pub(super) fn add_outcome(&mut self, user: UserId, outcome: Result<()>) {
        if let Err(error) = outcome
            && (matches!(error, JobError::Damaged(_)) || !self.user_errors.iter().any(|(of, _)| *of == user))
        {
            self.user_errors.push((user, error));
        }
    }
}

/// Where the next sweep of a list continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    shard: u32,
    page: u32,
    after: Option<UserId>,
}

impl Stored for Cursor {}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Sweeps the next users of each list, and the next due removals. Only an error of the first list is one of the
    /// call: after that, there are counts to answer.
    pub async fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        let (users, more) = self.next_users(WORK, MAX_WORK_USERS, &mut swept.page_errors).await?;
        swept.answer.more = more;
        for (user, epoch) in users {
            swept.answer.users += 1;
            let outcome = self.recover_user(user, epoch, &mut swept).await;
            swept.add_outcome(user, outcome);
        }
        let outcomes = [
            self.sweep_notices(&mut swept).await,
            self.sweep_kept(&mut swept).await,
            self.sweep_plugins(&mut swept).await,
            self.remove_due(&mut swept).await,
        ];
        swept.page_errors.extend(outcomes.into_iter().filter_map(Result::err));
        Ok(swept)
    }

    /// Sends the due notices of the next users.
    async fn sweep_notices(&self, swept: &mut Swept) -> Result<()> {
        let (users, more) = self.next_users(NOTICES, MAX_NOTICE_USERS, &mut swept.page_errors).await?;
        swept.answer.more |= more;
        for (user, epoch) in users {
            let outcome = self.send_due_notices(user, epoch, swept).await;
            swept.add_outcome(user, outcome);
        }
        Ok(())
    }

    /// Recovers the plugins of the next users in their list.
    async fn sweep_plugins(&self, swept: &mut Swept) -> Result<()> {
        let (users, _) = self.next_users(PLUGINS, MAX_PLUGIN_USERS, &mut swept.page_errors).await?;
        for (user, epoch) in users {
            swept.add_outcome(user, self.recover_plugins(user, epoch).await);
        }
        Ok(())
    }

    /// Deletes the expired objects of the next users.
    async fn sweep_kept(&self, swept: &mut Swept) -> Result<()> {
        let (users, _) = self.next_users(KEPT, MAX_KEPT_USERS, &mut swept.page_errors).await?;
        for (user, epoch) in users {
            match self.retire_user(user, epoch, &mut swept.user_errors).await {
                Ok(cleanups) => {
                    swept.answer.expired_results += u32::try_from(cleanups.len()).unwrap_or(u32::MAX);
                    for cleanup in &cleanups {
                        self.purge(cleanup).await;
                    }
                }
                Err(error) => swept.user_errors.push((user, error)),
            }
        }
        Ok(())
    }

    /// The next users of a list, each at most once, and whether there are more.
    async fn next_users(
        &self,
        list: List,
        most: usize,
        page_errors: &mut Vec<JobError>,
    ) -> Result<(BTreeMap<UserId, u64>, bool)> {
        let cursor_key = keys::sweep_cursor(list.name);
        let start = match self.store.get::<Cursor>(&cursor_key).await {
            // It is replaced below.
            Err(StoreError::Damaged(_)) => None,
            found => found?,
        };
        let start = start.unwrap_or_default();
        let mut at = if start.shard < list.shards { start } else { Cursor::default() };
        let mut users = BTreeMap::new();
        let mut shards = 0;
        // One shard more than there are, because the first one may have been started in its middle.
        while shards <= list.shards {
            let page = match self.store.list_page(list, at.shard, at.page).await {
                Err(StoreError::Damaged(error)) => {
                    page_errors.push(error.into());
                    at = Cursor { page: at.page + 1, after: None, ..at };
                    continue;
                }
                Err(error) if page_errors.len() >= MAX_PAGE_ERRORS => return Err(error.into()),
                Err(error) => {
                    page_errors.push(error.into());
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
                    page_errors
                        .extend(self.store.set_plain(&cursor_key, &at).await.err().map(JobError::from));
                    return Ok((users, true));
                }
                users.insert(user, epoch);
                at.after = Some(user);
            }
            at = Cursor { page: at.page + 1, after: None, ..at };
        }
        if at != start {
            page_errors.extend(self.store.set_plain(&cursor_key, &at).await.err().map(JobError::from));
        }
        Ok((users, false))
    }

    async fn recover_user(&self, user: UserId, epoch: u64, swept: &mut Swept) -> Result<()> {
        let slots = self.store.slots(user).await?;
        if slots.is_empty() {
            return Ok(self.store.leave_if_idle::<Slots>(WORK, user, &keys::slots(user), epoch).await?);
        }
        let now = self.now();
        for (id, expires_at) in &slots.awaiting {
            if slots.closed || *expires_at <= now {
                let abandoned = now >= expires_at.plus_s(ABANDONED_S);
                let outcome = self.expire_awaiting(user, *id, abandoned, swept).await;
                swept.add_outcome(user, outcome);
            }
        }
        for id in slots.waiting.iter().take(MAX_WAITING) {
            swept.add_outcome(user, self.recover_waiting(user, *id, slots.closed).await);
        }
        for slot in &slots.in_flight {
            if slot.sent || slots.closed {
                let outcome = self.recover_in_flight(user, slot.id, slots.closed, swept).await;
                swept.add_outcome(user, outcome);
            }
        }
        self.dispatch_waiting(user).await
    }

    /// Expires a video whose upload did not arrive in time.
    async fn expire_awaiting(
        &self,
        user: UserId,
        id: VideoId,
        abandoned: bool,
        swept: &mut Swept,
    ) -> Result<()> {
        match self.apply(id, &Event::Expired).await {
            Ok(video) => {
                swept.answer.expired_uploads += 1;
                self.finish_and_free(&video).await?;
            }
            Err(JobError::Refused(_)) => {
                let video = self.row(id).await?.video;
                self.finish_if_terminal(&video).await?;
            }
            Err(JobError::VideoNotFound) if abandoned => {
                // A tombstone prevents a slow call from creating the record later.
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

    /// The tombstone of a video whose record was never created.
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

    /// Brings the record of a waiting video up to date with the slots.
    async fn recover_waiting(&self, user: UserId, id: VideoId, closed: bool) -> Result<()> {
        let row = self.store.video(id).await?;
        match row.map(|row| row.video) {
            None => {
                self.free(user, id).await?;
            }
            Some(video) if video.state.is_terminal() => self.finish_if_terminal(&video).await?,
            Some(video) if closed => self.cancel_closed(video.id).await?,
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

    async fn recover_in_flight(
        &self,
        user: UserId,
        id: VideoId,
        closed: bool,
        swept: &mut Swept,
    ) -> Result<()> {
        let Some(row) = self.store.video(id).await? else {
            self.free(user, id).await?;
            return Ok(());
        };
        let video = row.video;
        if closed && !video.state.is_terminal() {
            return self.cancel_closed(id).await;
        }
        let now = self.now();
        let attempts = video.state.attempts();
        let overdue = |grace_s: u32| {
            let deadline = attempts.first_claim.map(|first| first.plus_s(self.limits.max_job_s));
            deadline.is_some_and(|deadline| now >= deadline.plus_s(grace_s))
        };
        let (resend_s, reclaim_s) = (self.limits.resend_after_s, self.limits.take_back_after_s);
        let event = match &video.state {
            State::AwaitingUpload { .. } | State::Queued => Event::Dispatched,
            State::Pending(_) if overdue(0) => Event::GivenUp(timed_out()),
            State::Pending(_) if attempts.releases > self.limits.max_releases => Event::GivenUp(exhausted()),
            State::Pending(pending) if now >= pending.since.plus_s(resend_s) => {
                Event::Resent { grace_s: resend_s }
            }
            State::Processing(_) if overdue(RENEWAL_GRACE_S) => Event::GivenUp(timed_out()),
            State::Processing(Processing { lease, .. }) if now >= lease.expires_at.plus_s(reclaim_s) => {
                Event::Reclaimed { grace_s: reclaim_s }
            }
            State::Pending(_) | State::Processing(_) => return Ok(()),
            _ => return self.finish_if_terminal(&video).await,
        };
        let video = match self.apply(id, &event).await {
            Ok(video) => video,
            // A concurrent call was faster.
            Err(JobError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        match event {
            Event::GivenUp(_) => return self.finish_if_terminal(&video).await,
            Event::Reclaimed { .. } => swept.answer.lapsed_leases += 1,
            _ => {}
        }
        self.send(&video, None, 0).await?;
        swept.answer.resent += 1;
        Ok(())
    }

    /// Cancels an unfinished video of a deleted account.
    async fn cancel_closed(&self, id: VideoId) -> Result<()> {
        match self.apply(id, &Event::Canceled).await {
            Ok(video) => self.finish_if_terminal(&video).await,
            Err(JobError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Frees the slot of a finished video.
    async fn finish_if_terminal(&self, video: &Video) -> Result<()> {
        if video.state.is_terminal() { self.finish_and_free(video).await } else { Ok(()) }
    }
}
