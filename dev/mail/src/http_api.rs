//! The page and the API over HTTP.

use std::{convert::Infallible, io, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::{pages, store::Store};

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// A mail may bring its own styles and inlined pictures, and nothing from the network.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Answer = Response<Full<Bytes>>;

/// Answers one request.
pub(crate) async fn respond<B>(store: Arc<Store>, request: Request<B>) -> Result<Answer, Infallible> {
    let (method, uri) = (request.method(), request.uri());
    let path: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    let is_get = matches!(*method, Method::GET | Method::HEAD);
    let answer = match path.as_slice() {
        [""] if is_get => answer(StatusCode::OK, HTML, pages::list(&store.list())),
        ["mails", id] if is_get => match store.get(id) {
            Some(mail) => answer(StatusCode::OK, HTML, pages::mail(&mail)),
            None => answer(StatusCode::NOT_FOUND, HTML, pages::not_found()),
        },
        ["api", "mails"] if is_get => list(&store, uri.query().unwrap_or_default()),
        ["api", "mails"] if *method == Method::DELETE => match on_disk(move || store.clear()).await {
            Ok(()) => answer(StatusCode::NO_CONTENT, TEXT, ""),
            Err(error) => failed(&error),
        },
        ["api", "mails", id] if is_get => match store.get(id) {
            Some(mail) => json(&*mail),
            None => answer(StatusCode::NOT_FOUND, TEXT, "no such mail"),
        },
        ["api", "mails", id, "raw"] if is_get => {
            let id = (*id).to_owned();
            match on_disk(move || store.raw(&id)).await {
                Ok(Some(raw)) => answer(StatusCode::OK, TEXT, raw),
                Ok(None) => answer(StatusCode::NOT_FOUND, TEXT, "no such mail"),
                Err(error) => failed(&error),
            }
        }
        [""] | ["mails", _] | ["api", "mails", ..] => {
            answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "method not allowed")
        }
        _ => answer(StatusCode::NOT_FOUND, HTML, pages::not_found()),
    };
    Ok(answer)
}

fn list(store: &Store, query: &str) -> Answer {
    let to = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "to")
        // A plus sign that was not escaped; addresses have no spaces.
        .map(|(_, address)| address.replace(' ', "+"));
    let mut mails = store.list();
    if let Some(to) = to {
        mails.retain(|mail| mail.is_to(&to));
    }
    let mails: Vec<_> = mails.iter().map(AsRef::as_ref).collect();
    json(&mails)
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => answer(StatusCode::OK, JSON, body),
        Err(error) => failed(&error.into()),
    }
}

fn failed(error: &io::Error) -> Answer {
    tracing::error!(%error, "the mails cannot be read or removed");
    answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the mails cannot be read or removed")
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    response
}
