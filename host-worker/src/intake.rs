//! Takes messages from the job queue: a permit first, then the message, then the work.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ambient;
use crate::backoff::Backoff;
use crate::health::{Dependency, Metrics, Readiness};
use crate::job::{Disposition, Permit, Understood, Workshop, understand};
use crate::queue::{Lease, Queue, Received};

/// How messages are received and kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How long one receive waits.
    pub wait: Duration,
    /// How long a message stays invisible unless it is extended.
    pub visibility: Duration,
    /// How often it is extended.
    pub heartbeat: Duration,
}

/// The job queue's reader.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The job queue.
    pub queue: Queue,
    /// Where messages go that are not understood.
    pub dead_letters: Queue,
    /// Who does the work.
    pub workshop: Arc<Workshop>,
    /// How messages are kept.
    pub pace: Pace,
    /// One for each video at once.
    pub permits: Arc<Semaphore>,
    /// Runs the jobs, so that a shutdown can wait for them.
    pub jobs: TaskTracker,
}

impl Intake {
    /// Receives until `cancel`; jobs go on in their own tasks.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let this = Arc::new(self);
        let shop = &this.workshop;
        let mut failures = 0;
        loop {
            let permit = tokio::select! {
                () = cancel.cancelled() => return,
                permit = ready_permit(&shop.readiness, &this.permits, &shop.metrics) => permit,
            };
            let Some(permit) = permit else { return };
            let received = tokio::select! {
                () = cancel.cancelled() => return,
                received = this.queue.receive(this.pace.wait, this.pace.visibility) => received,
            };
            match received {
                Ok(message) => {
                    failures = 0;
                    shop.readiness.record(Dependency::Queue, Ok(()));
                    if let Some(message) = message {
                        let this = this.clone();
                        shop.metrics.messages.inc();
                        this.jobs.clone().spawn(async move { this.handle(message, permit).await });
                    }
                }
                Err(error) => {
                    failures += 1;
                    shop.metrics.receive_errors.inc();
                    shop.readiness.record(Dependency::Queue, Err(error.to_string()));
                    drop(permit);
                    let pause = Backoff::CALLS.after(failures, ambient::fraction());
                    tokio::select! {
                        () = cancel.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    async fn handle(&self, message: Received, permit: Permit) {
        let lease = Lease::hold(&self.queue, &message, self.pace.visibility, self.pace.heartbeat);
        let id = &message.message_id;
        let disposition = match understand(&message.body, id) {
            Understood::Task(task) => {
                tracing::info!(
                    message_id = id,
                    receives = message.receives,
                    correlation_id = %task.trace.correlation_id,
                    video_id = %task.video_id,
                    "a message was received"
                );
                self.workshop.handle(&task, message.receives, permit).await
            }
            Understood::Nothing(reason) => Disposition::Reject(reason),
        };
        match disposition {
            Disposition::Delete => lease.delete().await,
            Disposition::PutOff(delay) => lease.put_off(delay).await,
            Disposition::Reject(reason) => {
                tracing::error!(message_id = id, reason, "a message goes to the dead letters");
                self.workshop.metrics.messages_rejected.inc();
                lease.move_to(&self.dead_letters, &message.body).await;
            }
        }
    }
}

/// A permit, as soon as the worker is ready and one is free.
async fn ready_permit(
    readiness: &Readiness,
    permits: &Arc<Semaphore>,
    metrics: &Arc<Metrics>,
) -> Option<Permit> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    readiness.ready().await;
    Some(Permit::new(permit, metrics))
}
