//! Changes one value exactly once, also on back ends that lose answers or report false conflicts.
//!
//! A back end may report a conflict although the write took effect, and after an error it may or may not have taken
//! effect. So each value carries the ids of its last writes, and a writer looks for its own id before it retries.

use super::value::{Envelope, to_json};
use super::{Damaged, Store, StoreError, Stored, unavailable};
use crate::ports::{Ambient, Kv, Swap, Unavailable};

/// Maximum of ids of writes that a value carries.
const MAX_OPS: usize = 16;
/// Maximum of rounds of compare-and-swap.
const MAX_ROUNDS: u32 = 12;

/// The outcome of a change.
#[derive(Debug)]
pub struct Updated<T, R> {
    /// The value as it was written, or as it is if nothing was to be changed.
    pub value: T,
    /// Whether it was written.
    pub wrote: bool,
    /// The result of the change function in the round that was written.
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
    /// The value is damaged; or the store did not answer, or there were too many concurrent writes. The change may have
    /// been made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E> From<Unavailable> for UpdateError<E> {
    fn from(error: Unavailable) -> Self {
        Self::Store(error.into())
    }
}

/// The result of one round of compare-and-swap.
enum Round<T, R, E> {
    Missing,
    Damaged(Damaged),
    AlreadyWritten(usize),
    Refused(E),
    Unchanged(T, R),
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
        let mut last_error = unavailable(key, "too many writers");
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                self.back_off(round).await;
            }
            let mut round_result = Round::Missing;
            let outcome = self
                .kv
                .swap(key, &mut |current| {
                    let bytes = run_round(key, current, &op, &mut proposals, &mut change, &mut round_result);
                    bytes.filter(|_| matches!(round_result, Round::Proposed))
                })
                .await;
            match (outcome, round_result) {
                (Ok(Swap::Written), Round::Proposed) => {
                    if let Some((value, output)) = proposals.pop().flatten() {
                        return Ok(Updated { value, wrote: true, output });
                    }
                }
                (Ok(_), Round::AlreadyWritten(n)) => {
                    if let Some((value, output)) = proposals.get_mut(n).and_then(Option::take) {
                        return Ok(Updated { value, wrote: true, output });
                    }
                }
                (Ok(_), Round::Missing) => return Err(UpdateError::Missing),
                (Ok(_), Round::Damaged(error)) => return Err(StoreError::from(error).into()),
                (Ok(_), Round::Refused(error)) => return Err(UpdateError::Refused(error)),
                (Ok(_), Round::Unchanged(value, output)) => {
                    return Ok(Updated { value, wrote: false, output });
                }
                (Ok(_), Round::Proposed) => {}
                (Err(error), _) => last_error = error.into(),
            }
        }
        // The write of the last round may have taken effect although it was reported as failed.
        if let Some(bytes) = self.kv.get(key).await? {
            let stored = Envelope::read(key, &bytes).map_err(StoreError::from)?;
            if let Some((value, output)) =
                written_proposal(&stored.ops, &op).and_then(|n| proposals.get_mut(n)).and_then(Option::take)
            {
                return Ok(Updated { value, wrote: true, output });
            }
        }
        Err(last_error.into())
    }
}

/// The number of the operation's proposal that is among the last writes.
fn written_proposal(ops: &[String], op: &str) -> Option<usize> {
    ops.iter().rev().find_map(|done| done.strip_prefix(op)?.strip_prefix('.')?.parse().ok())
}

/// Calls the change function on the current value. Returns the bytes to write, if any.
fn run_round<T: Stored, R, E>(
    key: &str,
    current: Option<&[u8]>,
    op: &str,
    proposals: &mut Vec<Option<(T, R)>>,
    change: &mut impl FnMut(T) -> Result<(T, bool, R), E>,
    round_result: &mut Round<T, R, E>,
) -> Option<Vec<u8>> {
    let Some(bytes) = current else {
        *round_result = Round::Missing;
        return None;
    };
    let opened = Envelope::read(key, bytes).and_then(|mut envelope| {
        if let Some(n) = written_proposal(&envelope.ops, op) {
            return Ok(Err(n));
        }
        let value: T = envelope.open(key)?;
        let before = to_json(key, &value)?;
        Ok(Ok((envelope, value, before)))
    });
    let (mut envelope, value, before) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(n)) => {
            *round_result = Round::AlreadyWritten(n);
            return None;
        }
        Err(damaged) => {
            *round_result = Round::Damaged(damaged);
            return None;
        }
    };
    let (value, output) = match change(value) {
        Err(error) => {
            *round_result = Round::Refused(error);
            return None;
        }
        Ok((value, false, output)) => {
            *round_result = Round::Unchanged(value, output);
            return None;
        }
        Ok((value, true, output)) => (value, output),
    };
    envelope.rev += 1;
    envelope.ops.push(format!("{op}.{}", proposals.len()));
    let forget = envelope.ops.len().saturating_sub(MAX_OPS);
    envelope.ops.drain(..forget);
    match envelope.replace(key, before, &value).and_then(|()| envelope.write(key)) {
        Ok(bytes) => {
            proposals.push(Some((value, output)));
            *round_result = Round::Proposed;
            Some(bytes)
        }
        Err(damaged) => {
            *round_result = Round::Damaged(damaged);
            None
        }
    }
}
