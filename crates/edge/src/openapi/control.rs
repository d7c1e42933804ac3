//! The operations of component `control`, and what every deployment has: health and documentation.

use framelift_contract::message::NoticeKind;
use framelift_contract::object_key;
use framelift_contract::options::OptionsBody;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::report::{
    ClaimRequest, CompleteReport, FailReport, Job, Notice, NotificationRequest, NotifiedReport,
    ProgressReport, ReportAnswer, SweepAnswer,
};
use framelift_contract::video::{Progress, Status};
use framelift_domain::{CorrelationId, Failure, FailureCode, Options, WorkerId};
use http::{Method, StatusCode};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::accounts::{example_time, example_user};
use super::operation::{Auth, Operation, Payload, raw, text, typed};
use super::videos::example_video;

fn worker() -> WorkerId {
    id("worker-1")
}

fn correlation() -> CorrelationId {
    id("018bcfe5-6800-7707-8707-070707070707")
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &'static str) -> T {
    match text.parse() {
        Ok(id) => id,
        Err(error) => unreachable!("the example {text} is well-formed: {error:?}"),
    }
}

fn job() -> Job {
    let (user, video) = (example_user(), example_video());
    Job {
        video_id: video,
        user_id: user,
        correlation_id: correlation(),
        file_name: "holiday.mp4".into(),
        size_bytes: 73_400_320,
        options: OptionsBody::spelled_out(&Options::default()),
        source_key: object_key::upload(user, video),
        result_key: object_key::result(user, video, 1),
        result_prefix: object_key::results_of(user, video),
        attempt: 1,
        lease_expires_at: example_time().plus_s(60),
        lease_s: 60,
        deadline: example_time().plus_s(12 * 3600),
    }
}

fn notice() -> Payload {
    typed(&Notice {
        kind: NoticeKind::Failed,
        video_id: example_video(),
        user_id: example_user(),
        correlation_id: correlation(),
        file_name: "holiday.mp4".into(),
        completed_at: example_time(),
        failure: Some(Failure::new(FailureCode::NotAVideo, "no known container could be read")),
    })
}

fn answer(status: Status) -> Payload {
    let lease_expires_at = (status == Status::Processing).then(|| example_time().plus_s(60));
    typed(&ReportAnswer { status, lease_expires_at, notice: None })
}

/// The table.
pub(super) fn operations() -> Vec<Operation> {
    [reports(), upkeep(), service()].concat()
}

fn op(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(method, path, id, "workers", Auth::Worker, summary).or(&[Code::Unavailable])
}

fn reports() -> Vec<Operation> {
    let report = &[Code::VideoNotFound, Code::StaleAttempt, Code::JobFinished, Code::JobNotReady];
    vec![
        op(Method::POST, "/internal/jobs/{id}/claim", "claimJob", "Take a job")
            .json(typed(&ClaimRequest { worker_id: worker(), claim_id: Some("m-1".into()), attempt: None }))
            .answers(StatusCode::OK, "The whole job and a lease on it.", typed(&job()))
            .or(&[Code::VideoNotFound, Code::LeaseHeld, Code::JobFinished, Code::JobNotReady]),
        op(
            Method::POST,
            "/internal/jobs/{id}/progress",
            "reportProgress",
            "Say how far a job is; renews the lease",
        )
        .json(typed(&ProgressReport {
            attempt: 1,
            worker_id: worker(),
            progress: Progress {
                stage: "extracting".into(),
                percent: 40,
                frames_done: 24,
                frames_expected: Some(60),
                bytes_read: 29_360_128,
            },
        }))
        .answers(StatusCode::OK, "The lease is renewed.", answer(Status::Processing))
        .or(report),
        op(Method::POST, "/internal/jobs/{id}/complete", "completeJob", "Publish a result; may be repeated")
            .json(typed(&CompleteReport {
                attempt: 1,
                worker_id: worker(),
                size_bytes: 9_437_184,
                frames: 60,
                sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
                bytes_read: 73_400_320,
                warnings: Vec::new(),
            }))
            .answers(StatusCode::OK, "The video is completed.", answer(Status::Completed))
            .or(report),
        op(
            Method::POST,
            "/internal/jobs/{id}/fail",
            "failJob",
            "Fail a job, or give it back; may be repeated",
        )
        .json(typed(&FailReport {
            attempt: 1,
            worker_id: worker(),
            code: FailureCode::NotAVideo,
            message: "no known container could be read".into(),
            release: false,
        }))
        .answers(StatusCode::OK, "The video failed, or is pending again.", answer(Status::Failed))
        .or(report),
        op(Method::POST, "/internal/jobs/{id}/notified", "reportNotified", "Say that the notices are out")
            .json(typed(&NotifiedReport { attempt: 1, worker_id: worker() }))
            .answers(StatusCode::OK, "Noted.", answer(Status::Failed))
            .or(report),
        op(Method::GET, "/internal/jobs/{id}/notice", "getNotice", "What is to be said about a video")
            .answers(StatusCode::OK, "The notice.", notice())
            .or(&[Code::VideoNotFound, Code::JobFinished, Code::JobNotReady]),
    ]
}

/// An object that says no more than its status.
fn object() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Object)
}

fn upkeep() -> Vec<Operation> {
    vec![
        op(Method::POST, "/internal/sweep", "sweep", "Heal what was left half done")
            .about("Bounded work for each call; however many call, the effect is one.")
            .answers(
                StatusCode::OK,
                "What was done.",
                typed(&SweepAnswer { users: 3, ..SweepAnswer::default() }),
            ),
        op(Method::POST, "/internal/users/{id}/close", "closeUser", "Close a deleted account's videos")
            .answers(StatusCode::NO_CONTENT, "No video of it can be read or made any more.", Payload::Empty)
            .or(&[Code::NotFound]),
        op(Method::POST, "/notification", "sendNotification", "Queue a notice")
            .json(typed(&NotificationRequest {
                user_id: example_user(),
                kind: NoticeKind::Failed,
                video_id: example_video(),
            }))
            .answers(StatusCode::ACCEPTED, "It is queued.", raw("application/json", object()))
            .or(&[Code::VideoNotFound]),
    ]
}

fn service() -> Vec<Operation> {
    let get = |path, id, summary| Operation::new(Method::GET, path, id, "service", Auth::Nobody, summary);
    vec![
        get("/health", "getHealth", "Whether the app answers").answers(
            StatusCode::OK,
            "It does.",
            raw("application/json", object()),
        ),
        get("/health/ready", "getReadiness", "Whether the store, the queue and the object store answer")
            .answers(StatusCode::OK, "They do.", raw("application/json", object()))
            .or(&[Code::Unavailable]),
        get("/openapi.json", "getOpenApi", "This document").answers(
            StatusCode::OK,
            "OpenAPI 3.1.",
            raw("application/json", object()),
        ),
        get("/docs", "getDocs", "A page to read this document and to try its operations").answers(
            StatusCode::OK,
            "HTML.",
            raw("text/html", text()),
        ),
        get("/", "getHome", "The landing page").answers(StatusCode::OK, "HTML.", raw("text/html", text())),
    ]
}
