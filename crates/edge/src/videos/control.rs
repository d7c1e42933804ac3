//! Component `control`: what workers and other components call, and the health of the app.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode;
use framelift_contract::report::{
    ClaimRequest, CompleteReport, FailReport, NotificationRequest, NotifiedReport, ProgressReport,
};
use framelift_domain::{CorrelationId, Failure as VideoFailure, UserId};
use futures::{StreamExt as _, stream};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;

use super::{Videos, event};
use crate::http::{BodyError, Failure, Incoming, Level, Route, Router, RouterOnce, answer, empty, json, log};
use crate::jobs::{Cleanup, JobError, view};
use crate::ports::{Ambient, Http, Kv, Queue};

/// How often the end of an account looks for objects to remove, 50 videos each time.
const CLOSE_PASSES: usize = 4;
/// Videos whose objects are removed at the same time.
const REMOVED_AT_ONCE: usize = 8;

/// The calls of this component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A worker takes a job.
    Claim,
    /// A worker is at it.
    Progress,
    /// A worker is done.
    Complete,
    /// A worker failed, or gives the job back.
    Fail,
    /// The notices are out.
    Notified,
    /// The notice that is to be sent.
    Notice,
    /// Heals what was left undone.
    Sweep,
    /// An account is deleted.
    Close,
    /// Queues a notice.
    Notification,
    /// Whether the app answers.
    Health,
    /// Whether all that it needs answers.
    Ready,
}

/// Where the calls are.
pub const ROUTES: &[Route<Call>] = &[
    Route::new(Method::POST, "/internal/jobs/{id}/claim", Call::Claim),
    Route::new(Method::POST, "/internal/jobs/{id}/progress", Call::Progress),
    Route::new(Method::POST, "/internal/jobs/{id}/complete", Call::Complete),
    Route::new(Method::POST, "/internal/jobs/{id}/fail", Call::Fail),
    Route::new(Method::POST, "/internal/jobs/{id}/notified", Call::Notified),
    Route::new(Method::GET, "/internal/jobs/{id}/notice", Call::Notice),
    Route::new(Method::POST, "/internal/sweep", Call::Sweep),
    Route::new(Method::POST, "/internal/users/{id}/close", Call::Close),
    Route::new(Method::POST, "/notification", Call::Notification),
    Route::new(Method::GET, "/health", Call::Health),
    Route::new(Method::GET, "/health/ready", Call::Ready),
];

/// The table, read once in the life of an instance.
static ROUTER: RouterOnce<Call> = RouterOnce::new(|| Router::new(ROUTES));

