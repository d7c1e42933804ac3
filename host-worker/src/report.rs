//! The client of component `control`: claims, reports, notices, the sweep.

mod error;

use std::sync::Arc;
use std::time::Duration;

use framelift_contract::account::{AccountMail, AccountMailRequest, Contact};
use framelift_contract::message::NoticeKind;
use framelift_contract::plugin::{ClaimPluginRequest, PluginCheck, PluginReport, PluginReportAnswer};
use framelift_contract::report::{
    ClaimRequest, CompleteReport, Ending, FailReport, Job, Notice, NotifiedReport, ProgressReport,
    ReportAnswer, SweepAnswer,
};
use framelift_contract::service::Health;
use framelift_contract::video::Progress;
use framelift_contract::webhook::{ClaimedDelivery, DeliveryOutcome, DeliveryReport, WebhookGone};
use framelift_domain::{
    Checksum, CorrelationId, EventId, FailureCode, PluginId, TraceParent, UserId, VideoId, WorkerId,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Instrument as _, Span};
use url::Url;

use crate::health::Readiness;

pub(crate) use error::ReportError;

/// Control's answers are never longer than this.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The correlation id and trace of a request.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// The request's id.
    pub correlation_id: CorrelationId,
    /// The trace that the request belongs to.
    pub parent: TraceParent,
}

/// Calls control with the worker credential.
#[derive(Clone, Debug)]
pub(crate) struct ControlClient {
    http: reqwest::Client,
    base: Url,
    worker_id: WorkerId,
    readiness: Arc<Readiness>,
}

/// A request to control, and its span.
struct Call {
    request: RequestBuilder,
    span: Span,
}

