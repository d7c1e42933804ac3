//! Component `uploads`: the parts of an upload, handing a video over, and the upload in one go.

mod form;
mod once;
mod streamed;

use bytes::Bytes;
use framelift_contract::problem::ProblemCode;
use framelift_contract::video::{UploadPart, UploadPartsResponse, UploadedPart};
use framelift_domain::video::{Multipart, State};
use framelift_domain::{Time, Video};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::plan::{PARTS_PER_ANSWER, part_bytes};
use super::records::request_of;
use super::{Videos, event, upload_key};
use crate::http::{
    Failure, Incoming, MAX_JSON_BYTES, Route, Router, RouterOnce, answer, collect, finish, json,
};
use crate::jobs::{JobError, view};
use crate::object_store::{Completion, StoredPart};
use crate::ports::{Ambient, Http, Kv, Queue};

/// The calls of this component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The file itself.
    Upload,
    /// Hands the video over.
    Complete,
    /// Fresh URLs for parts.
    Parts,
}

/// Where the calls are.
pub const ROUTES: &[Route<Call>] = &[
    Route::new(Method::POST, "/videos/upload", Call::Upload),
    Route::new(Method::POST, "/videos/{id}/complete", Call::Complete),
    Route::new(Method::GET, "/videos/{id}/upload-parts", Call::Parts),
];

/// The table, read once in the life of an instance.
static ROUTER: RouterOnce<Call> = RouterOnce::new(|| Router::new(ROUTES));

/// Answers one request, whose body may be a file. `service` is an error when the store or the
/// configuration is not there.
pub async fn serve<K: Kv, Q: Queue, H: Http, A: Ambient, B>(
    service: Result<Videos<'_, K, Q, H, A>, Failure>,
    ambient: &A,
    parts: Parts,
    body: B,
) -> Response<Bytes>
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    if let Ok(router) = &*ROUTER
        && let Ok((Call::Upload, _)) = router.find(&parts.method, parts.uri.path())
    {
        let incoming = Incoming::new(parts, ambient);
        let result = match service {
            Ok(service) => service.upload(&incoming, body).await,
            Err(failure) => Err(failure),
        };
        return finish(result, &incoming);
    }
    let body = collect(&parts.headers, body, MAX_JSON_BYTES).await;
    let handler = async |call, incoming: &Incoming| match call {
        Call::Complete => service?.complete(incoming).await,
        Call::Parts => service?.upload_parts(incoming).await,
        Call::Upload => Err(Failure::internal("an upload was not read as a stream")),
    };
    answer(&ROUTER, ambient, parts, body, handler).await
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Videos<'_, K, Q, H, A> {
    async fn complete(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let id = incoming.video_id()?;
        let video = self.jobs().find(user, id).await?.video;
        if let Some(request) = request_of(incoming, &[])? {
            self.jobs().remember(user, id, &request).await?;
        }
        if let State::AwaitingUpload { multipart, .. } = &video.state {
            if let Some(multipart) = multipart {
                self.assemble(&video, multipart).await?;
            }
            self.verify(&video).await?;
        }
        self.hand_over(&video).await
    }

    /// The upload is there and as it should be: the video gets in line.
    async fn hand_over(&self, video: &Video) -> Result<Response<Bytes>, Failure> {
        let after = self.jobs().uploaded(video.owner, video.id).await?;
        if matches!(video.state, State::AwaitingUpload { .. }) {
            event("VideoUploaded", &after);
        }
        json(StatusCode::ACCEPTED, &view::handed_over(&after))
    }

    /// Puts the parts of a multipart upload together; 409 while some are missing.
    async fn assemble(&self, video: &Video, multipart: &Multipart) -> Result<(), Failure> {
        let (objects, key) = (self.objects(), upload_key(video));
        let Some(parts) = objects.list_parts(&key, &multipart.upload_id).await? else {
            // Put together before, or gone: what lies there decides.
            return Ok(());
        };
        let missing = missing_parts(multipart, video.size_bytes, &parts);
        if let Some(missing) = missing {
            return Err(incomplete(missing));
        }
        match objects.complete_multipart(&key, &multipart.upload_id, &parts).await? {
            Completion::Done | Completion::NoSuchUpload => Ok(()),
            Completion::Refused(code) => Err(incomplete(format!("the store refused the parts: {code}"))),
        }
    }

    /// Passes if the object is there and as large as declared; one of another size is deleted.
    async fn verify(&self, video: &Video) -> Result<(), Failure> {
        let (objects, key) = (self.objects(), upload_key(video));
        let Some(head) = objects.head(&key).await? else {
            return Err(incomplete("nothing was uploaded"));
        };
        if head.size == video.size_bytes {
            return Ok(());
        }
        objects.delete(&key).await?;
        let (found, declared) = (head.size, video.size_bytes);
        Err(incomplete(format!(
            "the upload has {found} bytes instead of the declared {declared} and was deleted"
        )))
    }

    async fn upload_parts(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let video = self.jobs().find(user, incoming.video_id()?).await?.video;
        let State::AwaitingUpload { multipart, .. } = &video.state else {
            let detail = "the upload is over";
            return Err(Failure::new(ProblemCode::ProcessingAlreadyFinished, detail));
        };
        let Some(multipart) = multipart else {
            return Err(Failure::new(ProblemCode::NotFound, "this video is not uploaded in parts"));
        };
        let query = incoming.query(&["from", "to"])?;
        let count = multipart.part_count;
        let from = query.bounded("from", 1, count, 1)?;
        let most = count.min(from.saturating_add(PARTS_PER_ANSWER - 1));
        let to = query.bounded("to", from, most, most)?;
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

    /// Fresh URLs for parts, and when they end.
    pub(super) fn part_urls(
        &self,
        video: &Video,
        multipart: &Multipart,
        from: u32,
        to: u32,
    ) -> (Vec<UploadPart>, Time) {
        let (objects, key, ttl_s) = (self.objects(), upload_key(video), self.config.limits.url_ttl_s);
        let mut expires_at = self.ambient.now().plus_s(ttl_s);
        let parts = (from..=to).map(|number| {
            let size = part_bytes(multipart, number, video.size_bytes);
            let part = objects.presign_part(&key, &multipart.upload_id, number, size, ttl_s);
            expires_at = expires_at.min(part.expires_at);
            UploadPart { number, url: part.url, size }
        });
        let parts = parts.collect();
        (parts, expires_at)
    }
}

