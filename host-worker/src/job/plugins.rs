//! Plugins: fetches their components, has each compiled once, and checks new ones.

use std::sync::Arc;
use std::time::Duration;

use framelift_contract::plugin::{CheckOutcome, JobPlugin, JobPluginCode, PluginCheck, PluginReport};
use framelift_contract::report::Job;
use framelift_domain::limits::MAX_PLUGIN_BYTES;
use framelift_domain::{Checksum, Failure, FailureCode};
use framelift_media::Progress;
use framelift_plugin_host::{Compiled, Metering, PluginRun, Rejected, built_in, failure, pinned_built_in};
use framelift_sandbox::{CompileError, CompileLimits};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::message::PluginTask;
use super::permit::Permit;
use super::{CLAIM_RETRY_TIMEOUT, Disposition, JobContext};
use crate::ambient;
use crate::health::{DeadLetter, DeferReason, Dependency};
use crate::report::{ReportError, Trace};
use crate::retry::retry;
use crate::store::StoreError;

/// How long the report of a check is retried.
const REPORT_RETRY_TIMEOUT: Duration = Duration::from_secs(120);
/// Characters of a reason.
const MAX_REASON: usize = 1000;

/// Why a plugin cannot be run.
#[derive(Debug)]
pub(super) enum PluginError {
    /// It is the plugin's fault.
    Rejected(Rejected),
    /// A retry may succeed.
    Later(String),
}

impl From<CompileError> for PluginError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Rejected(rejected) => Self::Rejected(rejected),
            CompileError::Start(_) | CompileError::Interrupted(_) => Self::Later(error.to_string()),
            CompileError::Cancelled => Self::Later("cancelled".to_owned()),
        }
    }
}

/// Why a job's plugins are not run.
#[derive(Debug)]
pub(super) enum NotRunnable {
    /// The failure of the job.
    Failed(Failure),
    /// A retry may succeed; the reason.
    Later(String),
    /// This worker lacks a component, which another version of it has; the reason.
    Missing(String),
}

/// Where a component is.
enum Code<'a> {
    /// In this program.
    BuiltIn(&'static [u8]),
    /// In the store.
    Upload(Upload<'a>),
}

/// An uploaded component.
struct Upload<'a> {
    object_key: &'a str,
    sha256: Checksum,
    size_bytes: u64,
}

impl JobContext {
    /// Compiles a job's plugins, in order.
    pub(super) async fn plugins(
        &self,
        job: &Job,
        cancel: &CancellationToken,
    ) -> Result<Vec<PluginRun>, NotRunnable> {
        let mut plugins = Vec::with_capacity(job.plugins.len());
        for JobPlugin { name, version, config, code } in &job.plugins {
            let code = match code {
                JobPluginCode::Uploaded { object_key, sha256, size_bytes, .. } => {
                    Code::Upload(Upload { object_key, sha256: *sha256, size_bytes: *size_bytes })
                }
                JobPluginCode::BuiltIn { sha256: None } => {
                    Code::BuiltIn(built_in(name).ok_or_else(|| {
                        let message = format!("this worker has no built-in plugin {name}");
                        NotRunnable::Failed(Failure::new(FailureCode::Internal, message))
                    })?)
                }
                JobPluginCode::BuiltIn { sha256: Some(sha256) } => {
                    let missing =
                        || format!("this worker does not have version {version} of the plugin {name}");
                    let component = pinned_built_in(name, *sha256);
                    Code::BuiltIn(component.ok_or_else(|| NotRunnable::Missing(missing()))?)
                }
            };
            let span =
                tracing::info_span!("plugin", otel.name = "getting a plugin ready", plugin = name, version);
            let compiled = self.compiled(name, code, cancel).instrument(span).await;
            let compiled = compiled.map_err(|error| match error {
                PluginError::Rejected(rejected) => NotRunnable::Failed(failure(name, rejected)),
                PluginError::Later(reason) => NotRunnable::Later(format!("the plugin {name}: {reason}")),
            })?;
            plugins.push(PluginRun {
                name: name.clone(),
                version: version.to_string(),
                config: serde_json::Value::Object(config.clone()).to_string(),
                compiled,
            });
        }
        Ok(plugins)
    }

