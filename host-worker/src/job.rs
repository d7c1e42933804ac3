//! The work on one message: claim, attempt, report, notice.

mod attempt;
mod compiled;
mod index;
mod message;
mod permit;
mod plugins;
mod report;
mod stop;
mod supervise;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use framelift_contract::report::{Job, Notice};
use framelift_media::EngineLimits;
use framelift_sandbox::Sandbox;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::config::Config;
use crate::health::{DeferReason, Dependency, Metrics, Readiness};
use crate::notify::Notifier;
use crate::report::{ControlClient, ReportError, Trace};
use crate::retry::{self, retry};
use crate::store::ObjectStore;
use crate::{ambient, shutdown};

pub(crate) use compiled::CompiledPlugins;
pub(crate) use message::{Task, Work};
pub(crate) use permit::Permit;

/// How long a claim is retried while the message is kept.
const CLAIM_RETRY_TIMEOUT: Duration = Duration::from_secs(300);

/// What happens to a message after the work on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It is deleted.
    Delete,
    /// It becomes visible again after this delay, for this reason.
    Defer(Duration, DeferReason),
    /// It is moved to the dead-letter queue, for this reason.
    Reject(String),
}

/// Time-outs and limits of the work on a job.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The first delay of a message that could not be processed.
    pub retry_delay: Duration,
    /// How often progress is reported.
    pub progress: Duration,
    /// An engine without progress for so long is stuck.
    pub stuck_after: Duration,
    /// How long to wait for the end of an upload when the worker stops.
    pub stop_timeout: Duration,
    /// Bytes of an archive's first parts.
    pub part_size: u64,
    /// Bytes of an upload in memory.
    pub read_buffer: u64,
    /// What one extraction may use.
    pub limits: EngineLimits,
}

impl Settings {
    /// Takes them from the configuration.
    pub(crate) fn of(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            retry_delay: config.queue.retry_delay,
            progress: config.worker.progress,
            stuck_after: config.worker.stuck_after,
            stop_timeout: shutdown::release_period(config.worker.grace_period) / 3,
            part_size: config.store.part_size.0,
            read_buffer: config.store.read_buffer.0,
            limits: EngineLimits {
                max_pixels: limits.max_pixels,
                max_memory: limits.max_memory.0,
                max_decoded_pixels: limits.max_decoded_pixels,
                max_scans: limits.max_scans,
                max_streams: limits.max_streams,
                max_frames: limits.max_frames,
                max_output_bytes: limits.max_output_bytes.0,
                max_wall: limits.max_wall,
                max_idle_packets: limits.max_idle_packets,
                threads: limits.threads as usize,
                hardware: limits.hardware,
                strategy: None,
            },
        }
    }
}

/// The services and settings that the work on a job needs.
#[derive(Debug)]
pub(crate) struct JobContext {
    /// Claims and reports.
    pub control: ControlClient,
    /// Uploads and archives.
    pub store: ObjectStore,
    /// Tells owners.
    pub notifier: Notifier,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether more work may come.
    pub readiness: Arc<Readiness>,
    /// Where decoders run.
    pub sandbox: Arc<Sandbox>,
    /// Plugins that jobs have used.
    pub plugins: Arc<CompiledPlugins>,
    /// Time-outs and limits.
    pub settings: Settings,
    /// Cancelled when no new job may be begun.
    pub draining: CancellationToken,
    /// Cancelled when running jobs must be released.
    pub release: CancellationToken,
}

impl JobContext {
    /// Processes a message.
    pub(crate) async fn handle(&self, task: &Task, receives: u32, permit: Permit) -> Disposition {
        let span = tracing::info_span!(
            "job",
            otel.kind = "consumer",
            correlation_id = %task.trace.correlation_id,
            trace_id = task.trace.parent.trace_id(),
            video_id = %task.video_id,
            attempt = tracing::field::Empty,
        );
        framelift_telemetry::follow(&span, &task.trace.parent.to_string());
        async {
            if task.notice.is_some() {
                return self.send_pending_notice(task, Some(permit), receives).await;
            }
            match self.claim(task).await {
                Ok(job) => {
                    tracing::Span::current().record("attempt", job.attempt);
                    self.work(&job, &task.trace, receives, permit).await
                }
                Err(error) => self.not_claimed(task, permit, receives, error).await,
            }
        }
        .instrument(span)
        .await
    }

