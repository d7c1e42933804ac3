//! Handles HTTP requests before the S3 protocol layer: request ids, CORS, injected faults, and reading the
//! rest of a refused body, so that its sender sees the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use framelift_dev_faults::{Fault, Faults};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use s3s::service::S3Service;
use s3s::{Body, HttpError, HttpResponse, S3Error};

use crate::ambient::new_id;
use crate::cors;
use crate::faults;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// How much of a refused body is read, so that its sender gets to see the answer.
const DRAIN_BYTES: usize = 64 * 1024 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// One per server, shared by its connections.
#[derive(Clone)]
pub(crate) struct Frontend {
    pub(crate) service: S3Service,
    pub(crate) faults: Faults,
}

impl Frontend {
    /// Answers one request.
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
        let origin = request.headers().contains_key(http::header::ORIGIN);
        let mut response = if request.method() == Method::OPTIONS {
            cors::preflight(request.headers()).or_else(refuse)?
        } else {
            self.serve(request).await?
        };
        if origin {
            cors::allow(response.headers_mut());
        }
        if let Ok(id) = HeaderValue::from_str(&new_id()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Ok(response)
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
        let fault = self.faults.next(&format!("{} {}", request.method(), request.uri()));
        match fault {
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::Reset) => return Err(faults::reset()),
            _ => {}
        }
        // A client that waits for "100 Continue" has sent nothing yet, and reading would ask for it.
        let waits = request.headers().contains_key(http::header::EXPECT);
        let (parts, incoming) = request.into_parts();
        let body = Shared(Arc::new(Mutex::new(incoming)));

        let response = match fault {
            Some(Fault::Error { status, code }) => refuse(faults::refusal(status, code))?,
            _ => {
                let body = Body::http_body(body.clone());
                self.service.call(Request::from_parts(parts, body)).await?
            }
        };
        let refused = response.status().is_client_error() || response.status().is_server_error();
        if refused && !waits {
            body.drain().await;
        }
        Ok(match fault {
            Some(Fault::Truncate { after }) => faults::truncate(response, after),
            _ => response,
        })
    }
}

fn refuse(error: S3Error) -> Result<HttpResponse, HttpError> {
    error.to_http_response().map_err(|error| HttpError::new(Box::new(error)))
}

/// A request's body that can still be reached when the protocol layer has dropped it: closing
/// a connection with unread bytes resets it, and the client would lose the answer.
#[derive(Clone)]
struct Shared(Arc<Mutex<Incoming>>);

impl Shared {
    async fn drain(self) {
        let reading = async {
            let mut body = self;
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > DRAIN_BYTES {
                    break;
                }
            }
        };
        // A client that is slower than this gets a reset.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, reading).await;
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut incoming = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}
