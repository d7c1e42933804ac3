//! The operations of the service: parse, check, call the store, shape the answer.

mod messages;
mod queues;
mod receive;

use std::sync::Arc;

use framelift_dev_faults::Faults;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;

use crate::{
    auth::Credentials,
    clock::Clock,
    config::Limits,
    error::{ApiError, Code},
    naming::Naming,
    polling::QueueSignals,
    store::{Db, Handle},
    wire,
};

/// All that an operation needs.
pub(crate) struct Service {
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) naming: Naming,
    pub(crate) credentials: Credentials,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) signals: Arc<QueueSignals>,
    /// Ends long polls when the server shuts down.
    pub(crate) stopping: CancellationToken,
}

/// A successful answer.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    /// Holds received messages until the body is on its way.
    pub(crate) lease: Option<Lease>,
}

/// Received messages that the client does not have yet: dropped, it gives them back.
pub(crate) struct Lease {
    db: Db,
    clock: Arc<dyn Clock>,
    signals: Arc<QueueSignals>,
    queue: String,
    handles: Vec<Handle>,
}

impl Lease {
    /// The client has the messages, or the answer is lost on purpose.
    pub(crate) fn hand_over(mut self) {
        self.handles.clear();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.handles.is_empty() {
            return;
        }
        let handles = std::mem::take(&mut self.handles);
        let queue = std::mem::take(&mut self.queue);
        let (now, signals) = (self.clock.now().as_millisecond(), Arc::clone(&self.signals));
        self.db.run_unattended(move |store| {
            // The error is logged where it is made; the visibility timeout heals the rest.
            let _ = store.give_back(&handles, now);
            signals.notify(&queue);
        });
    }
}

impl Service {
    /// Carries out one operation. `endpoint` is what the client called us by.
    pub(crate) async fn answer(
        &self,
        operation: &str,
        body: &[u8],
        endpoint: &str,
    ) -> Result<Answer, ApiError> {
        match operation {
            "CreateQueue" => done(self.create_queue(parse(body)?, endpoint).await),
            "GetQueueUrl" => done(self.get_queue_url(parse(body)?, endpoint).await),
            "ListQueues" => done(self.list_queues(parse(body)?, endpoint).await),
            "DeleteQueue" => done(self.delete_queue(parse(body)?).await),
            "PurgeQueue" => done(self.purge_queue(parse(body)?).await),
            "GetQueueAttributes" => done(self.get_queue_attributes(parse(body)?).await),
            "SetQueueAttributes" => done(self.set_queue_attributes(parse(body)?).await),
            "SendMessage" => done(self.send_message(parse(body)?).await),
            "SendMessageBatch" => done(self.send_message_batch(parse(body)?).await),
            "DeleteMessage" => done(self.delete_message(parse(body)?).await),
            "DeleteMessageBatch" => done(self.delete_message_batch(parse(body)?).await),
            "ChangeMessageVisibility" => done(self.change_visibility(parse(body)?).await),
            "ChangeMessageVisibilityBatch" => done(self.change_visibility_batch(parse(body)?).await),
            "ReceiveMessage" => self.receive_message(parse(body)?).await,
            "AddPermission"
            | "CancelMessageMoveTask"
            | "ListDeadLetterSourceQueues"
            | "ListMessageMoveTasks"
            | "ListQueueTags"
            | "RemovePermission"
            | "StartMessageMoveTask"
            | "TagQueue"
            | "UntagQueue" => Err(ApiError::new(
                Code::UnsupportedOperation,
                format!("The operation {operation} is not supported by this server."),
            )),
            _ => {
                Err(ApiError::new(Code::UnknownOperation, format!("The operation {operation} is not known.")))
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// The queue that a request names by its URL.
    fn queue_of(&self, url: Option<&str>) -> Result<String, ApiError> {
        let url = url.filter(|url| !url.is_empty()).ok_or_else(|| ApiError::missing("QueueUrl"))?;
        self.naming.queue_of_url(url).map(str::to_owned).ok_or_else(ApiError::no_queue)
    }
}

/// The ids of a batch's entries, each with what its success will say or why it was refused.
type Checked<R> = Vec<(String, Result<R, ApiError>)>;

/// Checks the entries of a batch, each for itself: `check` turns an entry into work and what
/// its success will say.
fn prepare<T, W, R>(
    entries: Vec<wire::BatchEntry<T>>,
    check: impl Fn(T) -> Result<(W, R), ApiError>,
) -> (Vec<W>, Checked<R>) {
    let mut work = Vec::new();
    let results = entries
        .into_iter()
        .map(|entry| {
            let result = check(entry.item).map(|(one, result)| {
                work.push(one);
                result
            });
            (entry.id.unwrap_or_default(), result)
        })
        .collect();
    (work, results)
}

/// The counterpart of [`prepare`]: `outcomes` belong to the entries that were good, in order.
fn collect<R>(results: Checked<R>, outcomes: Vec<Result<(), ApiError>>) -> wire::BatchResult<R> {
    let mut outcomes = outcomes.into_iter();
    let mut batch = wire::BatchResult { successful: Vec::new(), failed: Vec::new() };
    for (id, result) in results {
        let result = result.and_then(|result| match outcomes.next() {
            Some(outcome) => outcome.map(|()| result),
            None => Err(ApiError::internal()),
        });
        match result {
            Ok(result) => batch.successful.push(wire::BatchSuccess { id, result }),
            Err(error) => {
                let shape = error.code.shape();
                batch.failed.push(wire::BatchFailure {
                    id,
                    sender_fault: shape.status < 500,
                    code: shape.query,
                    message: error.message,
                });
            }
        }
    }
    batch
}

/// The outcome of the single entry of a request that is not a batch.
fn single(outcomes: Vec<Result<(), ApiError>>) -> Result<(), ApiError> {
    outcomes.into_iter().next().unwrap_or_else(|| Err(ApiError::internal()))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::new(Code::Serialization, format!("The request cannot be read: {error}")))
}

fn done(result: Result<impl Serialize, ApiError>) -> Result<Answer, ApiError> {
    let body = serde_json::to_vec(&result?).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written");
        ApiError::internal()
    })?;
    Ok(Answer { body, lease: None })
}

#[cfg(test)]
mod tests;
