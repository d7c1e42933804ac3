//! `POST /videos/{id}/complete`: checks that the upload has arrived, and queues the video.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::video::Status;
use framelift_domain::Video;
use framelift_domain::video::{Multipart, State};
use http::{Response, StatusCode};

use super::incomplete;
use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::object_store::{Completion, StoredPart};
use crate::openapi::{Auth, OWN_VIDEO, Operation, examples};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::plan::part_bytes;
use crate::service::request::request_of;
use crate::service::{Service, event, upload_key};

pub(super) const ROUTE: Route = Route::post("/videos/{id}/complete");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "completeUpload", "videos", Auth::User, "Hand an uploaded video over")
        .about("Checks that the object is there and has the declared size. May be repeated.")
        .idempotent()
        .answers(
            StatusCode::ACCEPTED,
            "`pending`, or `queued` behind the caller's other videos.",
            examples::accepted(Status::Pending),
        )
        .or(OWN_VIDEO)
        .or(&[Code::UploadIncomplete, Code::ProcessingAlreadyFinished, Code::PayloadTooLarge])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn complete(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
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

    /// Queues a video whose upload is complete.
    pub(super) async fn hand_over(&self, video: &Video) -> Result<Response<Bytes>, Failure> {
        let after = self.jobs().uploaded(video.owner, video.id).await?;
        if matches!(video.state, State::AwaitingUpload { .. }) {
            event("VideoUploaded", &after);
        }
        json(StatusCode::ACCEPTED, &view::handed_over(&after))
    }

    /// Completes the multipart upload; 409 while parts are missing.
    async fn assemble(&self, video: &Video, multipart: &Multipart) -> Result<(), Failure> {
        let (objects, key) = (self.objects(), upload_key(video));
        let Some(parts) = objects.list_parts(&key, &multipart.upload_id).await? else {
            // It was already completed, or aborted. Whether the object exists decides.
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
    pub(super) async fn verify(&self, video: &Video) -> Result<(), Failure> {
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
}

/// Names the parts that are missing or incomplete; none if all have arrived.
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
