//! What both engines pass to the archive, and the limits that they share.

use std::sync::mpsc::Receiver;

use framelift_domain::FailureCode;

use super::encode_stage::{Content, NotEncoded};
use super::in_flight::Permit;
use crate::select::{Requests, TooMany};
use crate::timeline::Placed;
use crate::words::count;
use crate::{EngineLimits, ExtractError};

/// The number of consecutive read errors after which a container is abandoned.
pub(super) const MAX_READ_ERRORS: u32 = 16;

/// Where a wanted frame stands in the order in which images are written.
pub(super) struct OutputPosition {
    pub(super) requests: Requests,
    pub(super) placed: Placed,
    pub(super) keyframe: bool,
}

/// A wanted frame at its place, and the channel on which its image will come.
pub(super) struct Ordered {
    pub(super) place: OutputPosition,
    pub(super) content: Receiver<Result<Content, NotEncoded>>,
    /// `None` if the length of the queue bounds the images in flight.
    pub(super) permit: Option<Permit>,
}

/// The error of an extraction that selects more images than allowed.
pub(super) fn too_many(_: TooMany, limits: &EngineLimits) -> ExtractError {
    let images = count(limits.max_frames, "image");
    let are = if limits.max_frames == 1 { "is" } else { "are" };
    ExtractError::failed(FailureCode::LimitExceeded, format!("more than {images} {are} asked for"))
}
