//! What both engines hand to the archive, and what both of them stop at.

use std::sync::mpsc::Receiver;

use framelift_domain::FailureCode;

use super::encode_stage::{Content, NotEncoded};
use super::in_flight::Permit;
use crate::select::{Requests, TooMany};
use crate::timeline::Placed;
use crate::words::count;
use crate::{EngineLimits, ExtractError};

/// Errors in a row after which a container is given up.
pub(super) const MAX_READ_ERRORS: u32 = 16;

/// Where a wanted frame stands in the order in which images are written.
pub(super) struct Place {
    pub(super) requests: Requests,
    pub(super) placed: Placed,
    pub(super) keyframe: bool,
}

/// A wanted frame at its place, as soon as it is there.
pub(super) struct Ordered {
    pub(super) place: Place,
    pub(super) content: Receiver<Result<Content, NotEncoded>>,
    /// None where the length of the queue bounds the images in flight.
    pub(super) permit: Option<Permit>,
}

/// How an extraction ends that wants more images than it may have.
pub(super) fn too_many(_: TooMany, limits: &EngineLimits) -> ExtractError {
    let images = count(limits.max_frames, "image");
    let are = if limits.max_frames == 1 { "is" } else { "are" };
    ExtractError::failed(FailureCode::LimitExceeded, format!("more than {images} {are} asked for"))
}
