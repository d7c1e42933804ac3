//! The test suite of stores: the guarantees of the port, the building blocks over it, and the operations on videos.
//! It runs natively on the store in memory, and in a guest on Spin's.
//!
//! Every check makes new keys, so that it can be repeated on the same store, but not on a store in use, because checks
//! advance the clock. If the store loses an answer, an operation may fail; the checks then retry, as clients do.

mod basics;
mod blocks;
mod life;

use std::future::Future;

use crate::ports::{Ambient, Kv};

/// The result of a check, with the error in words.
pub type CheckResult = Result<(), String>;

/// Defines [`CHECKS`] and [`run`] from the checks' functions.
macro_rules! checks {
    ($($group:ident::$name:ident),* $(,)?) => {
        /// The names of all checks.
        pub const CHECKS: &[&str] = &[$(stringify!($name)),*];

        /// Runs the check of this name, if there is one.
        pub async fn run<K: Kv, A: Ambient>(name: &str, kv: &K, ambient: &A) -> Option<CheckResult> {
            match name {
                $(stringify!($name) => Some($group::$name(kv, ambient).await),)*
                _ => None,
            }
        }
    };
}

checks!(
    basics::values_are_set_read_and_deleted,
    basics::many_values_are_read_at_once,
    basics::removed_keys_are_as_new,
    basics::swaps_see_the_current_value,
    basics::swaps_on_an_existing_key_are_exact,
    basics::counters_count,
    blocks::updates_add_up,
    blocks::one_of_many_creates,
    blocks::an_update_of_a_missing_key_is_refused,
    blocks::members_come_and_go,
    blocks::index_pages_are_sealed,
    life::a_video_from_upload_to_result,
    life::limits_hold_and_order_is_kept,
    life::keys_make_requests_idempotent,
    life::runs_share_an_upload,
    life::leases_are_exclusive,
    life::deletion_and_closing,
    life::uploads_expire_and_results_are_purged,
);

/// A new key.
fn fresh_key<A: Ambient>(ambient: &A, name: &str) -> String {
    let mut random = [0; 8];
    ambient.fill_random(&mut random);
    format!("suite/{name}/{}", hex::encode(random))
}

/// Retries transient errors, as clients do.
async fn retry<A, T, E, F>(ambient: &A, mut attempt: impl FnMut() -> F) -> Result<T, String>
where
    A: Ambient,
    E: Transient,
    F: Future<Output = Result<T, E>>,
{
    let mut last = String::new();
    for round in 0..200_u32 {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if error.is_transient() => last = error.to_string(),
            Err(error) => return Err(error.to_string()),
        }
        ambient.pause(20 * round.min(50)).await;
    }
    Err(format!("all attempts failed: {last}"))
}

/// An error that may be transient.
trait Transient: std::fmt::Display {
    fn is_transient(&self) -> bool;
}

impl Transient for crate::ports::Unavailable {
    fn is_transient(&self) -> bool {
        true
    }
}

impl Transient for crate::store::StoreError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Transient for crate::jobs::JobError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl<E: std::fmt::Display> Transient for super::update::UpdateError<E> {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}

/// Makes the surrounding check fail unless the condition holds.
macro_rules! check {
    ($condition:expr, $($arg:tt)+) => {
        if !$condition {
            return Err(format!($($arg)+));
        }
    };
}
use check;

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::store::memory::{MemoryKv, StoreFaults, TestAmbient};

    #[test]
    fn the_store_in_memory_passes_in_every_mode() {
        for (mode, faults) in StoreFaults::MODES {
            for seed in 0..4 {
                let kv = MemoryKv::new(faults, seed);
                let ambient = TestAmbient::new(seed + 100);
                for name in CHECKS {
                    let result = block_on(run(name, &kv, &ambient));
                    assert_eq!(result, Some(Ok(())), "{name} in mode `{mode}`, seed {seed}");
                }
            }
        }
    }
}
