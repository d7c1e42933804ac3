//! Reports the end of an attempt to control, and sends the notice that its answer asks for.

use std::time::{Duration, Instant};

use framelift_contract::report::{Ending, Job, ReportAnswer};
use framelift_domain::{Failure, FailureCode};

use super::attempt::Outcome;
use super::permit::Permit;
use super::{Disposition, JobContext, Task};
use crate::health::{DeferReason, Dependency};
use crate::report::{Archive, ReportError, Trace};
use crate::retry::{Retryable as _, retry};

/// How long the report of an end is retried before the message becomes visible again. No other worker can
/// claim the job while control does not answer.
const RETRY_TIMEOUT: Duration = Duration::from_secs(900);

/// How long a message is kept while its attempt's archive is removed.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Counts a running job.
struct InFlight<'a>(&'a crate::health::Metrics);

impl<'a> InFlight<'a> {
    fn new(metrics: &'a crate::health::Metrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

impl JobContext {
    /// Makes an attempt at a claimed job and reports it.
    pub(super) async fn work(&self, job: &Job, trace: &Trace, receives: u32, permit: Permit) -> Disposition {
        let _in_flight = InFlight::new(&self.metrics);
        tracing::info!(
            event = "ProcessingStarted",
            user_id = %job.user_id,
            size_bytes = job.size_bytes,
            "the attempt begins"
        );
        let (outcome, decoded_ms) = self.attempt(job, trace, permit).await;
        self.count_for_service(&outcome);
        let reporting = Instant::now();
        let disposition = match outcome {
            Outcome::Completed(archive) => self.complete(job, trace, receives, archive).await,
            Outcome::Failed(failure) => self.fail(job, trace, receives, failure, decoded_ms).await,
            Outcome::Released(why) | Outcome::NotOurs(why) => {
                tracing::warn!(reason = why, "the job is released");
                // Another worker must be able to claim it first: a worker that stops has little time.
                let disposition = self.release_job(job, trace, receives, &why).await;
                self.remove_result(job).await;
                disposition
            }
            Outcome::Superseded => {
                tracing::warn!("the job was finished or taken over elsewhere");
                self.metrics.job_ended("lost", "");
                self.remove_result(job).await;
                Disposition::Delete
            }
            Outcome::Unauthorised => {
                self.metrics.job_ended("unreported", "");
                Disposition::Defer(Duration::from_secs(u64::from(job.lease_s)), DeferReason::Credential)
            }
        };
        self.metrics.stage_took("reporting", reporting.elapsed());
        disposition
    }

    /// Notes whether the worker did its work. A worker that releases job after job because it cannot work
    /// takes itself out of service.
    fn count_for_service(&self, outcome: &Outcome) {
        match outcome {
            // A failure of the video itself counts as a success of the worker.
            Outcome::Completed(_) | Outcome::Failed(_) => {
                self.readiness.job_succeeded();
                self.metrics.own_failures.set(0);
            }
            Outcome::Released(_) if self.draining.is_cancelled() => {}
            Outcome::Released(_) => {
                let (jobs, goes_out) = self.readiness.job_released();
                self.metrics.own_failures.set(i64::from(jobs));
                if goes_out {
                    self.metrics.out_of_service.inc();
                }
            }
            Outcome::NotOurs(_) | Outcome::Superseded | Outcome::Unauthorised => {}
        }
    }

    async fn complete(&self, job: &Job, trace: &Trace, receives: u32, archive: Archive) -> Disposition {
        let answer = retry("complete", RETRY_TIMEOUT, &self.release, || {
            self.control.complete(job, trace, archive.clone())
        });
        self.after_report(job, trace, receives, answer.await, || {
            tracing::info!(
                event = "ProcessingCompleted",
                frames = archive.frames,
                size_bytes = archive.size_bytes,
                bytes_read = archive.bytes_read,
                warnings = archive.warnings.len(),
                "the result is published"
            );
            self.metrics.job_ended("completed", "");
        })
        .await
    }

    async fn fail(
        &self,
        job: &Job,
        trace: &Trace,
        receives: u32,
        failure: Failure,
        decoded_ms: u64,
    ) -> Disposition {
        let answer = self.report_failure(job, trace, &failure, Ending::Failed, decoded_ms).await;
        self.after_report(job, trace, receives, answer, || {
            tracing::info!(
                event = "ProcessingFailed",
                code = failure.code.as_str(),
                reason = failure.message,
                "the video has failed"
            );
            self.metrics.job_ended("failed", failure.code.as_str());
        })
        .await
    }

    /// Releases a job. Control sends a new message for it, so this one is deleted.
    pub(crate) async fn release_job(
        &self,
        job: &Job,
        trace: &Trace,
        receives: u32,
        why: &str,
    ) -> Disposition {
        let failure = Failure::new(FailureCode::Internal, why);
        let answer = self.report_failure(job, trace, &failure, Ending::Released, 0).await;
        // There is a notice if it was released too often.
        self.after_report(job, trace, receives, answer, || self.metrics.job_ended("released", "")).await
    }

    /// Counts an end that control accepted and sends its notice, or handles the refusal.
    async fn after_report(
        &self,
        job: &Job,
        trace: &Trace,
        receives: u32,
        answer: Result<ReportAnswer, ReportError>,
        accepted: impl FnOnce(),
    ) -> Disposition {
        match answer {
            Ok(answer) => {
                accepted();
                self.send_notice(answer.notice.as_ref(), job, trace, receives).await
            }
            Err(error) => self.not_reported(job, trace, receives, error).await,
        }
    }

    /// Reports that the job, of which so much was decoded, failed or is released. Tried at least once, even in a
    /// shutdown.
    pub(crate) async fn report_failure(
        &self,
        job: &Job,
        trace: &Trace,
        failure: &Failure,
        ending: Ending,
        decoded_ms: u64,
    ) -> Result<ReportAnswer, ReportError> {
        retry("fail", RETRY_TIMEOUT, &self.release, || {
            self.control.fail(job, trace, failure.code, &failure.message, ending, decoded_ms)
        })
        .await
    }

    async fn not_reported(&self, job: &Job, trace: &Trace, receives: u32, error: ReportError) -> Disposition {
        match error {
            ReportError::StaleAttempt | ReportError::JobFinished | ReportError::NotFound => {
                tracing::warn!(error = %error, "the attempt's end comes too late");
                self.metrics.job_ended("lost", "");
                self.remove_result(job).await;
                match error {
                    // The worker that finished it may have died before it notified the owner.
                    ReportError::JobFinished => {
                        self.send_pending_notice(&Task::of_notice(job, trace), None, receives).await
                    }
                    _ => Disposition::Delete,
                }
            }
            // It is unknown whether control accepted the report, so the archive stays. If it was not
            // published, the next attempt removes it.
            error => {
                tracing::error!(error = %error, "the attempt's end could not be reported");
                self.metrics.job_ended("unreported", "");
                if error.retry_after().is_some() {
                    self.readiness.record(Dependency::Control, Err(error.to_string()));
                }
                let later = self.message_delay(receives);
                Disposition::Defer(
                    later.max(Duration::from_secs(u64::from(job.lease_s))),
                    DeferReason::Control,
                )
            }
        }
    }

    /// Removes this attempt's own archive and its index, which were not published. The next attempt, or the end of
    /// the video, removes what is left.
    async fn remove_result(&self, job: &Job) {
        let removed = async {
            if let Some(key) = &job.index_key {
                self.store.delete(key).await?;
            }
            self.store.delete(&job.result_key).await
        };
        match tokio::time::timeout(REMOVE_TIMEOUT, removed).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "the attempt's archive could not be removed");
            }
            Err(_) => tracing::warn!("the store does not remove the attempt's archive"),
        }
    }
}
