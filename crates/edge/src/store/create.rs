//! Creation of a value by exactly one of many, on back ends whose swap overwrites what another
//! writer created meanwhile.
//!
//! The counter `new/<key>` decides: the caller that gets 1 is the owner and creates. If the owner dies
//! before, the others notice after a minute, by the time that one of them stored under `watch/<key>`, and
//! the counter `new/<key>/<time>` chooses a new owner. An owner that has been too slow does not write.

use serde::{Deserialize, Serialize};

use super::value::Envelope;
use super::{Store, StoreError, Stored, keys, unavailable};
use crate::ports::{Ambient, Kv, Swap};
use framelift_domain::Time;

/// How long after its claim an owner may still write, in milliseconds.
const OWNER_MS: i64 = 30_000;
/// How long after a watch began the owner counts as dead, in milliseconds.
const DEAD_MS: i64 = 60_000;
/// How long after a watch began the second owner counts as dead, too, in milliseconds.
const SUCCESSOR_DEAD_MS: i64 = 120_000;
/// How often a caller looks for a value that another one is about to create.
const LOOKS: u32 = 6;

/// Most take-overs that are remembered, to be removed with the value.
const MAX_EARLIER: usize = 8;

#[derive(Serialize, Deserialize)]
pub(super) struct Watch {
    at: Time,
    /// When earlier watches began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Time>,
}

impl Stored for Watch {}

impl Watch {
    /// The times for which there may be counters.
    pub(super) fn times(self) -> impl Iterator<Item = Time> {
        self.earlier.into_iter().chain([self.at])
    }

    fn follow(self, at: Time) -> Self {
        let mut earlier: Vec<Time> = self.times().collect();
        earlier.drain(..earlier.len().saturating_sub(MAX_EARLIER));
        Self { at, earlier }
    }
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// Creates the value if it is missing. `Ok` means that it is there now, `true` that it is
    /// this one. An error says nothing; another call may find that this one's value is there,
    /// and says `false`.
    pub async fn create<T: Stored>(&self, key: &str, value: &T) -> Result<bool, StoreError> {
        let since = self.ambient.now();
        if self.kv.get(key).await?.is_some() {
            return Ok(false);
        }
        if self.kv.increment(&keys::creation(key), 1).await? == 1 {
            return self.create_as_owner(key, value, since).await;
        }
        for round in 0..LOOKS {
            self.back_off(round).await;
            if self.kv.get(key).await?.is_some() {
                return Ok(false);
            }
        }
        if self.take_over(key, since).await? {
            return self.create_as_owner(key, value, since).await;
        }
        Err(unavailable(key, "another writer is about to create it"))
    }

    /// Whether the owner of the key's creation is dead, and this writer takes over.
    async fn take_over(&self, key: &str, since: Time) -> Result<bool, StoreError> {
        let watch_key = keys::watch(key);
        let now = self.ambient.now();
        let Some(found) = self.get::<Watch>(&watch_key).await? else {
            self.set_plain(&watch_key, &Watch { at: now, earlier: Vec::new() }).await?;
            return Ok(false);
        };
        let age = since.ms_since(found.at);
        if age < DEAD_MS {
            return Ok(false);
        }
        let taken_over = self.kv.increment(&keys::take_over(key, found.at), 1).await? == 1;
        if taken_over || age >= SUCCESSOR_DEAD_MS {
            // The next watch begins here.
            self.set_plain(&watch_key, &found.follow(now)).await?;
        }
        if taken_over {
            return Ok(true);
        }
        Ok(false)
    }

    async fn create_as_owner<T: Stored>(
        &self,
        key: &str,
        value: &T,
        since: Time,
    ) -> Result<bool, StoreError> {
        let op = self.op_id();
        let mut envelope = Envelope::new(key, value)?;
        (envelope.rev, envelope.ops) = (1, vec![op.clone()]);
        let bytes = envelope.write(key)?;
        let mut trouble = unavailable(key, "it was not created in time");
        for round in 0..LOOKS {
            if self.ambient.now().ms_since(since) > OWNER_MS {
                break;
            }
            let mut there: Option<Vec<u8>> = None;
            let outcome = self
                .kv
                .swap(key, &mut |current| {
                    there = current.map(<[u8]>::to_vec);
                    there.is_none().then(|| bytes.clone())
                })
                .await;
            match (outcome, there) {
                (Ok(Swap::Written), _) => return Ok(true),
                // An error may come after a change that was not wanted: what was seen counts.
                (_, Some(there)) => {
                    return Ok(Envelope::read(key, &there)?.ops.contains(&op));
                }
                (Ok(_), None) => {}
                (Err(error), None) => trouble = error.into(),
            }
            self.back_off(round).await;
        }
        Err(trouble)
    }
}