    /// Returns the compiled code of a component, from memory or from a child that compiles it now. The child is gone
    /// when this returns, also after a cancellation.
    async fn compiled(
        &self,
        name: &str,
        code: Code<'_>,
        cancel: &CancellationToken,
    ) -> Result<Arc<Compiled>, PluginError> {
        let sha256 = match &code {
            Code::BuiltIn(component) => Checksum::of(component),
            Code::Upload(upload) => upload.sha256,
        };
        let compile = async {
            let component = match code {
                Code::BuiltIn(component) => component.to_vec(),
                Code::Upload(upload) => self.component(&upload, cancel).await?,
            };
            let (sandbox, name) = (self.sandbox.clone(), name.to_owned());
            // The child is also killed if nobody waits for it any more.
            let stop = cancel.child_token();
            let _stopped_with_this = stop.clone().drop_guard();
            let compiling = tokio::task::spawn_blocking(move || {
                let going_on = |_: &Progress| !stop.is_cancelled();
                sandbox.compile(&name, &component, &CompileLimits::default(), Metering::Time, &going_on)
            });
            let compiled = compiling.await.map_err(|error| PluginError::Later(error.to_string()))?;
            Ok::<_, PluginError>(compiled?)
        };
        let compiled = self.plugins.get_or_compile(sha256, cancel, compile).await;
        compiled.unwrap_or_else(|| Err(PluginError::Later("cancelled".to_owned())))
    }

