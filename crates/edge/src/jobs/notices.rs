//! Notices to owners: due events, their deliveries to webhooks, and the sweep of both.
//!
//! The end of a video is an event, which its record holds (`notified: false`) from the change of state on. Before the
//! video frees its slot, the event is added to the owner's outbox. It stays there until a worker has reported that the
//! notices are sent, and that the webhook, if there is one, has accepted the event or all attempts failed. Every step
//! may be repeated. An event keeps its id, and its delivery keeps its body, however often it is sent.

use framelift_contract::message::{JobMessage, NoticeKind};
use framelift_contract::webhook::{
    DeliveryOutcome, DeliveryReport, EventData, EventType, VideoEvent, WebhookEvent,
};
use framelift_domain::video::Lane;
use framelift_domain::{CorrelationId, EventId, Time, TraceParent, UserId, Video};

use super::{Found, JobError, Jobs, Result, Swept, view};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::listing::NOTICES;
use crate::store::outbox::{Attempt, Delivery, DeliveryState, Outbox};
use crate::store::{Expiring, keys};

/// Delays between attempts in seconds, each shortened by up to a tenth at random: eight attempts within 24 hours.
const RETRY_DELAYS_S: [u32; 7] = [5, 300, 1800, 2 * 3600, 5 * 3600, 8 * 3600, 8 * 3600];
/// The lease of a worker for one attempt, in seconds.
const LEASE_S: u32 = 60;
/// Seconds by which an attempt may be early, because clocks differ.
const CLOCK_SKEW_S: u32 = 5;
/// The longest delay of a message, in seconds.
const MAX_DELAY_S: i64 = 900;
/// Maximum of attempts that are kept.
const MAX_ATTEMPTS: usize = 20;
/// Maximum of characters of an attempt's error.
const MAX_ERROR_CHARS: usize = 200;
/// Maximum of due events of a user that one sweep handles.
const MAX_DUE_EVENTS: usize = 8;

/// Why a worker may not send a delivery now.
enum DeliveryRefused {
    Leased(u32),
    NotDue,
}

impl From<DeliveryRefused> for JobError {
    fn from(why: DeliveryRefused) -> Self {
        match why {
            DeliveryRefused::Leased(retry_after_s) => Self::LeaseHeld { retry_after_s },
            DeliveryRefused::NotDue => Self::JobFinished,
        }
    }
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Adds the end of a video to its owner's outbox, unless the owner has been notified.
    pub(super) async fn enqueue_end_event(&self, video: &Video) -> Result<()> {
        if !video.state.has_notice_due() {
            return Ok(());
        }
        let (id, at) = (video.id.into(), self.now().plus_s(self.limits.resend_after_s));
        let note = |outbox: &mut Outbox| {
            let known = outbox.due.iter().any(|due| due.id == id);
            (!known && outbox.set_due(id, at), ())
        };
        Ok(self.store.fill_outbox(video.owner, note).await?)
    }

    /// Stores the delivery of a video's end, and makes it due.
    pub(super) async fn store_video_delivery(&self, video: &Video) -> Result<()> {
        let Some((event, data)) = video_event(video) else { return Ok(()) };
        let at = video.state.end().map_or(video.created_at, |end| end.at);
        let mut delivery = self.delivery(video.owner, event, &video.correlation_id, at, data)?;
        delivery.video = Some(video.id);
        delivery.trace_parent = video.trace_parent;
        self.store_delivery(video.id.into(), delivery).await
    }

    fn delivery(
        &self,
        owner: UserId,
        event: EventType,
        correlation_id: &CorrelationId,
        timestamp: Time,
        data: EventData,
    ) -> Result<Delivery> {
        let body = WebhookEvent { kind: event, timestamp, data };
        let payload = serde_json::to_string(&body)
            .map_err(|error| crate::ports::Unavailable { what: "webhooks", detail: error.to_string() })?;
        let now = self.now();
        Ok(Delivery {
            owner,
            event: event.into(),
            video: None,
            correlation_id: correlation_id.clone(),
            trace_parent: None,
            payload,
            created_at: now,
            made: 0,
            round: 0,
            attempts: Vec::new(),
            state: DeliveryState::Pending { next_at: now, leased_until: None },
        })
    }

