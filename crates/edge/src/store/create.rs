//! Creates a value exactly once, on back ends whose swap overwrites a value that another writer has created
//! concurrently.
//!
//! The counter `new/<key>` elects the creator: the caller that gets 1. If the creator dies before it has written, other
//! callers notice that: one of them stores the time under `watch/<key>`, and a minute later the counter
//! `new/<key>/<time>` elects another creator. A creator that is too slow does not write any more.

use serde::{Deserialize, Serialize};

use super::value::Envelope;
use super::{Store, StoreError, Stored, keys, unavailable};
use crate::ports::{Ambient, Kv, Swap};
use framelift_domain::Time;

/// How long after its call began a creator may still write, in milliseconds.
const WRITE_TIMEOUT_MS: i64 = 30_000;
/// How long after a watch began another caller takes over, in milliseconds: the creator counts as dead.
const TAKE_OVER_AFTER_MS: i64 = 60_000;
/// How long after a watch began a new watch begins, in milliseconds: the second creator counts as dead, too.
const SECOND_TAKE_OVER_AFTER_MS: i64 = 120_000;
/// How often a caller reads a value that another one creates, and how often a creator tries to write it.
const MAX_ROUNDS: u32 = 6;

/// Maximum of earlier watches that are remembered, so that their counters are removed with the value.
const MAX_EARLIER_WATCHES: usize = 8;

#[derive(Serialize, Deserialize)]
pub(super) struct Watch {
    at: Time,
    /// The times at which earlier watches began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Time>,
}

impl Stored for Watch {}

impl Watch {
    /// The times for which take-over counters may exist.
    pub(super) fn times(self) -> impl Iterator<Item = Time> {
        self.earlier.into_iter().chain([self.at])
    }

    fn restarted(self, at: Time) -> Self {
        let mut earlier: Vec<Time> = self.times().collect();
        earlier.drain(..earlier.len().saturating_sub(MAX_EARLIER_WATCHES));
        Self { at, earlier }
    }
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// Creates the value if it is missing. `Ok` means that a value exists now, `true` that this call created it. After
    /// an error the value may have been created: then a repeated call returns `false`.
    pub async fn create<T: Stored>(&self, key: &str, value: &T) -> Result<bool, StoreError> {
        let since = self.ambient.now();
        if self.kv.get(key).await?.is_some() {
            return Ok(false);
        }
        if self.kv.increment(&keys::creation(key), 1).await? == 1 {
            return self.write_as_creator(key, value, since).await;
        }
        for round in 0..MAX_ROUNDS {
            self.back_off(round).await;
            if self.kv.get(key).await?.is_some() {
                return Ok(false);
            }
        }
        if self.take_over(key, since).await? {
            return self.write_as_creator(key, value, since).await;
        }
        Err(unavailable(key, "another writer is about to create it"))
    }

    /// Returns whether this caller takes over the creation of the key because the creator is dead.
    async fn take_over(&self, key: &str, since: Time) -> Result<bool, StoreError> {
        let watch_key = keys::watch(key);
        let now = self.ambient.now();
        let Some(found) = self.get::<Watch>(&watch_key).await? else {
            self.set_plain(&watch_key, &Watch { at: now, earlier: Vec::new() }).await?;
            return Ok(false);
        };
        let age = since.ms_since(found.at);
        if age < TAKE_OVER_AFTER_MS {
            return Ok(false);
        }
        let taken_over = self.kv.increment(&keys::take_over(key, found.at), 1).await? == 1;
        if taken_over || age >= SECOND_TAKE_OVER_AFTER_MS {
            // Begins the next watch.
            self.set_plain(&watch_key, &found.restarted(now)).await?;
        }
        if taken_over {
            return Ok(true);
        }
        Ok(false)
    }

    async fn write_as_creator<T: Stored>(
        &self,
        key: &str,
        value: &T,
        since: Time,
    ) -> Result<bool, StoreError> {
        let op = self.op_id();
        let mut envelope = Envelope::new(key, value)?;
        (envelope.rev, envelope.ops) = (1, vec![op.clone()]);
        let bytes = envelope.write(key)?;
        let mut last_error = unavailable(key, "it was not created in time");
        for round in 0..MAX_ROUNDS {
            if self.ambient.now().ms_since(since) > WRITE_TIMEOUT_MS {
                break;
            }
            let mut existing: Option<Vec<u8>> = None;
            let outcome = self
                .kv
                .swap(key, &mut |current| {
                    existing = current.map(<[u8]>::to_vec);
                    existing.is_none().then(|| bytes.clone())
                })
                .await;
            match (outcome, existing) {
                (Ok(Swap::Written), _) => return Ok(true),
                // Even after an error, the value that the swap has read decides.
                (_, Some(existing)) => {
                    return Ok(Envelope::read(key, &existing)?.ops.contains(&op));
                }
                (Ok(_), None) => {}
                (Err(error), None) => last_error = error.into(),
            }
            self.back_off(round).await;
        }
        Err(last_error)
    }
}
