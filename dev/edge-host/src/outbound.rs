//! Outbound calls of guests: checked against the component's allowed hosts, answered in the process for
//! another component, and sent over pooled connections otherwise.

mod allowed;
mod body;

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::HOST;
use http_body_util::BodyExt as _;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

pub(crate) use self::allowed::{AllowedHosts, chaining_target};
use self::body::TimedBody;
use crate::app::App;

/// To open a connection, name resolution included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the request to the answer's head, where the guest sets none; the body of the request
/// goes up in this time, too.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(600);
/// Between two pieces of the answer, where the guest sets none.
const BETWEEN_BYTES_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an idle connection is kept: shorter than servers do, so that it is rarely one that the server is
/// about to close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The connections of all guests.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, WasiBody>;

/// Makes the client: HTTP/1.1 with kept connections, without Nagle's delay, and TLS with the web's
/// root certificates.
pub(crate) fn client() -> Result<HttpClient, rustls::Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build(connector);
    Ok(client)
}

/// The outbound HTTP of a component.
#[derive(Clone)]
pub(crate) struct Outbound {
    component: Arc<str>,
    allowed: Arc<AllowedHosts>,
    client: HttpClient,
    app: Weak<App>,
}

impl Outbound {
    pub(crate) fn new(component: &str, allowed: AllowedHosts, client: HttpClient, app: Weak<App>) -> Self {
        Self { component: component.into(), allowed: Arc::new(allowed), client, app }
    }

    async fn send(
        self,
        mut request: http::Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<http::Response<WasiBody>, Error> {
        let uri = request.uri();
        if !self.allowed.allow(uri) {
            tracing::warn!(
                component = &*self.component,
                host = uri.authority().map_or("", |authority| authority.as_str()),
                scheme = uri.scheme_str().unwrap_or_default(),
                "outbound request denied, its host is not in allowed_outbound_hosts"
            );
            return Err(Error::HttpRequestDenied);
        }
        if let Some(target) = uri.host().and_then(chaining_target) {
            let target = target.to_owned();
            let app = self.app.upgrade().ok_or(Error::DestinationUnavailable)?;
            request.headers_mut().remove(HOST);
            return app.chain(&target, request).await.ok_or(Error::DestinationNotFound);
        }
        let first_byte = options.first_byte_timeout.unwrap_or(FIRST_BYTE_TIMEOUT);
        let between_bytes = options.between_bytes_timeout.unwrap_or(BETWEEN_BYTES_TIMEOUT);
        let answer = tokio::time::timeout(first_byte, self.client.request(request))
            .await
            .map_err(|_| Error::ConnectionReadTimeout)?
            .map_err(|error| self.failed(&error))?;
        Ok(answer.map(|body| TimedBody::new(body, between_bytes).boxed_unsync()))
    }

    /// Maps an error to WASI's code for the guest, and logs it in full.
    fn failed(&self, error: &ClientError) -> Error {
        let mut causes = Vec::new();
        let mut source = std::error::Error::source(error);
        let mut io = None;
        while let Some(cause) = source {
            causes.push(cause.to_string());
            if let Some(found) = cause.downcast_ref::<std::io::Error>() {
                io = Some(found.kind());
            }
            source = cause.source();
        }
        let causes = causes.join(": ");
        tracing::warn!(component = &*self.component, causes, "outbound request failed: {error}");
        match io {
            Some(std::io::ErrorKind::ConnectionRefused) => Error::ConnectionRefused,
            Some(std::io::ErrorKind::TimedOut) => Error::ConnectionTimeout,
            _ if error.is_connect() && causes.contains("dns error") => {
                Error::DnsError { rcode: None, info_code: None }
            }
            Some(
                std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::ConnectionAborted
                | std::io::ErrorKind::BrokenPipe
                | std::io::ErrorKind::UnexpectedEof,
            ) => Error::ConnectionTerminated,
            _ if error.is_connect() => Error::DestinationUnavailable,
            _ => Error::InternalError(Some(causes)),
        }
    }
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let outbound = self.clone();
        let options = options.unwrap_or_default();
        Box::new(async move {
            let answer = outbound.send(request, options).await?;
            // The client drives its connections; nothing is left to do for this one.
            let io: Box<dyn Future<Output = _> + Send> = Box::new(async { Ok(()) });
            Ok((answer, io))
        })
    }
}