    /// Stores a delivery, unless it exists, and makes it due.
    async fn store_delivery(&self, id: EventId, delivery: Delivery) -> Result<()> {
        let owner = delivery.owner;
        // The outbox first: a delivery that is in no outbox would never be removed.
        let at = self.now().plus_s(LEASE_S);
        let dropped = self
            .store
            .fill_outbox(owner, |outbox| {
                let dropped = outbox.keep_delivery(id);
                let changed = outbox.set_due(id, at) || !dropped.is_empty();
                (changed || outbox.kept.last() == Some(&id), dropped)
            })
            .await?;
        for id in dropped {
            self.store.remove_later(Expiring::Delivery(id)).await?;
        }
        self.store.create(&keys::delivery(id), &delivery).await?;
        Ok(())
    }

    /// Records an event that is not a video's end, and queues its delivery. A call with the same id repeats the same
    /// event.
    pub async fn publish_event(
        &self,
        user: UserId,
        id: EventId,
        event: EventType,
        correlation_id: &CorrelationId,
        data: EventData,
    ) -> Result<Delivery> {
        if self.is_closed(user).await? {
            return Err(JobError::AccountClosed);
        }
        let delivery = self.delivery(user, event, correlation_id, self.now(), data)?;
        self.store_delivery(id, delivery.clone()).await?;
        self.send_webhook(id, &delivery, 0).await?;
        Ok(delivery)
    }

    /// Queues a mail with a link to a user. If there is no such user, the worker discards it.
    pub async fn queue_account_mail(
        &self,
        user: UserId,
        link: EventId,
        kind: NoticeKind,
        correlation_id: &CorrelationId,
    ) -> Result<()> {
        let message = JobMessage {
            version: 1,
            video_id: link.into(),
            user_id: user,
            correlation_id: correlation_id.clone(),
            notice: Some(kind),
            traceparent: Some(TraceParent::of(correlation_id)),
        };
        Ok(self.queue.send(Lane::Short, &message.into(), 0).await?)
    }

    async fn send_webhook(&self, id: EventId, delivery: &Delivery, delay_s: u32) -> Result<()> {
        let trace = delivery.trace_parent.unwrap_or_else(|| TraceParent::of(&delivery.correlation_id));
        let message = JobMessage {
            version: 1,
            video_id: id.into(),
            user_id: delivery.owner,
            correlation_id: delivery.correlation_id.clone(),
            traceparent: Some(trace),
            notice: Some(NoticeKind::Webhook),
        };
        Ok(self.queue.send(Lane::Short, &message.into(), delay_s).await?)
    }

    /// Acquires the lease to send an event to its webhook, for a minute.
    pub async fn claim_delivery(&self, id: EventId) -> Result<Delivery> {
        let now = self.now();
        let key = keys::delivery(id);
        let claimed = self.store.update(&key, |mut delivery: Delivery| {
            let DeliveryState::Pending { next_at, leased_until } = &mut delivery.state else {
                return Err(DeliveryRefused::NotDue);
            };
            if let Some(until) = leased_until.filter(|until| now < *until) {
                let ms = until.ms_since(now).clamp(1, i64::from(LEASE_S) * 1000);
                return Err(DeliveryRefused::Leased(u32::try_from(ms).unwrap_or(1).div_ceil(1000)));
            }
            // The message came too early. The sweep sends another one when it is due.
            if *next_at > now.plus_s(CLOCK_SKEW_S) {
                return Err(DeliveryRefused::NotDue);
            }
            *leased_until = Some(now.plus_s(LEASE_S));
            Ok((delivery, true, ()))
        });
        match claimed.await.map_err(JobError::from) {
            Err(JobError::VideoNotFound) => Err(JobError::JobFinished),
            outcome => Ok(outcome?.value),
        }
    }

