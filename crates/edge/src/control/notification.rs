//! `POST /notification`: queues a notice.

use bytes::Bytes;
use framelift_contract::message::NoticeKind;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::report::NotificationRequest;
use http::{Response, StatusCode};
use serde_json::json as value;

use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Operation, examples, object, raw_with_example, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/notification");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "sendNotification", "Queue a notice")
        .about("Of an account (`password_reset`, `email_verification`), `video_id` is the id of the link.")
        .json(typed(&NotificationRequest {
            user_id: examples::user(),
            kind: NoticeKind::Failed,
            video_id: examples::video(),
        }))
        .answers(
            StatusCode::ACCEPTED,
            "The notice is queued.",
            raw_with_example("application/json", object(), value!({ "status": "queued" })),
        )
        .or(&[Code::VideoNotFound, Code::VideoNotOwned, Code::JobNotReady])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn notification(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let request: NotificationRequest = incoming.json()?;
        let (user, id) = (request.user_id, request.video_id);
        if request.kind.is_of_account() {
            self.jobs().queue_account_mail(user, id.into(), request.kind, incoming.correlation_id()).await?;
        } else {
            self.jobs().queue_notice(user, id, request.kind).await?;
        }
        json(StatusCode::ACCEPTED, &value!({ "status": "queued" }))
    }
}
