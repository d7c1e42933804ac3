//! The host's listening side: serves connections with the app, and ends in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::Method;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use wasmtime_wasi_http::Error;

use crate::app::{App, NoAuthority};
use crate::config::{HostConfig, HostError};

/// How long a client may take to send a request's head, the idle time before it included. It is longer than
/// clients keep idle connections, so that clients close them first.
const HEADER_TIMEOUT: Duration = Duration::from_secs(120);

/// A host that serves requests.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    /// A dropped `Server` stops its host, too.
    stop: DropGuard,
    serving: JoinHandle<()>,
}

impl Server {
    /// Takes no more connections, waits for the requests under way as long as the configuration
    /// says, and ends.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the server ended badly");
        }
    }
}

/// Starts a host. When this returns, requests succeed.
///
/// # Errors
///
/// Says what is wrong with the manifest and the rest of the configuration.
pub async fn serve(config: HostConfig) -> Result<Server, HostError> {
    let refused = |error| HostError::Listen { address: config.listen, error };
    let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
    let addr = listener.local_addr().map_err(refused)?;
    let app = App::load(&config).await?;
    if config.quirks.any() {
        tracing::warn!(quirks = ?config.quirks, seed = config.quirk_seed, "quirks are on");
    }
    tracing::info!(
        app.name,
        app.version,
        components = ?app.components(),
        address = %addr,
        "edge host started"
    );
    let stop = CancellationToken::new();
    let (stopped, drain, small_segments_wait) =
        (stop.clone(), config.drain, config.quirks.small_segments_wait);
    let serving = tokio::spawn(async move {
        let connection = |stream: TcpStream, client, watcher| {
            if !small_segments_wait {
                send_at_once(&stream);
            }
            connection(stream, client, Arc::clone(&app), watcher)
        };
        framelift_listener::serve(listener, stopped, drain, connection).await;
        app.close().await;
        tracing::info!("edge host stopped");
    });
    Ok(Server { addr, stop: stop.drop_guard(), serving })
}

/// Sends every segment of an answer at once, however small.
fn send_at_once(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
}

/// Serves HTTP/1 and, as Spin does, HTTP/2 without TLS if the client begins with it.
async fn connection(stream: TcpStream, client: SocketAddr, app: Arc<App>, watcher: Watcher) {
    // An error of the service closes the connection without an answer.
    let service = service_fn(move |request: http::Request<Incoming>| {
        let app = Arc::clone(&app);
        async move {
            let head = request.method() == Method::HEAD;
            let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
            let mut answer = app.answer(request, client).await?;
            if head {
                // HTTP/2 would send it, or miss what `Content-Length` announces.
                *answer.body_mut() = Empty::new().map_err(|never| match never {}).boxed_unsync();
            }
            Ok::<_, NoAuthority>(answer)
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection from the host's side, as `accept` would have it.
    async fn accepted(small_segments_wait: bool) -> TcpStream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        if !small_segments_wait {
            send_at_once(&stream);
        }
        drop(client);
        stream
    }

    #[tokio::test]
    async fn segments_go_at_once_unless_they_are_to_wait() {
        assert!(accepted(false).await.nodelay().unwrap());
        assert!(!accepted(true).await.nodelay().unwrap());
    }
}
