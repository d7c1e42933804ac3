//! `GET /videos/{id}/download`: redirects to a presigned URL of a video's archive.

use bytes::Bytes;
use framelift_contract::object_key;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::video::DownloadResponse;
use http::header::{ACCEPT, LOCATION, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::http::{Failure, Incoming, Route, empty, json};
use crate::openapi::{Auth, OWN_VIDEO, Operation, Payload, examples, text, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::{Service, file};

pub(super) const ROUTE: Route = Route::get("/videos/{id}/download");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "downloadResult", "videos", Auth::User, "Download the ZIP archive of the frames")
        .header("Accept", "`application/json` for the URL in a body instead of a redirect.", text())
        .answers(
            StatusCode::OK,
            "The archive's URL, if JSON was requested.",
            typed(&DownloadResponse {
                url: "https://objects.example.com/framelift/results/1.zip?X-Amz-Signature=…".into(),
                expires_at: examples::time().plus_s(3600),
                size_bytes: 9_437_184,
            }),
        )
        .answers_with(StatusCode::FOUND, "`Location` is the archive's URL.", Payload::Empty, &["Location"])
        .or(OWN_VIDEO)
        .or(&[Code::ProcessingNotFinished, Code::ResultExpired])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn download(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let video = self.jobs().find(user, incoming.video_id()?).await?.video;
        let (attempt, result) = self.kept_result(&video)?;
        let key = object_key::result(video.owner, video.id, attempt);
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

/// Whether `Accept` names JSON; `*/*` does not count.
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
