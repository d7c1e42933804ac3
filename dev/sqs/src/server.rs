//! The listening server: from bytes to operations and back.

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use framelift_dev_faults::{Fault, Faults};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, service::service_fn};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    auth::Credentials,
    config::{Options, SqsConfig},
    error::{ApiError, Code, StartError},
    ids,
    naming::Naming,
    operations::{Answer, Service},
    store::Db,
};

use answer_body::AnswerBody;

mod answer_body;

/// Ten messages of the largest batch, each character escaped, and their frame.
const MAX_REQUEST_BYTES: usize = 8 << 20;
/// How long requests under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(5);
const JSON: &str = "application/x-amz-json-1.0";

/// A running server. Dropping it stops it too, without waiting for the end.
pub struct SqsServer {
    address: SocketAddr,
    pub(crate) service: Arc<Service>,
    serving: JoinHandle<()>,
    store_thread: thread::JoinHandle<()>,
    stop: DropGuard,
}

/// Starts the server; once this returns, a request succeeds.
///
/// # Errors
/// The configuration cannot work, the address cannot be had, or the file cannot be opened,
/// for instance because another server has it.
pub async fn start(config: SqsConfig) -> Result<SqsServer, StartError> {
    start_with(config, Options::default()).await
}

/// As [`start`], with the clock, the quotas and the faults given.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: SqsConfig, options: Options) -> Result<SqsServer, StartError> {
    check(&config)?;
    let naming = Naming { region: config.region.clone(), account_id: config.account_id };
    let listener =
        TcpListener::bind(config.listen).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) =
        listener.map_err(|source| StartError::Listen { address: config.listen, source })?;
    let (db, store_thread) = Db::open(&config.data_dir, naming.clone())?;
    let service = Arc::new(Service {
        db,
        clock: options.clock,
        naming,
        credentials: Credentials {
            access_key_id: config.access_key_id,
            secret_access_key: config.secret_access_key,
            region: config.region,
        },
        limits: options.limits,
        faults: options.faults,
        signals: Arc::default(),
        stopping: CancellationToken::new(),
    });
    let serving = tokio::spawn(serve(listener, address, Arc::clone(&service)));
    tracing::info!(%address, "the queue listens");
    let stop = service.stopping.clone().drop_guard();
    Ok(SqsServer { address, service, serving, store_thread, stop })
}

fn check(config: &SqsConfig) -> Result<(), StartError> {
    let account = &config.account_id;
    if account.len() != 12 || !account.bytes().all(|c| c.is_ascii_digit()) {
        return Err(StartError::Config("the account id is not twelve digits"));
    }
    if config.region.is_empty() || config.region.contains(['/', ':', ' ']) {
        return Err(StartError::Config("the region is not a region's name"));
    }
    if config.access_key_id.is_empty() || config.secret_access_key.is_empty() {
        return Err(StartError::Config("the access key is empty"));
    }
    Ok(())
}

impl SqsServer {
    /// Where the server listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint to give to an SDK.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of a queue of that name, whether it exists or not.
    #[must_use]
    pub fn queue_url(&self, name: &str) -> String {
        self.service.naming.url(&self.endpoint(), name)
    }

    /// The faults that the server answers with.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// How many requests wait for the clock right now, to be watched: in a long poll, or
    /// because of a fault.
    #[must_use]
    pub fn waiting_requests(&self) -> watch::Receiver<usize> {
        self.service.signals.waiting()
    }