    async fn component(
        &self,
        upload: &Upload<'_>,
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, PluginError> {
        let gone =
            || PluginError::Rejected(Rejected("its component is not in the store any more".to_owned()));
        let changed =
            || PluginError::Rejected(Rejected("its component is not the one that was uploaded".to_owned()));
        if upload.size_bytes > MAX_PLUGIN_BYTES {
            return Err(PluginError::Rejected(Rejected(format!("has more than {MAX_PLUGIN_BYTES} bytes"))));
        }
        let component = self.store.get(upload.object_key, upload.size_bytes, cancel).await;
        let component = component.map_err(|error| match error {
            StoreError::NotFound => gone(),
            StoreError::Changed => changed(),
            error => PluginError::Later(error.to_string()),
        })?;
        if Checksum::of(&component) != upload.sha256 { Err(changed()) } else { Ok(component) }
    }

    /// Claims the check of an uploaded plugin; else returns what happens to the message.
    async fn claim_check(&self, task: &PluginTask, later: Duration) -> Result<PluginCheck, Disposition> {
        let claim_id = ambient::token();
        let claimed = retry("claim", CLAIM_RETRY_TIMEOUT, &self.draining, || {
            self.control.claim_plugin(task.plugin_id, task.user_id, &claim_id, &task.trace)
        });
        claimed.await.map_err(|error| self.plugin_disposition(error, later))
    }

    /// Releases a check whose message became a dead letter. The claim counts as an attempt, so that the
    /// plugin is rejected after the last one.
    pub(crate) async fn release_check(&self, task: &PluginTask, receives: u32) -> (DeadLetter, Disposition) {
        let later = self.message_delay(receives);
        match self.claim_check(task, later).await {
            Ok(check) => {
                let reason = "workers received the message about it too often".to_owned();
                tracing::error!(
                    plugin = check.name,
                    version = check.version,
                    "the check of a plugin is released"
                );
                let outcome = (CheckOutcome::Released, Some(reason), None);
                (DeadLetter::Released, self.report_check(&check, &task.trace, outcome, later).await)
            }
            Err(gone @ Disposition::Delete) => (DeadLetter::Gone, gone),
            Err(disposition) => (DeadLetter::Deferred, disposition),
        }
    }

    /// Checks an uploaded plugin, and reports the result.
    pub(crate) async fn check_plugin(&self, task: &PluginTask, receives: u32, permit: Permit) -> Disposition {
        let later = self.message_delay(receives);
        let check = match self.claim_check(task, later).await {
            Ok(check) => check,
            Err(disposition) => return disposition,
        };
        let upload =
            Upload { object_key: &check.object_key, sha256: check.sha256, size_bytes: check.size_bytes };
        // It ends with the lease, less the time for the report.
        let lease = Duration::from_secs(check.lease_s.into()).saturating_sub(REPORT_RETRY_TIMEOUT);
        let ends = self.release.child_token();
        let _timer = AbortOnDropHandle::new(tokio::spawn({
            let ends = ends.clone();
            async move {
                tokio::time::sleep(lease).await;
                ends.cancel();
            }
        }));
        let checked = self.compiled(&check.name, Code::Upload(upload), &ends).await;
        drop(permit);
        let (outcome, reason, config_schema) = match checked {
            Ok(compiled) => {
                let schema = compiled.checked.config_schema.as_ref();
                (CheckOutcome::Ready, None, schema.and_then(|schema| schema.as_object().cloned()))
            }
            Err(PluginError::Rejected(Rejected(words))) => (CheckOutcome::Rejected, Some(words), None),
            Err(PluginError::Later(words)) => (CheckOutcome::Released, Some(words), None),
        };
        tracing::info!(
            plugin = check.name,
            version = check.version,
            ?outcome,
            reason,
            "a plugin was checked"
        );
        self.report_check(&check, &task.trace, (outcome, reason, config_schema), later).await
    }

    async fn report_check(
        &self,
        check: &PluginCheck,
        trace: &Trace,
        (outcome, reason, config_schema): (
            CheckOutcome,
            Option<String>,
            Option<serde_json::Map<String, serde_json::Value>>,
        ),
        later: Duration,
    ) -> Disposition {
        let report = PluginReport {
            user_id: check.user_id,
            attempt: check.attempt,
            worker_id: self.control.worker_id(),
            outcome,
            reason: reason.map(|words| words.chars().take(MAX_REASON).collect()),
            config_schema,
        };
        let reported = retry("plugin report", REPORT_RETRY_TIMEOUT, &self.release, || {
            self.control.report_plugin(check.plugin_id, &report, trace)
        });
        match reported.await {
            // Released: control sends a new message.
            Ok(_) => Disposition::Delete,
            Err(error) => self.plugin_disposition(error, later),
        }
    }

    fn plugin_disposition(&self, error: ReportError, later: Duration) -> Disposition {
        match error {
            ReportError::LeaseHeld { retry_after } => {
                let delay = retry_after.unwrap_or(Duration::from_secs(30)).max(Duration::from_secs(1));
                Disposition::Defer(delay, DeferReason::LeaseHeld)
            }
            ReportError::NotReady { retry_after } => {
                Disposition::Defer(retry_after.unwrap_or(later), DeferReason::NotReady)
            }
            // It is deleted, or checked already.
            ReportError::JobFinished | ReportError::NotFound | ReportError::StaleAttempt => {
                Disposition::Delete
            }
            ReportError::Unauthorised => Disposition::Defer(Duration::from_secs(30), DeferReason::Credential),
            ReportError::Unavailable { .. } if self.draining.is_cancelled() => {
                Disposition::Defer(Duration::ZERO, DeferReason::Shutdown)
            }
            error @ (ReportError::Unavailable { .. } | ReportError::Refused { .. }) => {
                tracing::error!(%error, "the check of a plugin could not be claimed or reported");
                self.readiness.record(Dependency::Control, Err(error.to_string()));
                Disposition::Defer(later, DeferReason::Control)
            }
        }
    }
}