    /// Records the outcome of an attempt. A repeated call does the steps that an earlier one left undone.
    pub async fn record_attempt(&self, id: EventId, report: &DeliveryReport) -> Result<Delivery> {
        let now = self.now();
        let mut random = [0; 2];
        self.ambient.fill_random(&mut random);
        let key = keys::delivery(id);
        let result = self.store.update(&key, |mut delivery: Delivery| {
            if report.attempt <= delivery.made {
                return Ok::<_, JobError>((delivery, false, ()));
            }
            delivery.made = report.attempt;
            delivery.round += 1;
            let error = report.error.as_ref().map(|error| error.chars().take(MAX_ERROR_CHARS).collect());
            delivery.attempts.push(Attempt { at: now, status: report.status, error });
            let forget = delivery.attempts.len().saturating_sub(MAX_ATTEMPTS);
            delivery.attempts.drain(..forget);
            let wait_s = RETRY_DELAYS_S.get(delivery.round as usize - 1).copied();
            delivery.state = match (report.outcome, wait_s) {
                (DeliveryOutcome::Delivered, _) => DeliveryState::Delivered,
                (DeliveryOutcome::Retry, Some(wait_s)) => {
                    let jitter_s = wait_s * u32::from(random[0]) / 2560;
                    DeliveryState::Pending { next_at: now.plus_s(wait_s - jitter_s), leased_until: None }
                }
                (DeliveryOutcome::Retry | DeliveryOutcome::GiveUp, _) => DeliveryState::Failed,
            };
            Ok((delivery, true, ()))
        });
        let delivery = match result.await.map_err(JobError::from) {
            Err(JobError::VideoNotFound) => return Err(JobError::JobFinished),
            outcome => outcome?.value,
        };
        let next_at = match delivery.state {
            DeliveryState::Pending { next_at, .. } => Some(next_at),
            _ => None,
        };
        self.store.reschedule_due(delivery.owner, id, next_at).await?;
        let delay_s = next_at.map(|at| at.ms_since(now).div_euclid(1000) + 1);
        if let Some(delay_s) = delay_s.filter(|delay_s| *delay_s <= MAX_DELAY_S) {
            // The sweep sends the message of a later attempt, and of this one if its message is lost.
            self.send_webhook(id, &delivery, u32::try_from(delay_s).unwrap_or(0)).await?;
        }
        Ok(delivery)
    }

    /// A page of a user's deliveries, newest first, and the cursor of the next one.
    pub async fn deliveries(
        &self,
        user: UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<(EventId, Delivery)>, Option<String>)> {
        let kept = self.store.outbox(user).await?.kept;
        let end = match cursor {
            None => kept.len(),
            Some(cursor) => {
                let before: EventId = cursor.parse().map_err(|_| JobError::BadCursor)?;
                // A delivery that was dropped meanwhile is older than all others.
                kept.iter().position(|id| *id == before).unwrap_or(0)
            }
        };
        let start = end.saturating_sub(limit as usize);
        let mut page = Vec::new();
        for id in kept[start..end].iter().rev() {
            if let Some(delivery) = self.store.delivery(*id).await? {
                page.push((*id, delivery));
            }
        }
        Ok((page, kept.get(start).filter(|_| start > 0).map(ToString::to_string)))
    }

