//! Component `downloads`: the way to a video's archive.

use bytes::Bytes;
use framelift_contract::object_key;
use framelift_contract::problem::ProblemCode;
use framelift_contract::video::DownloadResponse;
use framelift_domain::video::State;
use http::header::{ACCEPT, LOCATION, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::{Videos, file};
use crate::http::{BodyError, Failure, Incoming, Route, Router, RouterOnce, answer, empty, json};
use crate::ports::{Ambient, Http, Kv, Queue};

/// The calls of this component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The archive.
    Download,
}

/// Where the calls are.
pub const ROUTES: &[Route<Call>] = &[Route::new(Method::GET, "/videos/{id}/download", Call::Download)];

/// The table, read once in the life of an instance.
static ROUTER: RouterOnce<Call> = RouterOnce::new(|| Router::new(ROUTES));

/// Answers one request. `service` is an error when the store or the configuration is not
/// there.
pub async fn serve<K: Kv, Q: Queue, H: Http, A: Ambient>(
    service: Result<Videos<'_, K, Q, H, A>, Failure>,
    ambient: &A,
    parts: Parts,
    body: Result<Bytes, BodyError>,
) -> Response<Bytes> {
    let handler = async |call, incoming: &Incoming| match call {
        Call::Download => service?.download(incoming).await,
    };
    answer(&ROUTER, ambient, parts, body, handler).await
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Videos<'_, K, Q, H, A> {
    async fn download(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let video = self.jobs().find(user, incoming.video_id()?).await?.video;
        let State::Completed { end, result, .. } = &video.state else {
            let detail = format!("the video is {} and has no result", video.state.name());
            return Err(Failure::new(ProblemCode::ProcessingNotFinished, detail));
        };
        if !video.result_kept(self.ambient.now(), &self.config.limits) {
            let detail = "the result was deleted after its time; run the video again";
            return Err(Failure::new(ProblemCode::ResultExpired, detail));
        }
        let key = object_key::result(video.owner, video.id, end.attempts.made);
        let name = file::archive_name(&video.file_name);
        let get = self.objects().presign_get(&key, &name, self.config.limits.url_ttl_s);
        let mut response = if wants_json(incoming.headers()) {
            let (expires_at, size_bytes) = (get.expires_at, result.size_bytes);
            json(StatusCode::OK, &DownloadResponse { url: get.url, expires_at, size_bytes })?
        } else {
            let mut response = empty(StatusCode::FOUND);
            let location = HeaderValue::try_from(get.url).map_err(Failure::internal)?;
            response.headers_mut().insert(LOCATION, location);
            response
        };
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        Ok(response)
    }
}

/// Whether the client names JSON among what it accepts; `*/*` is not naming it.
fn wants_json(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
        named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_must_be_named() {
        let wants = |value: &'static str| {
            wants_json(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))]))
        };
        for yes in ["application/json", "text/html, Application/JSON;q=0.5"] {
            assert!(wants(yes), "{yes}");
        }
        for no in ["*/*", "text/html", "application/json;q=0", "application/jsonp"] {
            assert!(!wants(no), "{no}");
        }
        assert!(!wants_json(&HeaderMap::new()));
    }
}