    /// Ends long polls with an empty answer, finishes the requests under way, and closes the
    /// file.
    pub async fn shutdown(self) {
        drop((self.stop, self.service));
        // Both fail only by a panic, which has been reported.
        let _ = self.serving.await;
        let _ = tokio::task::spawn_blocking(move || self.store_thread.join()).await;
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, service: Arc<Service>) {
    let stop = service.stopping.clone();
    framelift_listener::serve(listener, stop, GRACE, |stream, _, watcher| {
        let service = Arc::clone(&service);
        // A client that hangs up ends its long poll: HTTP connections are never half closed.
        let handler = service_fn(move |request| {
            let service = Arc::clone(&service);
            async move { respond(&service, address, request).await }
        });
        framelift_listener::http1(stream, watcher, handler)
    })
    .await;
}

/// Answers one request; an error closes the connection without an answer.
async fn respond(
    service: &Service,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, io::Error> {
    let fault = service.faults.next(operation(request.headers()).unwrap_or_default());
    match fault {
        Some(Fault::Delay(delay)) => {
            let until = service.clock.now().checked_add(delay).unwrap_or(jiff::Timestamp::MAX);
            let _waiting = service.signals.count_waiting();
            service.clock.sleep_until(until).await;
        }
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::Reset) => return Err(closed_on_purpose()),
        _ => {}
    }
    let result = match fault {
        Some(Fault::Error { status: 503, .. }) => Err(ApiError::new(
            Code::ServiceUnavailable,
            "The request has failed due to a temporary failure of the server.",
        )),
        Some(Fault::Error { .. }) => Err(ApiError::internal()),
        _ => handle(service, address, request).await,
    };
    if let Some(Fault::Truncate { .. }) = fault {
        if let Ok(Answer { lease: Some(lease), .. }) = result {
            lease.hand_over();
        }
        return Err(closed_on_purpose());
    }
    let mut response = match result {
        Ok(answer) => Response::new(AnswerBody::new(answer)),
        Err(error) => error_response(&error),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    // SDKs set their clocks by this header, so it is of the clock that signatures are checked by.
    let date = service.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    if let Ok(date) = HeaderValue::from_str(&date.to_string()) {
        headers.insert(header::DATE, date);
    }
    if let Ok(id) = HeaderValue::from_str(&ids::fresh().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    Ok(response)
}

async fn handle(
    service: &Service,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Result<Answer, ApiError> {
    let (parts, body) = request.into_parts();
    let body = read(body).await?;
    service.credentials.verify(&parts, &body, service.clock.now())?;
    if parts.method != http::Method::POST || text(&parts.headers, "content-type") != Some(JSON) {
        return Err(ApiError::new(
            Code::UnknownOperation,
            format!("Operations are called by POST with the content type {JSON}."),
        ));
    }
    let operation = operation(&parts.headers).ok_or_else(|| {
        ApiError::new(Code::UnknownOperation, "The header X-Amz-Target names no operation of AmazonSQS.")
    })?;
    let host = text(&parts.headers, "host").map_or_else(|| address.to_string(), str::to_owned);
    let answer = service.answer(operation, &body, &format!("http://{host}")).await;
    if let Err(error) = &answer {
        tracing::debug!(operation, %error, "refused");
    }
    answer
}

fn closed_on_purpose() -> io::Error {
    io::Error::other("closed on purpose")
}

/// The operation that a request names.
fn operation(headers: &HeaderMap) -> Option<&str> {
    text(headers, "x-amz-target")?.strip_prefix("AmazonSQS.")
}

async fn read(body: Incoming) -> Result<Bytes, ApiError> {
    match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(ApiError::new(
            Code::RequestTooLarge,
            format!("The request is longer than {MAX_REQUEST_BYTES} bytes."),
        )),
        Err(error) => Err(ApiError::new(Code::Serialization, format!("The request ended early: {error}"))),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn error_response(error: &ApiError) -> Response<AnswerBody> {
    let shape = error.code.shape();
    let body = serde_json::json!({"__type": shape.json, "message": error.message});
    let mut response = Response::new(AnswerBody::from(body.to_string()));
    *response.status_mut() =
        http::StatusCode::from_u16(shape.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let fault = if shape.status < 500 { "Sender" } else { "Receiver" };
    if let Ok(value) = HeaderValue::from_str(&format!("{};{fault}", shape.query)) {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}
