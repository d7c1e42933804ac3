//! Changes one value exactly once, also on back ends that lose answers or report false conflicts.
//!
//! A back end may report a conflict although the write landed, and an error says nothing at
//! all. So each value carries the ids of its last writes, and a writer looks for its own
//! before it tries again.

use super::value::{Envelope, to_json};
use super::{Damaged, Store, StoreError, Stored, unavailable};
use crate::ports::{Ambient, Kv, Swap, Unavailable};

/// How many ids of writes a value remembers.
const OPS: usize = 16;
/// Rounds of compare-and-swap before giving up.
const ROUNDS: u32 = 12;

/// The outcome of a change.
#[derive(Debug)]
pub struct Updated<T, R> {
    /// The value as it was written, or as it is if nothing was to be changed.
    pub value: T,
    /// Whether it was written.
    pub wrote: bool,
    /// What the change function returned besides, in the round that was written.
    pub output: R,
}

/// Why a change was not made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError<E> {
    /// There is no such value.
    #[error("there is no such value")]
    Missing,
    /// The change function refused.
    #[error("refused")]
    Refused(E),
    /// The value is damaged; or the store did not answer, or too many others wrote, and the change
    /// may have been made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E> From<Unavailable> for UpdateError<E> {
    fn from(error: Unavailable) -> Self {
        Self::Store(error.into())
    }
}

/// What the change function saw and returned in one round.
enum Seen<T, R, E> {
    Missing,
    Damaged(Damaged),
    Landed(usize),
    Refused(E),
    Kept(T, R),
    Proposed,
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// Changes an existing value. `change` is called once a round: it gets the value and returns the new one,
    /// whether to write it, and a result for the caller.
    pub async fn update<T: Stored, R, E>(
        &self,
        key: &str,
        mut change: impl FnMut(T) -> Result<(T, bool, R), E>,
    ) -> Result<Updated<T, R>, UpdateError<E>> {
        let op = self.op_id();
        let mut proposals: Vec<Option<(T, R)>> = Vec::new();
        let mut trouble = unavailable(key, "too many writers");
        for round in 0..ROUNDS {
            if round > 0 {
                self.back_off(round).await;
            }
            let mut seen = Seen::Missing;
            let outcome = self
                .kv
                .swap(key, &mut |current| {
                    let bytes = round_of(key, current, &op, &mut proposals, &mut change, &mut seen);
                    bytes.filter(|_| matches!(seen, Seen::Proposed))
                })
                .await;
            match (outcome, seen) {
                (Ok(Swap::Written), Seen::Proposed) => {
                    if let Some((value, output)) = proposals.pop().flatten() {
                        return Ok(Updated { value, wrote: true, output });
                    }
                }
                (Ok(_), Seen::Landed(n)) => {
                    if let Some((value, output)) = proposals.get_mut(n).and_then(Option::take) {
                        return Ok(Updated { value, wrote: true, output });
                    }
                }
                (Ok(_), Seen::Missing) => return Err(UpdateError::Missing),
                (Ok(_), Seen::Damaged(error)) => return Err(StoreError::from(error).into()),
                (Ok(_), Seen::Refused(error)) => return Err(UpdateError::Refused(error)),
                (Ok(_), Seen::Kept(value, output)) => return Ok(Updated { value, wrote: false, output }),
                (Ok(_), Seen::Proposed) => {}
                (Err(error), _) => trouble = error.into(),
            }
        }
        // The last round may have landed, too.
        if let Some(bytes) = self.kv.get(key).await? {
            let there = Envelope::read(key, &bytes).map_err(StoreError::from)?;
            if let Some((value, output)) =
                landed(&there.ops, &op).and_then(|n| proposals.get_mut(n)).and_then(Option::take)
            {
                return Ok(Updated { value, wrote: true, output });
            }
        }
        Err(trouble.into())
    }
}

/// Which proposal of the operation is among the last writes.
fn landed(ops: &[String], op: &str) -> Option<usize> {
    ops.iter().rev().find_map(|done| done.strip_prefix(op)?.strip_prefix('.')?.parse().ok())
}

/// One call of the change function on what is there; the bytes to write, if any.
fn round_of<T: Stored, R, E>(
    key: &str,
    current: Option<&[u8]>,
    op: &str,
    proposals: &mut Vec<Option<(T, R)>>,
    change: &mut impl FnMut(T) -> Result<(T, bool, R), E>,
    seen: &mut Seen<T, R, E>,
) -> Option<Vec<u8>> {
    let Some(bytes) = current else {
        *seen = Seen::Missing;
        return None;
    };
    let opened = Envelope::read(key, bytes).and_then(|mut envelope| {
        if let Some(n) = landed(&envelope.ops, op) {
            return Ok(Err(n));
        }
        let value: T = envelope.open(key)?;
        let before = to_json(key, &value)?;
        Ok(Ok((envelope, value, before)))
    });
    let (mut envelope, value, before) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(n)) => {
            *seen = Seen::Landed(n);
            return None;
        }
        Err(damaged) => {
            *seen = Seen::Damaged(damaged);
            return None;
        }
    };
    let (value, output) = match change(value) {
        Err(error) => {
            *seen = Seen::Refused(error);
            return None;
        }
        Ok((value, false, output)) => {
            *seen = Seen::Kept(value, output);
            return None;
        }
        Ok((value, true, output)) => (value, output),
    };
    envelope.rev += 1;
    envelope.ops.push(format!("{op}.{}", proposals.len()));
    let forget = envelope.ops.len().saturating_sub(OPS);
    envelope.ops.drain(..forget);
    match envelope.replace(key, before, &value).and_then(|()| envelope.write(key)) {
        Ok(bytes) => {
            proposals.push(Some((value, output)));
            *seen = Seen::Proposed;
            Some(bytes)
        }
        Err(damaged) => {
            *seen = Seen::Damaged(damaged);
            None
        }
    }
}
