//! Asks what a worker depends on whether it is there, again and again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::readiness::{Dependency, Readiness};
use crate::queue::Queue;
use crate::report::ControlClient;
use crate::store::ObjectStore;

/// How often, once all is well.
const EVERY: Duration = Duration::from_secs(10);
/// How often while something is amiss.
const AGAIN: Duration = Duration::from_secs(2);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Probes until `cancel`.
pub(crate) async fn probe(
    readiness: &Readiness,
    control: &ControlClient,
    queue: &Queue,
    store: &ObjectStore,
    cancel: &CancellationToken,
) {
    loop {
        let asked = async {
            tokio::join!(
                ask(readiness, Dependency::Control, control.health()),
                ask(readiness, Dependency::Queue, queue.ready()),
                ask(readiness, Dependency::Bucket, store.ready()),
            )
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = asked => {}
        }
        let pause = if readiness.is_ready() { EVERY } else { AGAIN };
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn ask<E: std::fmt::Display>(
    readiness: &Readiness,
    dependency: Dependency,
    answer: impl Future<Output = Result<(), E>>,
) {
    let answer = match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    readiness.record(dependency, answer);
}
