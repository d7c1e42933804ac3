//! The events of which the owner of an account is to be notified, and their deliveries to the webhook.
//!
//! `outbox/<user>` has the ids of the user's due events, and of the last events whose deliveries are kept;
//! `delivery/<event>` is such a delivery. A finished video adds its event to the outbox before it frees its slot, so
//! that the sweep finds every event that is still due.

use framelift_domain::{CorrelationId, EventId, Time, TraceParent, UserId, VideoId};
use serde::{Deserialize, Serialize};

use super::listing::{Member, Membership, NOTICES};
use super::update::{UpdateError, Updated};
use super::{Store, StoreError, Stored, keys};
use crate::ports::{Ambient, Kv};

/// Maximum of due events of one user. A further event is not recorded: only its message delivers it.
const MAX_DUE: usize = 200;
/// Maximum of deliveries of one user that are kept. The oldest one is dropped, even while it is pending.
const MAX_KEPT: usize = 200;

/// An event of which the owner is to be notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueEvent {
    /// The event.
    pub id: EventId,
    /// When the sweep sends a message for it, unless it is done by then.
    pub at: Time,
}

/// The value of `outbox/<user>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// Whether the user is in the list [`NOTICES`].
    pub notices: Membership,
    /// The events that are due.
    pub due: Vec<DueEvent>,
    /// The events whose deliveries are kept, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<EventId>,
}

impl Stored for Outbox {}

impl Member for Outbox {
    fn membership(&mut self) -> &mut Membership {
        &mut self.notices
    }

    fn is_idle(&self) -> bool {
        self.due.is_empty()
    }
}

impl Outbox {
    /// Makes an event due, or changes when it is. Returns whether anything changed.
    pub fn set_due(&mut self, id: EventId, at: Time) -> bool {
        let full = self.due.len() >= MAX_DUE;
        match self.due.iter_mut().find(|due| due.id == id) {
            Some(due) if due.at == at => false,
            Some(due) => {
                due.at = at;
                true
            }
            None if full => false,
            None => {
                self.due.push(DueEvent { id, at });
                true
            }
        }
    }

    /// Records that a delivery is kept. Returns the deliveries that are dropped for it, whose events are no longer due.
    pub fn keep_delivery(&mut self, id: EventId) -> Vec<EventId> {
        if self.kept.contains(&id) {
            return Vec::new();
        }
        self.kept.push(id);
        let too_many = self.kept.len().saturating_sub(MAX_KEPT);
        let dropped: Vec<EventId> = self.kept.drain(..too_many).collect();
        self.due.retain(|due| !dropped.contains(&due.id));
        dropped
    }
}

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A video's frames are ready.
    #[serde(rename = "video.completed")]
    VideoCompleted,
    /// A video could not be processed.
    #[serde(rename = "video.failed")]
    VideoFailed,
    /// An upload did not arrive in time.
    #[serde(rename = "video.expired")]
    VideoExpired,
    /// A plugin was rejected by its check.
    #[serde(rename = "plugin.rejected")]
    PluginRejected,
    /// The owner requested a test.
    #[serde(rename = "webhook.test")]
    WebhookTest,
}

/// One attempt to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When.
    pub at: Time,
    /// The status that the receiver answered, if it did.
    pub status: Option<u16>,
    /// Why it was not accepted.
    pub error: Option<String>,
}

/// The state of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum DeliveryState {
    /// The event is to be sent.
    Pending {
        /// When it is to be sent.
        next_at: Time,
        /// The end of the lease of the worker that sends it.
        leased_until: Option<Time>,
    },
    /// The receiver has accepted it.
    Delivered,
    /// All attempts failed.
    Failed,
}

/// The value of `delivery/<event>`: an event, as the webhook gets it, and the attempts to deliver it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The owner of the webhook.
    pub owner: UserId,
    /// The type of the event.
    pub event: EventKind,
    /// The video of the event, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoId>,
    /// The correlation id of the request that caused the event.
    pub correlation_id: CorrelationId,
    /// The trace that the event belongs to; none in values of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<TraceParent>,
    /// The body, the same for each attempt.
    pub payload: String,
    /// When the event was recorded.
    pub created_at: Time,
    /// The number of attempts.
    pub made: u32,
    /// The number of attempts since the event was recorded or replayed.
    pub round: u32,
    /// The last attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The state.
    pub state: DeliveryState,
}

