//! Limits the open streams of a user, across all instances of the component.

use std::convert::Infallible;

use framelift_domain::UserId;
use serde::{Deserialize, Serialize};

use crate::ports::{Ambient, Kv};
use crate::store::update::UpdateError;
use crate::store::{Store, StoreError, Stored, keys};

/// Maximum of open streams of a user. One more ends the oldest, instead of being refused: the component does not learn
/// when a reader has gone, so a user who closes and opens streams would be refused, too.
const MAX_OPEN: usize = 100;

/// The log line about damaged ids of streams.
const NOT_LIMITED: &str = "a limit is not applied";

/// The ids of a user's newest streams, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Newest {
    ids: Vec<String>,
}

impl Stored for Newest {}

/// A stream's slot among its user's open streams.
pub(crate) struct StreamSlot {
    user: UserId,
    id: String,
}

impl StreamSlot {
    /// Acquires a slot for a new stream. If that fails, the stream begins without one: the first poll reports a store
    /// that does not answer.
    pub(crate) async fn acquire<K: Kv, A: Ambient>(store: &Store<'_, K, A>, user: UserId) -> Self {
        let slot = Self { user, id: store.op_id() };
        let key = keys::streams(user);
        for _ in 0..2 {
            let acquired = store.update(&key, |mut newest: Newest| {
                newest.ids.push(slot.id.clone());
                let too_many = newest.ids.len().saturating_sub(MAX_OPEN);
                newest.ids.drain(..too_many);
                Ok::<_, Infallible>((newest, true, ()))
            });
            match acquired.await {
                Err(UpdateError::Missing) => {
                    let _ = store.create(&key, &Newest::default()).await;
                }
                _ => break,
            }
        }
        slot
    }

    /// Whether the stream still has its slot. A stream that could not acquire one counts as having it while fewer than
    /// [`MAX_OPEN`] have one, or while that cannot be read.
    pub(crate) async fn is_held<K: Kv, A: Ambient>(&self, store: &Store<'_, K, A>) -> bool {
        match store.get::<Newest>(&keys::streams(self.user)).await {
            Ok(newest) => {
                let newest = newest.unwrap_or_default();
                newest.ids.len() < MAX_OPEN || newest.ids.contains(&self.id)
            }
            Err(StoreError::Damaged(damaged)) => {
                damaged.log_once(NOT_LIMITED, Some(self.user), None);
                true
            }
            Err(StoreError::Unavailable(_)) => true,
        }
    }
}
