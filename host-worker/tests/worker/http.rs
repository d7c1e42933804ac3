//! A small HTTP server for the fakes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

pub(crate) type Answer = Response<BoxBody<Bytes, std::io::Error>>;

/// Serves `handle` on a free port of the loopback until the test's runtime ends.
pub(crate) async fn serve<H, F>(handle: H) -> SocketAddr
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handle = handle.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let handle = handle.clone();
                    async move {
                        let (head, body) = request.into_parts();
                        let answer = match body.collect().await {
                            Ok(body) => handle(Request::from_parts(head, body.to_bytes())).await,
                            Err(_) => text(400, "the request is cut short"),
                        };
                        Ok::<_, Infallible>(answer)
                    }
                });
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

pub(crate) fn bytes(status: u16, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

pub(crate) fn text(status: u16, body: impl Into<String>) -> Answer {
    bytes(status, body.into())
}

/// A body that ends before its declared length.
pub(crate) fn cut_short(status: u16, whole: &Bytes) -> Answer {
    let half = whole.slice(..whole.len() / 2);
    let frames = vec![Ok(Frame::data(half)), Err(std::io::Error::other("cut"))];
    let mut answer = Response::new(BoxBody::new(StreamBody::new(stream::iter(frames))));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer.headers_mut().insert("content-length", whole.len().into());
    answer
}

/// The query as pairs, percent signs decoded as far as the fakes need it.
pub(crate) fn query(request: &Request<Bytes>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect()
}