fn incomplete(detail: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(ProblemCode::UploadIncomplete, detail)
}

/// Which parts have not arrived, or not whole; none if all have.
fn missing_parts(multipart: &Multipart, size_bytes: u64, arrived: &[StoredPart]) -> Option<String> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut arrived = arrived.iter().peekable();
    for number in 1..=multipart.part_count {
        while arrived.next_if(|part| part.number < number).is_some() {}
        let size = arrived.peek().filter(|part| part.number == number).map(|part| part.size);
        if size == Some(part_bytes(multipart, number, size_bytes)) {
            continue;
        }
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    if ranges.is_empty() {
        return None;
    }
    let shown = ranges
        .iter()
        .take(10)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first} to {last}") });
    let more = if ranges.len() > 10 { " and more" } else { "" };
    let shown: Vec<String> = shown.collect();
    Some(format!("these parts have not arrived whole: {}{more}", shown.join(", ")))
}

/// What is the same for a video that a request made before: it is further by now.
fn is_past_upload(video: &Video) -> Result<bool, JobError> {
    match video.state {
        State::AwaitingUpload { .. } => Ok(false),
        State::Canceled { .. } | State::Expired { .. } | State::Deleted { .. } => {
            Err(JobError::AlreadyFinished)
        }
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_are_named_in_ranges() {
        let multipart = Multipart { upload_id: "u".into(), part_size: 10, part_count: 7 };
        let part = |number, size| StoredPart { number, size, etag: "e".into() };
        let all: Vec<StoredPart> = (1..=7).map(|n| part(n, if n == 7 { 5 } else { 10 })).collect();
        assert_eq!(missing_parts(&multipart, 65, &all), None);
        let some = [part(2, 10), part(4, 9), part(6, 10)];
        assert_eq!(
            missing_parts(&multipart, 65, &some).as_deref(),
            Some("these parts have not arrived whole: 1, 3 to 5, 7")
        );
    }
}