impl Call {
    fn json(self, body: &impl Serialize) -> Self {
        Self { request: self.request.json(body), ..self }
    }
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the control client: {0}")]
pub struct ClientError(String);

impl ControlClient {
    /// A client of the control at `base`.
    pub(crate) fn new(
        base: &Url,
        token: &SecretString,
        timeout: Duration,
        worker_id: WorkerId,
        readiness: Arc<Readiness>,
    ) -> Result<Self, ClientError> {
        let mut credential = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| ClientError("the token is no header value".into()))?;
        credential.set_sensitive(true);
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, credential)]))
            .user_agent(framelift_contract::ENGINE)
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(5)))
            // The credential goes nowhere but to the configured address.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| ClientError(error.to_string()))?;
        let mut base = base.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { http, base, worker_id, readiness })
    }

    fn request(&self, method: Method, path: &str, trace: Option<&Trace>) -> Result<Call, ReportError> {
        let url = self.base.join(path).map_err(|error| ReportError::Refused {
            status: 0,
            code: None,
            detail: error.to_string(),
        })?;
        let Some(trace) = trace else {
            return Ok(Call { request: self.http.request(method, url), span: Span::none() });
        };
        let span = tracing::info_span!(
            "control",
            otel.kind = "client",
            // Without ids: a span's name is the same for all videos.
            otel.name = format!("control {}", path.rsplit('/').next().unwrap_or_default()),
            http.request.method = method.as_str(),
            http.response.status_code = tracing::field::Empty,
        );
        let parent = framelift_telemetry::traceparent(&span).unwrap_or_else(|| trace.parent.to_string());
        let request = self.http.request(method, url);
        let request = request.header("x-correlation-id", trace.correlation_id.as_str());
        Ok(Call { request: request.header("traceparent", parent), span })
    }

    async fn answer<T: DeserializeOwned>(&self, call: Call) -> Result<T, ReportError> {
        let span = call.span.clone();
        self.receive(call).instrument(span).await
    }

    async fn receive<T: DeserializeOwned>(&self, call: Call) -> Result<T, ReportError> {
        let mut response = call.request.send().await.map_err(ReportError::transport)?;
        let status = response.status().as_u16();
        call.span.record("http.response.status_code", status);
        let retry_after = error::retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(ReportError::transport)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(ReportError::Unavailable {
                    detail: "an endless answer".into(),
                    retry_after: None,
                });
            }
            body.extend_from_slice(&chunk);
        }
        if (200..300).contains(&status) {
            // An empty body says that it is done.
            let body = if body.is_empty() { b"null" } else { body.as_slice() };
            return serde_json::from_slice(body).map_err(|error| ReportError::Unavailable {
                detail: format!("an answer that is not understood: {error}"),
                retry_after: None,
            });
        }
        let error = ReportError::of(status, &body, retry_after);
        if matches!(error, ReportError::Unauthorised) {
            self.readiness.set_unauthorised(true);
        }
        Err(error)
    }

    async fn report<B: Serialize, T: DeserializeOwned>(
        &self,
        video: VideoId,
        call: &str,
        trace: &Trace,
        body: &B,
    ) -> Result<T, ReportError> {
        let path = format!("internal/jobs/{video}/{call}");
        self.answer(self.request(Method::POST, &path, Some(trace))?.json(body)).await
    }

    /// Claims the job and starts its lease. `claim_id` is new for each message received, and the same when
    /// the claim is repeated.
    pub(crate) async fn claim(
        &self,
        video: VideoId,
        claim_id: &str,
        trace: &Trace,
    ) -> Result<Job, ReportError> {
        let body = ClaimRequest {
            worker_id: self.worker_id.clone(),
            claim_id: Some(claim_id.to_owned()),
            attempt: None,
        };
        self.report(video, "claim", trace, &body).await
    }

    /// Reports progress and renews the lease.
    pub(crate) async fn progress(
        &self,
        job: &Job,
        trace: &Trace,
        progress: Progress,
        decoded_ms: u64,
    ) -> Result<ReportAnswer, ReportError> {
        let worker_id = self.worker_id.clone();
        let body = ProgressReport { attempt: job.attempt, worker_id, progress, decoded_ms };
        self.report(job.video_id, "progress", trace, &body).await
    }

    /// Publishes the archive. Idempotent for the same attempt.
    pub(crate) async fn complete(
        &self,
        job: &Job,
        trace: &Trace,
        result: Archive,
    ) -> Result<ReportAnswer, ReportError> {
        let body = CompleteReport {
            attempt: job.attempt,
            worker_id: self.worker_id.clone(),
            size_bytes: result.size_bytes,
            frames: result.frames,
            sha256: result.sha256,
            bytes_read: result.bytes_read,
            decoded_ms: result.decoded_ms,
            warnings: result.warnings,
            indexed: result.indexed,
        };
        self.report(job.video_id, "complete", trace, &body).await
    }

    /// Fails or releases the job. Idempotent for the same attempt.
    pub(crate) async fn fail(
        &self,
        job: &Job,
        trace: &Trace,
        code: FailureCode,
        message: &str,
        ending: Ending,
        decoded_ms: u64,
    ) -> Result<ReportAnswer, ReportError> {
        let body = FailReport {
            attempt: job.attempt,
            worker_id: self.worker_id.clone(),
            code,
            message: message.chars().take(1000).collect(),
            ending,
            decoded_ms,
        };
        self.report(job.video_id, "fail", trace, &body).await
    }

    /// Reports that the notice was sent; with `webhook`, that the event is to be delivered to it.
    pub(crate) async fn notified(
        &self,
        video: VideoId,
        attempt: u32,
        webhook: bool,
        trace: &Trace,
    ) -> Result<ReportAnswer, ReportError> {
        let body = NotifiedReport { attempt, worker_id: self.worker_id.clone(), webhook };
        self.report(video, "notified", trace, &body).await
    }

    /// Returns the notice that is still to be sent, if there is one.
    pub(crate) async fn notice(&self, video: VideoId, trace: &Trace) -> Result<Option<Notice>, ReportError> {
        let path = format!("internal/jobs/{video}/notice");
        match self.answer(self.request(Method::GET, &path, Some(trace))?).await {
            Ok(notice) => Ok(Some(notice)),
            Err(ReportError::JobFinished | ReportError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns whom to notify; `None` if the account is gone.
    pub(crate) async fn contact(&self, user: UserId, trace: &Trace) -> Result<Option<Contact>, ReportError> {
        let path = format!("internal/users/{user}/contact");
        match self.answer(self.request(Method::GET, &path, Some(trace))?).await {
            Ok(contact) => Ok(Some(contact)),
            Err(ReportError::NotFound | ReportError::JobFinished) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns what is to be mailed to the owner of an account; `None` if nothing is due or the account is
    /// gone.
    pub(crate) async fn account_mail(
        &self,
        user: UserId,
        kind: NoticeKind,
        link_id: EventId,
        trace: &Trace,
    ) -> Result<Option<AccountMail>, ReportError> {
        let path = format!("internal/users/{user}/mail");
        let body = AccountMailRequest { kind, link_id };
        match self.answer(self.request(Method::POST, &path, Some(trace))?.json(&body)).await {
            Ok(mail) => Ok(Some(mail)),
            Err(ReportError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Claims the check of a plugin and starts its lease. `claim_id` is new for each message received.
    pub(crate) async fn claim_plugin(
        &self,
        plugin: PluginId,
        user_id: UserId,
        claim_id: &str,
        trace: &Trace,
    ) -> Result<PluginCheck, ReportError> {
        let body =
            ClaimPluginRequest { user_id, worker_id: self.worker_id.clone(), claim_id: claim_id.to_owned() };
        let path = format!("internal/plugins/{plugin}/claim");
        self.answer(self.request(Method::POST, &path, Some(trace))?.json(&body)).await
    }

    /// Reports the result of the check of a plugin. Idempotent for the same attempt.
    pub(crate) async fn report_plugin(
        &self,
        plugin: PluginId,
        report: &PluginReport,
        trace: &Trace,
    ) -> Result<PluginReportAnswer, ReportError> {
        let path = format!("internal/plugins/{plugin}/report");
        self.answer(self.request(Method::POST, &path, Some(trace))?.json(report)).await
    }

    /// This worker's name in reports.
    pub(crate) fn worker_id(&self) -> WorkerId {
        self.worker_id.clone()
    }

    /// Claims an event to be sent to its webhook; `None` if there is nothing to send now.
    pub(crate) async fn claim_delivery(
        &self,
        event: EventId,
        trace: &Trace,
    ) -> Result<Option<ClaimedDelivery>, ReportError> {
        let path = format!("internal/deliveries/{event}/claim");
        match self.answer(self.request(Method::POST, &path, Some(trace))?).await {
            Ok(delivery) => Ok(Some(delivery)),
            Err(ReportError::NotFound | ReportError::JobFinished) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reports the outcome of sending an event. Idempotent for the same attempt.
    pub(crate) async fn report_delivery(
        &self,
        delivery: &ClaimedDelivery,
        outcome: DeliveryOutcome,
        status: Option<u16>,
        error: Option<String>,
        trace: &Trace,
    ) -> Result<(), ReportError> {
        let path = format!("internal/deliveries/{}/report", delivery.id);
        let worker_id = self.worker_id.clone();
        let body = DeliveryReport { attempt: delivery.attempt, worker_id, outcome, status, error };
        let request = self.request(Method::POST, &path, Some(trace))?.json(&body);
        self.answer::<serde::de::IgnoredAny>(request).await.map(|_| ())
    }

    /// Turns off a webhook whose receiver is gone. Idempotent.
    pub(crate) async fn webhook_gone(
        &self,
        user: UserId,
        url: &Url,
        trace: &Trace,
    ) -> Result<(), ReportError> {
        let path = format!("internal/users/{user}/webhook-gone");
        let request = self.request(Method::POST, &path, Some(trace))?.json(&WebhookGone { url: url.clone() });
        match self.answer::<serde::de::IgnoredAny>(request).await {
            Ok(_) | Err(ReportError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Runs the edge's sweep, which repairs what crashes left. It also shows whether the credential is valid.
    pub(crate) async fn sweep(&self) -> Result<SweepAnswer, ReportError> {
        let request = self.request(Method::POST, "internal/sweep", None)?.json(&serde_json::json!({}));
        let answer = self.answer(request).await?;
        self.readiness.set_unauthorised(false);
        Ok(answer)
    }

    /// Whether the edge answers, and knows the calls of a worker of this version.
    pub(crate) async fn health(&self) -> Result<(), ReportError> {
        let health: Health = self.answer(self.request(Method::GET, "health", None)?).await?;
        match health.mismatch(env!("CARGO_PKG_VERSION")) {
            None => Ok(()),
            Some(detail) => Err(ReportError::Unavailable { detail, retry_after: None }),
        }
    }
}

/// What `complete` says about the archive.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    /// Its bytes.
    pub size_bytes: u64,
    /// Frames in it.
    pub frames: u64,
    /// Its SHA-256.
    pub sha256: Checksum,
    /// Bytes read of the upload.
    pub bytes_read: u64,
    /// Milliseconds of video that were decoded.
    pub decoded_ms: u64,
    /// Warnings for the owner.
    pub warnings: Vec<String>,
    /// Whether the index of its frames is stored.
    pub indexed: bool,
}

/// The kind's name, in logs and message ids.
pub(crate) const fn kind_name(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Failed => "failed",
        NoticeKind::Completed => "completed",
        NoticeKind::Expired => "expired",
        NoticeKind::Webhook => "webhook",
        NoticeKind::PasswordReset => "password-reset",
        NoticeKind::EmailVerification => "email-verification",
    }
}
