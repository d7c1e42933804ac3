//! `GET /videos/{id}/frames/{n}`: one frame by its number.

use framelift_contract::frame_index::Row;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::Format;
use http::{HeaderValue, Response, StatusCode};

use super::index::{IndexedResult, no_such_frame};
use super::part::Part;
use super::{PRIVATE, RESULT};
use crate::http::{Body, Failure, Incoming, Route};
use crate::openapi::{Auth, OWN_VIDEO, Operation, Payload, binary, raw, text};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::{Service, file};

pub(super) const ROUTE: Route = Route::get("/videos/{id}/frames/{n}");

/// The headers of an answer with a part of an archive.
const PART: &[&str] = &["ETag", "Accept-Ranges", "Content-Disposition"];

pub(super) fn operation() -> Operation {
    let operation = Operation::new(ROUTE, "getFrame", "videos", Auth::User, "Get one frame")
        .path("n", "The frame's number, from 1.");
    of_frames(operation).or(OWN_VIDEO).or(RESULT)
}

/// Adds the parts of the documentation that all calls for a frame share.
pub(super) fn of_frames(operation: Operation) -> Operation {
    of_parts(operation, "image/*", "The image.").or(&[Code::FrameNotFound])
}

/// Adds the parts of the documentation that all calls for a part of an archive share.
pub(super) fn of_parts(operation: Operation, media_type: &'static str, about: &'static str) -> Operation {
    let ranged = [PART, &["Content-Range"]].concat();
    operation
        .conditional()
        .header("Range", "Which of the bytes; one range.", text())
        .header("If-Range", "The `ETag` of the answer that the range belongs to.", text())
        .answers_with(StatusCode::OK, about, raw(media_type, binary()), PART)
        .answers_with(StatusCode::PARTIAL_CONTENT, "The range.", raw(media_type, binary()), &ranged)
        .answers_with(StatusCode::NOT_MODIFIED, "Not modified.", Payload::Empty, &["ETag"])
        .or(&[Code::RangeNotSatisfiable])
}

/// An image of a result, as it is answered.
pub(super) fn image(result: &IndexedResult, number: u64, row: Row, cache: HeaderValue) -> Part {
    let format = result.video.options.format;
    Part {
        archive: result.archive.clone(),
        extent: row.image,
        media_type: media_type(format),
        name: file::frame_name(&result.video.file_name, number, format.extension()),
        cache,
        location: None,
    }
}

const fn media_type(format: Format) -> &'static str {
    match format {
        Format::Jpeg => "image/jpeg",
        Format::Png => "image/png",
        Format::Webp => "image/webp",
        Format::Avif => "image/avif",
    }
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn frame(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let result = self.own_result(incoming).await?;
        let number = incoming.param("n").parse();
        let number = number.map_err(|_| no_such_frame("frames are numbered from 1"))?;
        let row = self.row(&result, number).await?;
        self.part(incoming, image(&result, number, row, PRIVATE)).await
    }
}
