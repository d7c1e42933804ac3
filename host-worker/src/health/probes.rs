//! Probes the services that a worker depends on.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::readiness::{Dependency, Readiness};
use crate::queue::{Queue, QueueError};
use crate::report::ControlClient;
use crate::store::ObjectStore;

/// The pause between probes while the worker is ready.
const INTERVAL: Duration = Duration::from_secs(10);
/// The pause between probes while it is not.
const INTERVAL_WHILE_UNREADY: Duration = Duration::from_secs(2);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Probes until `cancel`.
pub(crate) async fn probe(
    readiness: &Readiness,
    control: &ControlClient,
    queue: &Queue,
    short: Option<&Queue>,
    store: &ObjectStore,
    cancel: &CancellationToken,
) {
    loop {
        let probing = async {
            tokio::join!(
                probe_one(readiness, Dependency::Control, control.health()),
                probe_one(readiness, Dependency::Queue, queues_ready(queue, short)),
                probe_one(readiness, Dependency::Bucket, store.ready()),
            )
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = probing => {}
        }
        let pause = if readiness.is_ready() { INTERVAL } else { INTERVAL_WHILE_UNREADY };
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whether the queues of all lanes answer.
async fn queues_ready(queue: &Queue, short: Option<&Queue>) -> Result<(), QueueError> {
    queue.ready().await?;
    match short {
        Some(short) => short.ready().await,
        None => Ok(()),
    }
}

async fn probe_one<E: std::fmt::Display>(
    readiness: &Readiness,
    dependency: Dependency,
    answer: impl Future<Output = Result<(), E>>,
) {
    let answer = match tokio::time::timeout(TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
    };
    readiness.record(dependency, answer);
}
