//! Component `uploads`: URLs of parts, the end of an upload, and the upload in one request.

mod complete;
mod form;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod once;
mod upload;
mod upload_parts;

use framelift_contract::problem::ProblemCode;
use framelift_domain::Video;
use framelift_domain::video::State;

use crate::http::{Failure, Router, component};
use crate::jobs::JobError;
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

component! {
    Service<'_, K, Q, H, A> where [K: Kv, Q: Queue, H: Http, A: Ambient];
    router: Router::new(ROUTES);
    stream: [upload];
    call: [complete, upload_parts]
}

fn incomplete(detail: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(ProblemCode::UploadIncomplete, detail)
}

/// Whether the video of a repeated request is past its upload; an error if it was canceled or has expired.
fn is_past_upload(video: &Video) -> Result<bool, JobError> {
    match video.state {
        State::AwaitingUpload { .. } => Ok(false),
        State::Canceled { .. } | State::Expired { .. } | State::Deleted { .. } => {
            Err(JobError::AlreadyFinished)
        }
        _ => Ok(true),
    }
}