/// Answers one request. `service` is an error when the store or the configuration is not
/// there; the health of the app needs neither.
pub async fn serve<K: Kv, Q: Queue, H: Http, A: Ambient>(
    service: Result<Videos<'_, K, Q, H, A>, Failure>,
    ambient: &A,
    parts: Parts,
    body: Result<Bytes, BodyError>,
) -> Response<Bytes> {
    let handler = async |call, incoming: &Incoming| match call {
        Call::Health => json(StatusCode::OK, &json!({ "status": "ok" })),
        Call::Ready => service?.ready().await,
        _ => {
            let service = service?;
            service.worker(incoming)?;
            service.call(call, incoming).await
        }
    };
    answer(&ROUTER, ambient, parts, body, handler).await
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Videos<'_, K, Q, H, A> {
    async fn call(&self, call: Call, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        match call {
            Call::Claim => self.claim(incoming).await,
            Call::Progress => self.progress(incoming).await,
            Call::Complete => self.complete_job(incoming).await,
            Call::Fail => self.fail(incoming).await,
            Call::Notified => self.notified(incoming).await,
            Call::Notice => self.notice(incoming).await,
            Call::Sweep => self.sweep(incoming).await,
            Call::Close => self.close(incoming).await,
            Call::Notification => self.notification(incoming).await,
            Call::Health | Call::Ready => self.ready().await,
        }
    }

    async fn claim(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let id = incoming.video_id()?;
        let request: ClaimRequest = incoming.json()?;
        if request.claim_id.as_ref().is_some_and(|claim| !(1..=64).contains(&claim.len())) {
            return Err(Failure::field("/claim_id", "must have 1 to 64 characters"));
        }
        let video = self.jobs().claim(id, request.worker_id, request.claim_id).await?;
        let job = view::job(&video, &self.config.limits)
            .ok_or_else(|| Failure::internal("a claimed video is not being processed"))?;
        event("ProcessingStarted", &video);
        json(StatusCode::OK, &job)
    }

    async fn progress(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let id = incoming.video_id()?;
        let report: ProgressReport = incoming.json()?;
        let progress = view::progress_in(&report.progress)
            .ok_or_else(|| Failure::field("/progress", "has an unknown stage or a percentage above 100"))?;
        let video = self.jobs().progress(id, report.attempt, report.worker_id, progress).await?;
        json(StatusCode::OK, &view::report(&video))
    }

    async fn complete_job(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let id = incoming.video_id()?;
        let report: CompleteReport = incoming.json()?;
        let result = view::extraction_in(&report)
            .ok_or_else(|| Failure::field("/sha256", "must be a SHA-256 in 64 lower-case hex digits"))?;
        let reported = self.jobs().complete(id, report.attempt, report.worker_id, result).await?;
        for name in ["FramesExtracted", "ZipGenerated", "ProcessingCompleted"] {
            event(name, &reported.video);
        }
        self.try_remove(reported.cleanup.as_ref(), &reported.video.correlation_id).await;
        json(StatusCode::OK, &view::report(&reported.video))
    }

    async fn fail(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let id = incoming.video_id()?;
        let report: FailReport = incoming.json()?;
        let failure = VideoFailure::new(report.code, report.message);
        let (attempt, worker) = (report.attempt, report.worker_id);
        let reported = if report.release {
            self.jobs().release(id, attempt, worker, failure).await?
        } else {
            self.jobs().fail(id, attempt, worker, failure).await?
        };
        if reported.video.state.failure().is_some() {
            event("ProcessingFailed", &reported.video);
        }
        self.try_remove(reported.cleanup.as_ref(), &reported.video.correlation_id).await;
        json(StatusCode::OK, &view::report(&reported.video))
    }

    async fn notified(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let id = incoming.video_id()?;
        let _: NotifiedReport = incoming.json()?;
        json(StatusCode::OK, &view::report(&self.jobs().notified(id).await?))
    }

    async fn notice(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        match self.jobs().notice(incoming.video_id()?).await? {
            Some(notice) => json(StatusCode::OK, &notice),
            None => Err(Failure::new(ProblemCode::JobFinished, "there is no notice to send")),
        }
    }

    async fn sweep(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let swept = self.jobs().sweep().await?;
        let correlation_id = incoming.correlation_id();
        for (user, error) in &swept.troubles {
            let fields = [("user.id", json!(user)), ("cause", json!(error.to_string()))];
            log(Level::Warn, "a user could not be looked after", Some(correlation_id), &fields);
        }
        for cleanup in &swept.cleanups {
            self.remove_for_good(cleanup, correlation_id).await;
        }
        json(StatusCode::OK, &swept.answer)
    }

    /// Removes what a cleanup names, and notes where that is the end of a video's objects.
    async fn remove_for_good(&self, cleanup: &Cleanup, correlation_id: &CorrelationId) {
        if !cleanup.purge {
            return self.try_remove(Some(cleanup), correlation_id).await;
        }
        let outcome = match self.remove(cleanup).await {
            Ok(()) => self.jobs().purged(cleanup).await,
            Err(error) => Err(JobError::from(error)),
        };
        if let Err(error) = outcome {
            let fields = [("video.id", json!(cleanup.video)), ("cause", json!(error.to_string()))];
            log(Level::Warn, "objects are left for a later sweep", Some(correlation_id), &fields);
        }
    }

    /// Ends an account's videos. Their objects go in this call, up to [`CLOSE_PASSES`] times 50 videos, so
    /// that URLs which were handed out lead nowhere; the sweep removes what is left.
    async fn close(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let not_a_user = |_| Failure::new(ProblemCode::NotFound, "there is no user with this id");
        let user: UserId = incoming.param("id").parse().map_err(not_a_user)?;
        for cleanup in self.jobs().close_user(user).await? {
            self.try_remove(Some(&cleanup), incoming.correlation_id()).await;
        }
        for _ in 0..CLOSE_PASSES {
            let cleanups = self.jobs().close_results(user).await?;
            if cleanups.is_empty() {
                break;
            }
            stream::iter(&cleanups)
                .for_each_concurrent(REMOVED_AT_ONCE, |cleanup| {
                    self.remove_for_good(cleanup, incoming.correlation_id())
                })
                .await;
        }
        Ok(empty(StatusCode::NO_CONTENT))
    }

    async fn notification(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let request: NotificationRequest = incoming.json()?;
        self.jobs().queue_notice(request.user_id, request.video_id, request.kind).await?;
        json(StatusCode::ACCEPTED, &json!({ "status": "queued" }))
    }

    async fn ready(&self) -> Result<Response<Bytes>, Failure> {
        // A key that nobody writes: what counts is that there is an answer.
        self.kv.get("ready").await?;
        self.queue.ready().await?;
        self.objects().ready().await?;
        json(StatusCode::OK, &json!({ "status": "ready" }))
    }
}
