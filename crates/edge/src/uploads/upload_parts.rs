//! `GET /videos/{id}/upload-parts`: fresh URLs for parts of a multipart upload, and the parts that arrived.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::rules::PART;
use framelift_contract::video::{UploadPartsResponse, UploadedPart};
use framelift_domain::video::State;
use http::{Response, StatusCode};

use super::incomplete;
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, OWN_VIDEO, Operation, examples, integer, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::plan::PARTS_PER_ANSWER;
use crate::service::{Service, upload_key};

pub(super) const ROUTE: Route = Route::get("/videos/{id}/upload-parts");

pub(super) fn operation() -> Operation {
    let summary = "Fresh URLs for the parts of a multipart upload";
    Operation::new(ROUTE, "getUploadParts", "videos", Auth::User, summary)
        .query("from", "The first part, from 1.", integer(PART, Some(1)))
        .query("to", "The last part. Of more than 100, the first 100 are answered.", integer(PART, None))
        .answers(
            StatusCode::OK,
            "The URLs, and the parts that have arrived.",
            typed(&UploadPartsResponse {
                part_size: 16_777_216,
                part_count: 5,
                parts: vec![examples::part(2)],
                uploaded: vec![UploadedPart { number: 1, size: 16_777_216, etag: "\"5d41402a\"".into() }],
                expires_at: examples::time().plus_s(3600),
            }),
        )
        .or(OWN_VIDEO)
        .or(&[Code::NotFound, Code::ProcessingAlreadyFinished, Code::UploadIncomplete])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn upload_parts(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let video = self.jobs().find(user, incoming.video_id()?).await?.video;
        let State::AwaitingUpload { multipart, .. } = &video.state else {
            let detail = "the upload is over";
            return Err(Failure::new(Code::ProcessingAlreadyFinished, detail));
        };
        let Some(multipart) = multipart else {
            return Err(Failure::new(Code::NotFound, "this video is not uploaded in parts"));
        };
        let query = incoming.query(&["from", "to"])?;
        let count = multipart.part_count;
        let from = query.bounded("from", PART, 1)?;
        let to = query.bounded("to", PART, count)?.min(count).min(from.saturating_add(PARTS_PER_ANSWER - 1));
        let key = upload_key(&video);
        let Some(arrived) = self.objects().list_parts(&key, &multipart.upload_id).await? else {
            return Err(incomplete("the store does not know the multipart upload any more"));
        };
        let uploaded = arrived.into_iter().map(|part| UploadedPart {
            number: part.number,
            size: part.size,
            etag: part.etag,
        });
        let (parts, expires_at) = self.part_urls(&video, multipart, from, to);
        let body = UploadPartsResponse {
            part_size: multipart.part_size,
            part_count: count,
            parts,
            uploaded: uploaded.collect(),
            expires_at,
        };
        json(StatusCode::OK, &body)
    }
}
