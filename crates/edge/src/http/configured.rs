//! `GET /configured`: whether a component's variables can be used. `control` asks it of the other components, so that
//! an app of which one component cannot work is not ready.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};

use super::{AnswerBody, CORRELATION_HEADER, Failure, Incoming, empty, finish};
use crate::ports::{Ambient, Http, Unavailable};

const PATH: &str = "/configured";
/// What the names of components end with in calls from one to another.
const INTERNAL: &str = ".spin.internal";

/// Whether a request is this question. It is no route of the app: components alone call it.
pub(crate) fn is_asked(parts: &Parts) -> bool {
    parts.uri.path() == PATH && parts.uri.host().is_some_and(|host| host.ends_with(INTERNAL))
}

/// Answers it: without a body, or with the failure to read the variables, which the log explains.
pub(crate) fn tell<T: AnswerBody>(
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

/// Asks a component, under the caller's correlation id.
pub(crate) async fn ask(http: &impl Http, component: &str, incoming: &Incoming) -> Result<(), Unavailable> {
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