    /// Claims the job. Retries use the same claim id, so that a lost answer does no harm.
    pub(crate) async fn claim(&self, task: &Task) -> Result<Job, ReportError> {
        if self.draining.is_cancelled() {
            return Err(ReportError::Unavailable {
                detail: "the worker shuts down".into(),
                retry_after: None,
            });
        }
        let claim_id = ambient::token();
        retry("claim", CLAIM_RETRY_TIMEOUT, &self.draining, || {
            self.control.claim(task.video_id, &claim_id, &task.trace)
        })
        .await
    }

    /// Returns the delay of a message that was received `receives` times and could not be processed.
    pub(crate) fn message_delay(&self, receives: u32) -> Duration {
        retry::message_delay(self.settings.retry_delay, receives)
    }

    async fn not_claimed(
        &self,
        task: &Task,
        permit: Permit,
        receives: u32,
        error: ReportError,
    ) -> Disposition {
        let later = self.message_delay(receives);
        match error {
            ReportError::LeaseHeld { retry_after } => {
                tracing::debug!("another worker holds the job");
                let delay = retry_after.unwrap_or(Duration::from_secs(30)).max(Duration::from_secs(1));
                Disposition::Defer(delay, DeferReason::LeaseHeld)
            }
            ReportError::NotReady { retry_after } => {
                tracing::info!("the job is not ready yet");
                Disposition::Defer(retry_after.unwrap_or(later), DeferReason::NotReady)
            }
            ReportError::JobFinished => self.send_pending_notice(task, Some(permit), receives).await,
            ReportError::NotFound => {
                tracing::warn!("the message's video is not known any more");
                Disposition::Delete
            }
            ReportError::Unauthorised => Disposition::Defer(Duration::from_secs(30), DeferReason::Credential),
            ReportError::Unavailable { .. } if self.draining.is_cancelled() => {
                Disposition::Defer(Duration::ZERO, DeferReason::Shutdown)
            }
            error @ (ReportError::Unavailable { .. }
            | ReportError::Refused { .. }
            | ReportError::StaleAttempt) => {
                tracing::error!(error = %error, "the job could not be claimed");
                self.readiness.record(Dependency::Control, Err(error.to_string()));
                Disposition::Defer(later, DeferReason::Control)
            }
        }
    }

    /// Sends the notice that a finished job may still have, and the event that may be due at the owner's
    /// webhook. A slow receiver does not occupy a job's permit.
    pub(crate) async fn send_pending_notice(
        &self,
        task: &Task,
        permit: Option<Permit>,
        receives: u32,
    ) -> Disposition {
        if let Some(kind) = task.notice.filter(|kind| kind.is_of_account()) {
            let (user, link) = (task.user_id, task.video_id.into());
            let said = self.notifier.deliver_account_mail(user, kind, link, &task.trace, &self.release).await;
            return self.after_notice(said, receives);
        }
        let mut said = self.notifier.deliver_pending(task.video_id, &task.trace, &self.release).await;
        drop(permit);
        if said.is_ok() {
            let event = task.video_id.into();
            said = self.notifier.deliver_event(event, task.user_id, &task.trace, &self.release).await;
        }
        self.after_notice(said, receives)
    }

    /// Sends the notice that a report's answer brought.
    pub(crate) async fn send_notice(
        &self,
        notice: Option<&Notice>,
        job: &Job,
        trace: &Trace,
        receives: u32,
    ) -> Disposition {
        match notice {
            None => Disposition::Delete,
            Some(notice) => {
                let mut said = self.notifier.deliver(notice, job.attempt, trace, &self.release).await;
                if said.is_ok() {
                    let event = notice.video_id.into();
                    said = self.notifier.deliver_event(event, notice.user_id, trace, &self.release).await;
                }
                self.after_notice(said, receives)
            }
        }
    }

    fn after_notice(&self, said: Result<(), crate::notify::NotifyError>, receives: u32) -> Disposition {
        match said {
            Ok(()) => Disposition::Delete,
            Err(_) if self.release.is_cancelled() => {
                Disposition::Defer(Duration::ZERO, DeferReason::Shutdown)
            }
            Err(error) => {
                tracing::warn!(error = %error, "a notice is deferred");
                Disposition::Defer(self.message_delay(receives), DeferReason::Notice)
            }
        }
    }
}
