//! `GET /configured`: whether a component's variables are valid. `control` calls it on the other components, so that an
//! app with an invalid variable is not ready.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};

use super::{AnswerBody, CORRELATION_HEADER, Failure, Incoming, empty, finish};
use crate::ports::{Ambient, Http, Unavailable};

const PATH: &str = "/configured";
/// The suffix of host names in calls between components.
const INTERNAL: &str = ".spin.internal";

/// Whether a request is this call. It is not a route of the app, so only components can make it.
pub(crate) fn is_request(parts: &Parts) -> bool {
    parts.uri.path() == PATH && parts.uri.host().is_some_and(|host| host.ends_with(INTERNAL))
}

/// Answers 204, or with the failure to read the variables, whose cause is in the log.
pub(crate) fn answer<T: AnswerBody>(
    failure: Option<Failure>,
    ambient: &impl Ambient,
    parts: Parts,
) -> Response<T> {
    let answer = match failure {
        None => Ok(empty(StatusCode::NO_CONTENT).map(T::from)),
        Some(failure) => Err(failure),
    };
    finish(answer, &Incoming::new(parts, ambient))
}

/// Calls it on a component, with the caller's correlation id.
pub(crate) async fn check(http: &impl Http, component: &str, incoming: &Incoming) -> Result<(), Unavailable> {
    let unavailable = |detail: String| Unavailable { what: "component", detail };
    let request = Request::get(format!("http://{component}{INTERNAL}{PATH}"))
        .header(CORRELATION_HEADER, incoming.correlation_id().as_str())
        .body(Bytes::new())
        .map_err(|error| unavailable(error.to_string()))?;
    let answer = http.send(request).await.map_err(|error| unavailable(format!("{component}: {error}")))?;
    match answer.status() {
        StatusCode::NO_CONTENT => Ok(()),
        status => Err(unavailable(format!("{component} answers {status}"))),
    }
}
