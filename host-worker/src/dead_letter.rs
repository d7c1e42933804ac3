//! Reads the dead-letter queue: a job that has used up its attempts fails, and its owner is notified; the
//! check of a plugin is released, so that it is retried or the plugin rejected.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use framelift_contract::report::{Ending, Job};
use framelift_domain::{Failure, FailureCode};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::health::{DeadLetter, DeferReason, Dependency};
use crate::intake::ReceiveTimes;
use crate::job::{Disposition, JobContext, Task, Work};
use crate::queue::{Lease, Queue, Received};
use crate::report::ReportError;
use crate::retry::{self, Retryable as _};

/// Attempts after which a job fails: as many times as the job queue delivers a message (`maxReceiveCount`).
const MAX_TRIES: u32 = 5;
/// How long a message that is neither a job nor a check stays invisible: it is kept for people to look at, and must
/// not be received again and again. SQS refuses more than 12 hours from when it
/// was received.
const PARKED_VISIBILITY: Duration = Duration::from_secs(11 * 3600);
/// How many of their ids are kept, so that each is logged once.
const MAX_REMEMBERED: usize = 1_000;

/// The dead-letter queue's reader. One message at a time: there should be none.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    /// The dead-letter queue.
    pub queue: Queue,
    /// Claims, reports and notices.
    pub context: Arc<JobContext>,
    /// By which times messages are kept.
    pub times: ReceiveTimes,
}

impl DeadLetters {
    /// Receives until `cancel`.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let (mut failures, mut logged) = (0, HashSet::new());
        loop {
            let received = tokio::select! {
                () = cancel.cancelled() => return,
                received = async {
                    self.context.readiness.ready().await;
                    self.queue.receive(self.times.wait, self.times.visibility).await
                } => received,
            };
            match received {
                Ok(None) => failures = 0,
                Ok(Some(message)) => {
                    failures = 0;
                    self.handle(message, &mut logged).await;
                }
                Err(error) => {
                    failures += 1;
                    self.context.metrics.receive_errors.inc();
                    if failures == 1 {
                        tracing::warn!(error = %error, "the dead-letter queue does not answer");
                    }
                    let pause = retry::pause(failures);
                    tokio::select! {
                        () = cancel.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    async fn handle(&self, message: Received, logged: &mut HashSet<String>) {
        let lease = Lease::start(&self.queue, &message, self.times.visibility, self.times.heartbeat);
        let (outcome, disposition) = match Work::parse(&message.body) {
            Ok(Work::Video(task)) => {
                let span = tracing::info_span!(
                    "dead_letter",
                    message_id = message.message_id,
                    otel.kind = "consumer",
                    correlation_id = %task.trace.correlation_id,
                    trace_id = task.trace.parent.trace_id(),
                    video_id = %task.video_id,
                );
                framelift_telemetry::follow(&span, &task.trace.parent.to_string());
                self.give_up(&task, message.receives).instrument(span).await
            }
            Ok(Work::Plugin(task)) => {
                let span = tracing::info_span!(
                    "dead_letter",
                    message_id = message.message_id,
                    correlation_id = %task.trace.correlation_id,
                    plugin_id = %task.plugin_id,
                );
                self.context.release_check(&task, message.receives).instrument(span).await
            }
            Err(error) => (DeadLetter::Kept, Disposition::Reject(error.to_string())),
        };
        let metrics = &self.context.metrics;
        match disposition {
            Disposition::Delete => {
                metrics.dead_letter(outcome);
                lease.delete().await;
            }
            Disposition::Defer(delay, reason) => {
                metrics.dead_letter(DeadLetter::Deferred);
                metrics.message_deferred(reason);
                lease.defer(delay).await;
            }
            Disposition::Reject(reason) => {
                metrics.dead_letter(outcome);
                if logged.len() < MAX_REMEMBERED && logged.insert(message.message_id.clone()) {
                    tracing::error!(
                        message_id = message.message_id,
                        reason,
                        "a dead letter is not understood and is kept"
                    );
                }
                lease.defer(PARKED_VISIBILITY).await;
            }
        }
    }

    /// Decides what happens to the message, and how it is counted.
    async fn give_up(&self, task: &Task, receives: u32) -> (DeadLetter, Disposition) {
        let context = &self.context;
        let claimed =
            if task.notice.is_some() { Err(ReportError::JobFinished) } else { context.claim(task).await };
        match claimed {
            Ok(job) => self.fail(task, &job, receives).await,
            // A worker has the job after all. The next delivery will see its outcome.
            Err(ReportError::LeaseHeld { retry_after }) => {
                let delay = retry_after.unwrap_or_default().max(self.times.visibility);
                (DeadLetter::Deferred, Disposition::Defer(delay, DeferReason::LeaseHeld))
            }
            Err(ReportError::JobFinished) => self.finished(task, receives).await,
            Err(ReportError::NotFound) => (DeadLetter::Gone, Disposition::Delete),
            Err(error) => {
                tracing::warn!(error = %error, "a dead letter could not be claimed");
                if error.retry_after().is_some() && !context.draining.is_cancelled() {
                    context.readiness.record(Dependency::Control, Err(error.to_string()));
                }
                let delay = context.message_delay(receives);
                (DeadLetter::Deferred, Disposition::Defer(delay, DeferReason::Control))
            }
        }
    }

    /// The job has ended; its owner may still have to be notified.
    async fn finished(&self, task: &Task, receives: u32) -> (DeadLetter, Disposition) {
        let said = self.context.send_pending_notice(task, None, receives).await;
        (DeadLetter::Finished, said)
    }

    async fn fail(&self, task: &Task, job: &Job, receives: u32) -> (DeadLetter, Disposition) {
        let context = &self.context;
        // This claim is an attempt, too.
        let tries = job.attempt.saturating_sub(1);
        if tries < MAX_TRIES {
            // Its message was received often but hardly processed, because another message of the same job
            // was deferred again and again, or control was down. That is not the video's fault.
            let released = context.release_job(job, &task.trace, receives, "the job was hardly tried").await;
            return (DeadLetter::Released, released);
        }
        let failure = Failure::new(FailureCode::Internal, format!("gave up after {tries} tries"));
        match context.report_failure(job, &task.trace, &failure, Ending::Failed, 0).await {
            Ok(answer) => {
                tracing::error!(event = "ProcessingFailed", tries, "a job has used up its tries");
                context.metrics.job_ended("failed", failure.code.as_str());
                if let Err(error) = context.store.remove_leftovers(&job.result_prefix, job.attempt).await {
                    tracing::warn!(error = %error, "leftovers of earlier attempts were not removed");
                }
                let told = context.send_notice(answer.notice.as_ref(), job, &task.trace, receives).await;
                (DeadLetter::Failed, told)
            }
            Err(ReportError::JobFinished) => self.finished(task, receives).await,
            Err(ReportError::StaleAttempt | ReportError::NotFound) => (DeadLetter::Gone, Disposition::Delete),
            Err(error) => {
                tracing::warn!(error = %error, "a dead letter's end could not be reported");
                let delay = context.message_delay(receives);
                (DeadLetter::Deferred, Disposition::Defer(delay, DeferReason::Control))
            }
        }
    }
}