    /// Delivers an event to the webhook again, starting with the first attempt.
    pub async fn replay(&self, user: UserId, id: EventId) -> Result<Delivery> {
        let outbox = self.store.outbox(user).await?;
        if !outbox.kept.contains(&id) {
            return Err(JobError::DeliveryNotFound);
        }
        let at = self.now().plus_s(LEASE_S);
        self.store.fill_outbox(user, |outbox| (outbox.set_due(id, at), ())).await?;
        let now = self.now();
        let key = keys::delivery(id);
        let replayed = self.store.update(&key, |mut delivery: Delivery| {
            let leased_until = match delivery.state {
                DeliveryState::Pending { leased_until, .. } => leased_until,
                _ => None,
            };
            delivery.round = 0;
            delivery.state = DeliveryState::Pending { next_at: now, leased_until };
            Ok::<_, JobError>((delivery, true, ()))
        });
        let delivery = match replayed.await.map_err(JobError::from) {
            Err(JobError::VideoNotFound) => return Err(JobError::DeliveryNotFound),
            outcome => outcome?.value,
        };
        self.send_webhook(id, &delivery, 0).await?;
        Ok(delivery)
    }

    /// Sends messages for a user's due events, and removes those that are done from the outbox.
    pub(super) async fn send_due_notices(&self, user: UserId, epoch: u64, swept: &mut Swept) -> Result<()> {
        let outbox = self.store.outbox(user).await?;
        let now = self.now();
        if outbox.due.is_empty() {
            let key = keys::outbox(user);
            return Ok(self.store.leave_if_idle::<Outbox>(NOTICES, user, &key, epoch).await?);
        }
        let closed = self.is_closed(user).await?;
        let due = outbox.due.iter().filter(|due| due.at <= now || closed).take(MAX_DUE_EVENTS);
        for event in due {
            let outcome = self.send_due_notice(user, event.id, closed, swept).await;
            if let Err(JobError::Damaged(_)) = &outcome {
                // It would keep its place among the first that are due, and block the others.
                let again = now.plus_s(self.limits.resend_after_s);
                self.store.reschedule_due(user, event.id, Some(again)).await?;
            }
            swept.add_outcome(user, outcome);
        }
        Ok(())
    }

    async fn send_due_notice(
        &self,
        user: UserId,
        id: EventId,
        closed: bool,
        swept: &mut Swept,
    ) -> Result<()> {
        if closed {
            return Ok(self.store.reschedule_due(user, id, None).await?);
        }
        let now = self.now();
        let row = self.store.video(id.into()).await?;
        if let Some(video) = row.map(|row| row.video).filter(|video| video.state.has_notice_due()) {
            self.send(&video, view::notice(&video).map(|notice| notice.kind), 0).await?;
        } else {
            let delivery = self.store.delivery(id).await?;
            let (delivery, next_at) = match delivery {
                Some(delivery) => match delivery.state {
                    DeliveryState::Pending { next_at, leased_until } => {
                        let at = leased_until.map_or(next_at, |until| until.max(next_at));
                        (delivery, at)
                    }
                    _ => return Ok(self.store.reschedule_due(user, id, None).await?),
                },
                None => return Ok(self.store.reschedule_due(user, id, None).await?),
            };
            if next_at > now {
                return Ok(self.store.reschedule_due(user, id, Some(next_at)).await?);
            }
            self.send_webhook(id, &delivery, 0).await?;
        }
        swept.answer.resent += 1;
        let again = now.plus_s(self.limits.resend_after_s);
        Ok(self.store.reschedule_due(user, id, Some(again)).await?)
    }
}

/// The event of a video's end, if its owner is to be notified of it.
fn video_event(video: &Video) -> Option<(EventType, EventData)> {
    let kind = match view::notice(video)?.kind {
        NoticeKind::Completed => EventType::VideoCompleted,
        NoticeKind::Failed => EventType::VideoFailed,
        NoticeKind::Expired => EventType::VideoExpired,
        NoticeKind::Webhook | NoticeKind::PasswordReset | NoticeKind::EmailVerification => return None,
    };
    let seen = view::video(&Found { video: video.clone(), queue_position: None });
    let data = VideoEvent {
        video_id: seen.id,
        file_name: seen.file_name,
        status: seen.status,
        result: seen.result,
        failure: seen.failure,
        created_at: seen.created_at,
        completed_at: seen.completed_at.unwrap_or(seen.created_at),
        correlation_id: video.correlation_id.clone(),
    };
    Some((kind, EventData::Video(data)))
}
