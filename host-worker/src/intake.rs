//! Takes messages from the job queue: a permit first, then the message, then the work.

use std::sync::Arc;
use std::time::Duration;

use framelift_domain::video::Lane;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::health::{Dependency, Metrics, Readiness};
use crate::job::{Disposition, JobContext, Permit, Work};
use crate::queue::{Lease, Queue, QueueError, Received};
use crate::retry;

/// The times by which messages are received and kept invisible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveTimes {
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
    /// The queue that it waits at.
    pub queue: Queue,
    /// The lane of that queue.
    pub lane: Lane,
    /// The queue of the short lane, which it looks into before it waits at that of the main lane: in turn, so that
    /// neither keeps the other waiting.
    pub besides: Option<Queue>,
    /// The queue for messages that cannot be parsed.
    pub dead_letters: Queue,
    /// Works on the jobs.
    pub context: Arc<JobContext>,
    /// The times for receiving and keeping messages.
    pub times: ReceiveTimes,
    /// One permit for each video of it that is worked on at once.
    pub permits: Arc<Semaphore>,
    /// Runs the jobs, so that a shutdown can wait for them.
    pub jobs: TaskTracker,
}

impl Intake {
    /// Receives until `cancel`; jobs go on in their own tasks.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let this = Arc::new(self);
        let context = &this.context;
        let (mut failures, mut served_short) = (0, false);
        loop {
            let permit = tokio::select! {
                () = cancel.cancelled() => return,
                permit = ready_permit(&context.readiness, &this.permits, &context.metrics) => permit,
            };
            let Some(permit) = permit else { return };
            let received = tokio::select! {
                () = cancel.cancelled() => return,
                received = this.receive(served_short) => received,
            };
            match received {
                Ok(message) => {
                    failures = 0;
                    context.readiness.record(Dependency::Queue, Ok(()));
                    if let Some((message, lane)) = message {
                        served_short = lane == Lane::Short;
                        let this = this.clone();
                        context.metrics.message_received(lane);
                        this.jobs.clone().spawn(async move { this.handle(message, lane, permit).await });
                    }
                }
                Err(error) => {
                    failures += 1;
                    context.metrics.receive_errors.inc();
                    context.readiness.record(Dependency::Queue, Err(error.to_string()));
                    drop(permit);
                    let pause = retry::pause(failures);
                    tokio::select! {
                        () = cancel.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    /// Waits for a message of its queue, after a look into the short lane's. Where the last message came from there,
    /// its own queue is looked into first.
    async fn receive(&self, served_short: bool) -> Result<Option<(Received, Lane)>, QueueError> {
        let ReceiveTimes { wait, visibility, .. } = self.times;
        let own = async |wait| {
            let received = self.queue.receive(wait, visibility).await?;
            Ok(received.map(|message| (message, self.lane)))
        };
        if let Some(besides) = &self.besides {
            if served_short && let Some(received) = own(Duration::ZERO).await? {
                return Ok(Some(received));
            }
            if let Some(message) = besides.receive(Duration::ZERO, visibility).await? {
                return Ok(Some((message, Lane::Short)));
            }
        }
        own(wait).await
    }

    async fn handle(&self, message: Received, lane: Lane, permit: Permit) {
        let queue = match (lane, &self.besides) {
            (Lane::Short, Some(short)) => short,
            _ => &self.queue,
        };
        let lease = Lease::start(queue, &message, self.times.visibility, self.times.heartbeat);
        let id = &message.message_id;
        let disposition = match Work::parse(&message.body) {
            Ok(Work::Plugin(task)) => {
                tracing::info!(
                    message_id = id,
                    receives = message.receives,
                    correlation_id = %task.trace.correlation_id,
                    plugin_id = %task.plugin_id,
                    "a message was received"
                );
                let span = tracing::info_span!(
                    "plugin_check",
                    otel.kind = "consumer",
                    correlation_id = %task.trace.correlation_id,
                    trace_id = task.trace.parent.trace_id(),
                    plugin_id = %task.plugin_id,
                );
                framelift_telemetry::follow(&span, &task.trace.parent.to_string());
                self.context.check_plugin(&task, message.receives, permit).instrument(span).await
            }
            Ok(Work::Video(task)) => {
                tracing::info!(
                    message_id = id,
                    receives = message.receives,
                    correlation_id = %task.trace.correlation_id,
                    video_id = %task.video_id,
                    "a message was received"
                );
                self.context.handle(&task, message.receives, permit).await
            }
            Err(error) => Disposition::Reject(error.to_string()),
        };
        match disposition {
            Disposition::Delete => lease.delete().await,
            Disposition::Defer(delay, reason) => {
                self.context.metrics.message_deferred(reason);
                lease.defer(delay).await;
            }
            Disposition::Reject(reason) => {
                tracing::error!(message_id = id, reason, "a message goes to the dead letters");
                self.context.metrics.messages_rejected.inc();
                lease.move_to(&self.dead_letters, &message.body).await;
            }
        }
    }
}

/// Returns a permit as soon as the worker is ready and one is free.
async fn ready_permit(
    readiness: &Readiness,
    permits: &Arc<Semaphore>,
    metrics: &Arc<Metrics>,
) -> Option<Permit> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    readiness.ready().await;
    Some(Permit::new(permit, metrics))
}
