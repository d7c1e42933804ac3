//! The lease on a received message: keeps it invisible during the work on it, and deletes, defers or moves it
//! at the end.

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::{Queue, Received};

/// The lease on a message. When dropped, the heartbeat stops and the message becomes visible again after its
/// visibility timeout.
#[derive(Debug)]
pub(crate) struct Lease {
    queue: Queue,
    receipt: String,
    message_id: String,
    heartbeat: AbortOnDropHandle<()>,
}

impl Lease {
    /// Starts the heartbeat that keeps a message invisible.
    pub(crate) fn start(
        queue: &Queue,
        received: &Received,
        visibility: Duration,
        heartbeat: Duration,
    ) -> Self {
        let (receipt, message_id) = (received.receipt.clone(), received.message_id.clone());
        let task = send_heartbeats(queue.clone(), receipt.clone(), message_id.clone(), visibility, heartbeat);
        Self {
            queue: queue.clone(),
            receipt,
            message_id,
            heartbeat: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }

    /// Deletes the message. One that could not be deleted comes back, and its next receiver is told
    /// that the job is finished.
    pub(crate) async fn delete(self) {
        if let Err(error) = self.queue.delete(&self.receipt).await {
            tracing::warn!(error = %error, message_id = self.message_id, "a message could not be deleted");
        }
    }

    /// Makes the message visible again after `delay`.
    pub(crate) async fn defer(self, delay: Duration) {
        // A concurrent heartbeat would undo the call.
        self.heartbeat.abort();
        if let Err(error) = self.queue.change_visibility(&self.receipt, delay).await {
            tracing::warn!(error = %error, message_id = self.message_id, "a message could not be deferred");
        }
    }

    /// Moves it to another queue.
    pub(crate) async fn move_to(self, other: &Queue, body: &str) {
        match other.send(body).await {
            Ok(()) => self.delete().await,
            // It becomes visible again and is retried; the queue's own redrive is the last resort.
            Err(error) => {
                tracing::warn!(error = %error, message_id = self.message_id, "a message could not be moved");
            }
        }
    }
}

async fn send_heartbeats(
    queue: Queue,
    receipt: String,
    message_id: String,
    visibility: Duration,
    every: Duration,
) {
    let mut failures = 0_u32;
    loop {
        tokio::time::sleep(every).await;
        match queue.change_visibility(&receipt, visibility).await {
            Ok(()) => failures = 0,
            Err(error) => {
                failures += 1;
                // Logged once only: the lease at control, not this one, protects the job.
                if failures == 1 {
                    tracing::warn!(error = %error, message_id, "a message's visibility could not be extended");
                }
            }
        }
    }
}