impl Stored for Delivery {
    const TAGS: &'static [&'static str] = &["name"];
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// A user's outbox, empty if it was never written.
    pub async fn outbox(&self, user: UserId) -> Result<Outbox, StoreError> {
        Ok(self.get(&keys::outbox(user)).await?.unwrap_or_default())
    }

    /// Changes an outbox in a way that may add to it.
    pub async fn fill_outbox<R>(
        &self,
        user: UserId,
        mut change: impl FnMut(&mut Outbox) -> (bool, R),
    ) -> Result<R, StoreError> {
        let key = keys::outbox(user);
        let updated = self.update_member(NOTICES, user, &key, |mut outbox: Outbox| {
            let (changed, output) = change(&mut outbox);
            Ok::<_, std::convert::Infallible>((outbox, changed, output))
        });
        match updated.await {
            Ok(updated) => Ok(updated.output),
            Err(UpdateError::Store(error)) => Err(error),
            Err(UpdateError::Missing) => Err(super::unavailable("outbox", "it vanished")),
            Err(UpdateError::Refused(never)) => match never {},
        }
    }

    /// Changes when an event is due, or removes it from the outbox if `at` is none. An event that is not due is not
    /// added.
    pub async fn reschedule_due(
        &self,
        user: UserId,
        id: EventId,
        at: Option<Time>,
    ) -> Result<(), StoreError> {
        let key = keys::outbox(user);
        let updated = self.update(&key, |mut outbox: Outbox| {
            let before = outbox.due.len();
            let changed = match at {
                Some(at) if outbox.due.iter().any(|due| due.id == id) => outbox.set_due(id, at),
                Some(_) => false,
                None => {
                    outbox.due.retain(|due| due.id != id);
                    outbox.due.len() < before
                }
            };
            Ok::<_, std::convert::Infallible>((outbox, changed, ()))
        });
        match updated.await {
            Ok(Updated { value, .. }) if value.is_idle() && value.notices.listed => {
                self.leave_if_idle::<Outbox>(NOTICES, user, &key, 0).await
            }
            Ok(_) | Err(UpdateError::Missing) => Ok(()),
            Err(UpdateError::Store(error)) => Err(error),
            Err(UpdateError::Refused(never)) => match never {},
        }
    }

    /// A delivery, or none if it is not kept.
    pub async fn delivery(&self, id: EventId) -> Result<Option<Delivery>, StoreError> {
        self.get(&keys::delivery(id)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u64) -> EventId {
        EventId::new(n, [0; 10])
    }

    #[test]
    fn events_are_stored_by_these_names() {
        for (event, name) in [
            (EventKind::VideoCompleted, "video.completed"),
            (EventKind::VideoFailed, "video.failed"),
            (EventKind::VideoExpired, "video.expired"),
            (EventKind::PluginRejected, "plugin.rejected"),
            (EventKind::WebhookTest, "webhook.test"),
        ] {
            assert_eq!(serde_json::to_value(event).unwrap(), name);
            assert_eq!(serde_json::from_value::<EventKind>(name.into()).unwrap(), event);
        }
    }

    #[test]
    fn the_newest_deliveries_are_kept_and_a_full_outbox_takes_no_more() {
        let mut outbox = Outbox::default();
        for n in 0..300 {
            assert_eq!(outbox.set_due(event(n), Time::from_unix_ms(1)), n < 200, "{n}");
        }
        for n in 0..200 {
            assert_eq!(outbox.keep_delivery(event(n)), []);
        }
        assert_eq!(
            (outbox.keep_delivery(event(7)), outbox.keep_delivery(event(200))),
            (vec![], vec![event(0)])
        );
        assert_eq!((outbox.due.len(), outbox.kept.len()), (199, 200), "a dropped delivery is not due");
        let json = serde_json::to_vec(&outbox).unwrap();
        assert!(json.len() < super::super::value::MAX_VALUE_BYTES - 2000, "{}", json.len());
    }
}
