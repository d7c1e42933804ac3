//! `GET /videos/{id}/frames/at/{time}`: the frame that is on screen at a time.

use framelift_contract::frame_index::nanoseconds;
use framelift_domain::Rational;
use framelift_domain::options::parse_duration;
use http::Response;

use super::frame::{image, of_frames};
use super::index::no_such_frame;
use super::part::Part;
use super::{PRIVATE, RESULT};
use crate::http::{Body, Failure, Incoming, Route};
use crate::openapi::{Auth, OWN_VIDEO, Operation};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/videos/{id}/frames/at/{time}");

pub(super) fn operation() -> Operation {
    let summary = "Get the last of the extracted frames that is shown at or before a time";
    let operation = Operation::new(ROUTE, "getFrameAt", "videos", Auth::User, summary)
        .path("time", "Seconds (`12.5`), or with a unit (`12.5s`, `250ms`, `2m`, `1h`).")
        .about("`Content-Location` is the path of the frame by its number.");
    of_frames(operation).or(OWN_VIDEO).or(RESULT)
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn frame_at(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let result = self.own_result(incoming).await?;
        let time_ns = time_ns(incoming.param("time")).ok_or_else(|| {
            no_such_frame("the time must be spelled as seconds (12.5) or with a unit (12.5s, 250ms, 2m, 1h)")
        })?;
        let (number, row) = self.row_at(&result, time_ns).await?;
        let location = Some(format!("/videos/{}/frames/{number}", result.video.id));
        self.part(incoming, Part { location, ..image(&result, number, row, PRIVATE) }).await
    }
}

/// A time in nanoseconds, rounded like the times of frames, so that a frame's own time finds the frame.
fn time_ns(text: &str) -> Option<i64> {
    nanoseconds(Rational::parse_decimal(text).or_else(|| parse_duration(text).ok())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_unit() {
        for text in ["12.5", "12.5s", "12500ms", "12.500"] {
            assert_eq!(time_ns(text), Some(12_500_000_000), "{text}");
        }
        for text in ["", "s", "-1", "1e3", "1:30", "50%", "999999999999"] {
            assert_eq!(time_ns(text), None, "{text}");
        }
    }
}
