//! What the owner of an account is still to be told, and what was sent to the webhook.
//!
//! `outbox/<user>` names the events of a user that are due, and the last ones whose deliveries are kept;
//! `delivery/<event>` is one of these. An event is put into the outbox before what caused it lets go of
//! its place (a finished video of its slot), so that the sweep finds every one that is not told.

use framelift_contract::webhook::{DeliveryAttempt, EventType};
use framelift_domain::{CorrelationId, EventId, Time, TraceParent, UserId, VideoId};
use serde::{Deserialize, Serialize};

use super::listing::{Member, Membership, NOTICES};
use super::update::{UpdateError, Updated};
use super::{Store, StoreError, Stored, keys};
use crate::ports::{Ambient, Kv};

/// Most events of one user that are due. One more is not noted, and told by its message alone.
const MAX_DUE: usize = 200;
/// Deliveries of one user that are kept. The oldest one goes, also while it is pending.
const MAX_KEPT: usize = 200;

/// An event that the owner is to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueEvent {
    /// The event.
    pub id: EventId,
    /// When a message is sent for it, unless it is told by then.
    pub at: Time,
}

/// The value of `outbox/<user>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// Whether the user is in the list of those who are to be told something.
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
    /// Notes that an event is due, later than before too. Whether anything changed.
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

    /// Notes that there is a delivery. Those that it pushes out, which are not due any more either.
    pub fn keep(&mut self, id: EventId) -> Vec<EventId> {
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

/// Where a delivery is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is to be sent.
    Pending {
        /// When.
        next_at: Time,
        /// Until when a worker is at it.
        leased_until: Option<Time>,
    },
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Failed,
}

/// The value of `delivery/<event>`: an event, as the webhook gets it, and the attempts to deliver it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Whose event it is.
    pub owner: UserId,
    /// What it is about.
    pub event: EventType,
    /// The video, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoId>,
    /// The id of the request that it follows from.
    pub correlation_id: CorrelationId,
    /// The trace that it belongs to; none in what older versions stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<TraceParent>,
    /// The body that is sent, the same each time.
    pub payload: String,
    /// When it was noted.
    pub created_at: Time,
    /// Attempts so far.
    pub made: u32,
    /// Attempts since it was sent first, or replayed.
    pub round: u32,
    /// The last attempts, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
    /// Where it is.
    pub state: DeliveryState,
}

impl Stored for Delivery {
    const TAGS: &'static [&'static str] = &["name"];
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// What a user is still to be told; nothing if there never was anything.
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

    /// Takes an event off an outbox, or with a time puts it off. An event that is not there stays so.
    pub async fn settle_due(&self, user: UserId, id: EventId, at: Option<Time>) -> Result<(), StoreError> {
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

    /// A delivery, if it is kept.
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
    fn the_newest_deliveries_are_kept_and_a_full_outbox_takes_no_more() {
        let mut outbox = Outbox::default();
        for n in 0..300 {
            assert_eq!(outbox.set_due(event(n), Time::from_unix_ms(1)), n < 200, "{n}");
        }
        for n in 0..200 {
            assert_eq!(outbox.keep(event(n)), []);
        }
        assert_eq!((outbox.keep(event(7)), outbox.keep(event(200))), (vec![], vec![event(0)]));
        assert_eq!((outbox.due.len(), outbox.kept.len()), (199, 200), "nobody waits for what was dropped");
        let json = serde_json::to_vec(&outbox).unwrap();
        assert!(json.len() < super::super::value::MAX_VALUE_BYTES - 2000, "{}", json.len());
    }
}
